#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// Backs a guest up to a storage, and says what the backup is called.
[[nodiscard]] CommandSpec backup_command();
[[nodiscard]] Result<int> run_backup(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
