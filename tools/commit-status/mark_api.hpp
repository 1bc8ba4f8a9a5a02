#pragma once

#include <string>
#include <vector>

#include "base/budget.hpp"
#include "commit-status/gate.hpp"
#include "net/github.hpp"

namespace pca::commit_status {

// All check runs of a commit, the latest of each name, and its statuses unless only an app's
// checks are asked for. Polls, so that asking again costs nothing while nothing changes.
[[nodiscard]] Result<std::vector<Mark>> read_marks(const Budget& budget, GitHubApi& api,
                                                   const GitHubRepository& repository,
                                                   const std::string& sha, bool only_checks);

}  // namespace pca::commit_status
