#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh guard ...`: changes to what a connection rests on, such as a firewall or a network,
// that the host takes back by itself unless they are confirmed over a new connection.
[[nodiscard]] Result<int> run_guard(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
