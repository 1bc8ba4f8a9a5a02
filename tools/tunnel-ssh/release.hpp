#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh release ...`: releases side by side in a folder of each host, one of them current.
[[nodiscard]] Result<int> run_release(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
