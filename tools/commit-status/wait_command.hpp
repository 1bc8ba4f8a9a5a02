#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// A gate: ends when the statuses and checks of a commit are all good, or one is not.
[[nodiscard]] Result<int> run_wait(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
