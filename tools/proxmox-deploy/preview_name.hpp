#pragma once

#include <string>
#include <vector>

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// Whose a branch's preview is: customer, project, component and branch.
[[nodiscard]] std::vector<Option> preview_options();
// What its application is called, as deploy-policy names a VM:
// "{customer}-{project}-preview-{component}-{slug}".
[[nodiscard]] std::string read_preview_name(ToolContext& context, const Inputs& inputs,
                                            BadInputs& bad);

}  // namespace pca::proxmox_deploy
