#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh exec`: runs a script on the hosts.
Result<int> run_exec(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
