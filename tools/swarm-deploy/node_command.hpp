#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// What "node" takes besides the engine's options.
[[nodiscard]] std::vector<Option> node_options();

// Lists the nodes of a swarm, drains them, makes them active again or pauses them, and changes
// their labels.
[[nodiscard]] Result<int> run_node(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
