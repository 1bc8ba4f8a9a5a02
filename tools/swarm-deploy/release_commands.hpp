#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// What the swarm keeps of a stack's releases, and what its people say of them.
[[nodiscard]] Result<int> run_list(ToolContext& context, Inputs& inputs, BadInputs& bad);
// hold and unhold.
[[nodiscard]] Result<int> run_hold(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_unlock(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
