#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "commit-status/child.hpp"
#include "commit-status/posting.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

// All that is told at the end.
struct Outcome {
  std::string sha;
  std::vector<Posted> posted;
  int attempts = 0;
  bool is_refused = false;  // 401 or 403, or there is no token
  bool is_skipped = false;
  bool is_dry_run = false;
  std::optional<Child::End> child;  // how the command of `run` ended
};

// Outputs, the report, and the summary as far as the input `summary` wants one.
void tell(ToolContext& context, const Inputs& inputs, const Outcome& outcome, bool has_failed);

// Shows the requests instead of sending them, and tells the outcome.
void tell_dry_run(ToolContext& context, const Inputs& inputs, const Target& target,
                  const std::vector<Status>& statuses);

// The exit code in spite of an Error that the user does not want to fail by; or the Error.
[[nodiscard]] Result<int> judge(ToolContext& context, const Inputs& inputs,
                                const std::string& read_only_reason, Error error, Outcome& outcome);

}  // namespace pca::commit_status
