#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "commit-status/posting.hpp"
#include "commit-status/target.hpp"
#include "commit-status/trouble.hpp"
#include "net/child_process.hpp"

namespace pca::commit_status {

// All that is told at the end.
struct Outcome : Course {
  std::string sha;
  std::vector<Posted> posted;
  std::optional<ChildProcess::End> child;  // how the command of `run` ended
};

// Outputs, the report, and the summary as far as the input `summary` wants one.
void tell(ToolContext& context, const Inputs& inputs, const Outcome& outcome, bool has_failed);

// Shows the requests instead of sending them, and tells the outcome.
void tell_dry_run(ToolContext& context, const Inputs& inputs, const Target& target,
                  const std::vector<Status>& statuses);

}  // namespace pca::commit_status
