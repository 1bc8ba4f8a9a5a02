#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// What there is no command for: a call of the API; and the list of tasks.
[[nodiscard]] CommandSpec api_command();
[[nodiscard]] CommandSpec tasks_command();
[[nodiscard]] Result<int> run_api(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_tasks(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
