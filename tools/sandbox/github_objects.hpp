#pragma once

#include <cstdint>
#include <string>

#include "base/json.hpp"

namespace pca::sandbox {

// What GitHub's answers say about more than was asked for, with all that its description requires.

[[nodiscard]] Json github_creator();  // whom a job's token stands for: github-actions[bot]
[[nodiscard]] Json github_repository(const std::string& full_name);  // public, with an owner
// One that changes a file, by the repository's owner, without a parent.
[[nodiscard]] Json github_commit(const std::string& repository, const std::string& sha);
// One of GitHub Actions that has just been queued, or what is `known` of it instead.
[[nodiscard]] Json github_check_run(const std::string& repository, std::int64_t id,
                                    const std::string& sha, std::int64_t now,
                                    const Json& known = Json::object());

}  // namespace pca::sandbox
