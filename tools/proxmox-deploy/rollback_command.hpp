#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// An old guest that was kept becomes the active one again.
[[nodiscard]] CommandSpec rollback_command();
[[nodiscard]] Result<int> run_rollback(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
