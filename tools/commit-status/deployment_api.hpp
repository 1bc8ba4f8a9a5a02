#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "commit-status/deployment.hpp"
#include "net/github.hpp"

namespace pca::commit_status {

// The deployments of one repository at GitHub. Both are borrowed. Errors are GitHubApi's.
class DeploymentApi {
 public:
  DeploymentApi(GitHubApi& api, const GitHubRepository& repository)
      : api_(api), repository_(repository) {}

  // The one of an earlier run of the same deploy; null where there is none.
  [[nodiscard]] Result<Json> find(const Budget& budget, const Deployment& asked,
                                  const std::string& sha);
  // Errors besides: conflict where GitHub merged instead, or wants something else first.
  [[nodiscard]] Result<KnownDeployment> create(const Budget& budget, const Deployment& asked,
                                               const std::string& sha);
  [[nodiscard]] Result<KnownDeployment> read(const Budget& budget, std::int64_t id);

  struct Posted {
    std::int64_t id = 0;
    std::string url;
  };
  [[nodiscard]] Result<Posted> post(const Budget& budget, std::int64_t id,
                                    const DeploymentStatus& status);
  // Its state is empty where there is none.
  [[nodiscard]] Result<DeploymentStatus> latest_status(const Budget& budget, std::int64_t id);

  // Those of a commit, newest first, at most 100.
  [[nodiscard]] Result<std::vector<KnownDeployment>> of_commit(const Budget& budget,
                                                               const std::string& sha);

  // Whether there is one to an environment, of any commit.
  [[nodiscard]] Result<bool> has_any(const Budget& budget, const std::string& environment);

  // Those of a preview, or of an environment without previews; newest first, at most 100 out of the
  // environment's newest 500.
  [[nodiscard]] Result<std::vector<KnownDeployment>> list(const Budget& budget,
                                                          const std::string& environment,
                                                          const std::string& slug);
  // Whether list() has seen all that there are.
  [[nodiscard]] bool has_seen_all() const { return has_seen_all_; }

 private:
  [[nodiscard]] std::string path(const std::string& rest) const {
    return repository_.path("/deployments" + rest);
  }
  GitHubApi& api_;
  const GitHubRepository& repository_;
  bool has_seen_all_ = true;
};

}  // namespace pca::commit_status
