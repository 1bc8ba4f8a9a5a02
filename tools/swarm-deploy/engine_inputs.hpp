#pragma once

#include <vector>

#include "cli/connection_inputs.hpp"
#include "cli/tool_main.hpp"
#include "net/engine.hpp"

namespace pca::swarm_deploy {

// How a manager's Engine is reached: from here, or through SSH by the connection inputs.
[[nodiscard]] std::vector<Option> engine_options();

// The Engines to try, in this order; contacts nothing. Mistakes go to `bad`. They borrow the
// context's reporter.
[[nodiscard]] std::vector<EngineEndpoint> read_engine_inputs(ToolContext& context, Inputs& inputs,
                                                             BadInputs& bad);

}  // namespace pca::swarm_deploy
