#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

[[nodiscard]] CommandSpec plan_command();
[[nodiscard]] CommandSpec deploy_command();
[[nodiscard]] CommandSpec container_deploy_command();
// Of a branch: its guests have a name of their own.
[[nodiscard]] CommandSpec preview_up_command();
// All of them.
[[nodiscard]] Result<int> run_deploy(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
