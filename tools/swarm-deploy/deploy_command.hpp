#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

[[nodiscard]] Result<int> run_plan(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_deploy(ToolContext& context, Inputs& inputs, BadInputs& bad);
// A deploy of a branch's own stack.
[[nodiscard]] Result<int> run_preview_up(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
