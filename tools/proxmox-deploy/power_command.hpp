#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// One guest, by its ID or name: power, wait and snapshot.
[[nodiscard]] CommandSpec power_command();
[[nodiscard]] CommandSpec wait_command();
[[nodiscard]] CommandSpec snapshot_command();
[[nodiscard]] Result<int> run_power(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_wait(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_snapshot(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
