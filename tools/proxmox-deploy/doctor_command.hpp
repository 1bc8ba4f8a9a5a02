#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// Looks whether a deploy can work, and says what to do where it cannot.
[[nodiscard]] CommandSpec doctor_command();
[[nodiscard]] Result<int> run_doctor(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
