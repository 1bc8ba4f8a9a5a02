#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// A deployment with its first status.
[[nodiscard]] Result<int> run_deployment_start(ToolContext& context, Inputs inputs, BadInputs& bad);
// How it ended, and what that means for earlier ones.
[[nodiscard]] Result<int> run_deployment_finish(ToolContext& context, Inputs inputs,
                                                BadInputs& bad);

}  // namespace pca::commit_status
