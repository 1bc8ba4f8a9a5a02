#pragma once

#include <string>
#include <string_view>

#include "base/budget.hpp"
#include "cli/inputs.hpp"

namespace pca {

// What is known of a commit besides its name. Both may be empty.
struct CommitFacts {
  std::string time;       // when it was committed, RFC 3339 in UTC
  std::string revert_of;  // the commit that its message says it reverts
};

// What git says in one of the job's folders: `source`, or the runner's workspace; else the event of
// the job, where that is about this commit. Nothing when neither knows it.
[[nodiscard]] CommitFacts find_commit_facts(const Budget& budget, const Environment& environment,
                                            const std::string& source, const std::string& commit);

// The parts of it, for tests. Hostile texts.
[[nodiscard]] CommitFacts parse_git_answer(std::string_view text);  // seconds, line end, message
[[nodiscard]] CommitFacts parse_event(std::string_view json, std::string_view commit);

}  // namespace pca
