#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// Makes an earlier release of a stack the current one again, all of it, from what the swarm keeps.
[[nodiscard]] Result<int> run_rollback(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
