#pragma once

#include <string>

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// How the talk with GitHub went, as far as the end of the command depends on it.
struct Course {
  int attempts = 0;
  bool is_refused = false;  // 401 or 403, or there is no token
  bool is_skipped = false;
  bool is_dry_run = false;
};

// The exit code in spite of an Error that the user does not want to fail by; or the Error. Whether
// the token's rights are why goes to `course`.
[[nodiscard]] Result<int> judge(ToolContext& context, const Inputs& inputs,
                                const std::string& read_only_reason, Error error, Course& course);

}  // namespace pca::commit_status
