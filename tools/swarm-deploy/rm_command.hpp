#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// Removes a stack, and waits until it is really gone: services, then networks, secrets and configs,
// then the history of its releases. Only what has the stack's label is its own.
[[nodiscard]] Result<int> run_rm(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
