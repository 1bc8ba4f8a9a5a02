#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// pending, then the command, then how it ended.
[[nodiscard]] Result<int> run_run(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
