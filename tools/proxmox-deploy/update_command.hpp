#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// Changes the active guest in place, with a snapshot to go back to; and makes a guest that was not
// cloned by a deploy the active one of an application, so that it can be updated.
[[nodiscard]] CommandSpec update_command();
[[nodiscard]] CommandSpec adopt_command();
[[nodiscard]] Result<int> run_update(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_adopt(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
