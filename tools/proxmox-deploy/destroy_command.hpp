#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// The guests of an application, and previews that nobody needs any more, go: destroy and gc.
[[nodiscard]] CommandSpec destroy_command();
[[nodiscard]] CommandSpec preview_down_command();
[[nodiscard]] CommandSpec gc_command();
[[nodiscard]] Result<int> run_destroy(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_gc(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
