#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sandbox/github_answer.hpp"

namespace pca::sandbox {

// The commit that a deployment is asked for, as the repository knows it.
struct GithubCommit {
  std::string sha;
  std::map<std::string, std::string> states;  // by context, the latest of each
};

// The deployments of a repository and their statuses, with GitHub's defaults: it merges the default
// branch first and wants all statuses to be successes unless it is told not to. Not thread safe.
class GithubDeployments {
 public:
  // Refs that the default branch is ahead of, or conflicts with.
  GithubDeployments(std::string repository, std::set<std::string> behind,
                    std::set<std::string> unmergeable)
      : repository_(std::move(repository)),
        behind_(std::move(behind)),
        unmergeable_(std::move(unmergeable)) {}

  [[nodiscard]] Answer create(const Json& body, const GithubCommit& commit, std::int64_t now);
  [[nodiscard]] Answer list(const GithubQuery& query) const;  // newest first
  [[nodiscard]] Answer show(const std::string& id) const;
  [[nodiscard]] Answer create_status(const std::string& id, const Json& body, std::int64_t now);
  [[nodiscard]] Answer list_statuses(const std::string& id, const GithubQuery& query) const;

 private:
  struct Deployment {
    Json json;
    std::vector<Json> statuses;  // oldest first
    [[nodiscard]] std::string state() const;
    [[nodiscard]] bool is(const char* flag) const;
  };

  [[nodiscard]] Deployment* find(const std::string& id);
  [[nodiscard]] const Deployment* find(const std::string& id) const;
  void add_status(Deployment& deployment, const std::string& state, const Json& body,
                  std::int64_t now);
  [[nodiscard]] std::string url(const std::string& rest) const;

  std::string repository_;
  std::set<std::string> behind_;
  std::set<std::string> unmergeable_;
  std::vector<Deployment> all_;  // oldest first; the id is the place, counted from 1
  std::int64_t last_status_id_ = 0;
};

}  // namespace pca::sandbox
