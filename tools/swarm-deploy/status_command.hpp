#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// How a stack is now; writes nothing. Exit code 1 when not all of it is well.
[[nodiscard]] Result<int> run_status(ToolContext& context, Inputs& inputs, BadInputs& bad);
// Waits until it is well, as a deploy does.
[[nodiscard]] Result<int> run_wait(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
