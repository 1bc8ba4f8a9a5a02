#pragma once

#include "cli/tool_main.hpp"

namespace pca::proxmox_deploy {

// What new guests are made of: installation images, templates of containers, disk images.
[[nodiscard]] CommandSpec image_upload_command();
[[nodiscard]] CommandSpec image_download_url_command();
[[nodiscard]] CommandSpec image_oci_pull_command();
[[nodiscard]] CommandSpec image_list_command();
[[nodiscard]] CommandSpec image_prune_command();
[[nodiscard]] Result<int> run_image(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::proxmox_deploy
