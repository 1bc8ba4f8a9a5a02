#pragma once

#include <string>
#include <vector>

#include "base/budget.hpp"
#include "commit-status/status.hpp"
#include "net/github.hpp"

namespace pca::commit_status {

// What GitHub has of one status now.
struct Posted {
  Status status;
  std::int64_t id = 0;
  std::string url;
  bool is_changed = false;  // it was written just now
};

// Sets the statuses of a commit one after the other, a second apart as GitHub asks for. With
// `skip_unchanged` the commit is read first, and what stands there already is not written again.
// What was done goes to `done` as it is done, also before an Error.
[[nodiscard]] Result<> post_statuses(const Budget& budget, GitHubApi& api,
                                     const GitHubRepository& repository, const std::string& sha,
                                     const std::vector<Status>& statuses, bool skip_unchanged,
                                     std::vector<Posted>& done);

// What an answer says of a status; nothing useful in it leaves the id 0.
[[nodiscard]] Posted read_posted(const Json& json);

}  // namespace pca::commit_status
