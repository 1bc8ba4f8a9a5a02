#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// Makes rules of a guest's firewall what a file says.
[[nodiscard]] CommandSpec firewall_apply_command();
[[nodiscard]] Result<int> run_firewall(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
