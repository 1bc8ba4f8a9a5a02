#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// Makes folders of a host like folders of this machine, and sends only what differs.
Result<int> run_sync(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
