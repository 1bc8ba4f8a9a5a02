#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// What a cluster has of an application, and what its people say of it: status, hold, unhold,
// unlock.
[[nodiscard]] CommandSpec status_command();
[[nodiscard]] CommandSpec hold_command();
[[nodiscard]] CommandSpec unhold_command();
[[nodiscard]] CommandSpec unlock_command();
[[nodiscard]] Result<int> run_status(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_hold(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_unlock(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
