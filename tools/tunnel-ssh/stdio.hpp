#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh stdio`: stdin and stdout become a connection to the host's SSH port.
Result<int> run_stdio(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
