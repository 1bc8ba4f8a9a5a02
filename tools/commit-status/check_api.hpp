#pragma once

#include <string>
#include <vector>

#include "base/budget.hpp"
#include "commit-status/check.hpp"
#include "net/github.hpp"

namespace pca::commit_status {

// The check runs of one repository at GitHub. Both are borrowed. Errors are GitHubApi's; a refused
// token is told that only an app's may write.
class CheckApi {
 public:
  CheckApi(GitHubApi& api, const GitHubRepository& repository)
      : api_(api), repository_(repository) {}

  // The one of an earlier call about the same check; null where there is none.
  [[nodiscard]] Result<Json> find(const Budget& budget, const Check& check);
  [[nodiscard]] Result<KnownCheck> read(const Budget& budget, std::int64_t id);
  [[nodiscard]] Result<KnownCheck> create(const Budget& budget, const Check& check,
                                          const std::vector<CheckAnnotation>& annotations);
  [[nodiscard]] Result<KnownCheck> update(const Budget& budget, const KnownCheck& known,
                                          const Check& check,
                                          const std::vector<CheckAnnotation>& annotations);
  // The annotations from number `first` on, 50 of them. None comes twice when an answer is lost.
  [[nodiscard]] Result<KnownCheck> add(const Budget& budget, const KnownCheck& known,
                                       const Check& check,
                                       const std::vector<CheckAnnotation>& annotations,
                                       std::size_t first);

 private:
  // `count`: of the annotations in the body.
  Result<KnownCheck> patch(const Budget& budget, const KnownCheck& known, const Json& body,
                           std::size_t count);
  [[nodiscard]] std::string path(const std::string& rest) const {
    return repository_.path("/check-runs" + rest);
  }
  GitHubApi& api_;
  const GitHubRepository& repository_;
};

}  // namespace pca::commit_status
