#pragma once

#include "cli/options.hpp"

namespace pca::proxmox_deploy {

// The one option table of proxmox-deploy: flags, INPUT_ variables, help, action.yml and README come
// from it. Each command's part is in the file of the command.
[[nodiscard]] ToolSpec tool_spec();

}  // namespace pca::proxmox_deploy
