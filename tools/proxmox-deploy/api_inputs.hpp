#pragma once

#include <memory>
#include <vector>

#include "cli/connection_inputs.hpp"
#include "cli/tool_main.hpp"
#include "proxmox-deploy/proxmox_api.hpp"

namespace pca::proxmox_deploy {

// How the API of a cluster is reached: directly, through a Cloudflare Access hostname, or from a
// host by SSH.
[[nodiscard]] std::vector<Option> api_options();

// Contacts nothing. Mistakes go to `bad`. Borrows the context's reporter.
[[nodiscard]] ApiWay read_api_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad);

// Connects; the log hears of hosts that do not answer, and of releases that are not supported.
[[nodiscard]] ApiResult<std::unique_ptr<ProxmoxApi>> connect_api(const Budget& budget,
                                                                 ToolContext& context,
                                                                 const ApiWay& way);

// A duration, and how long a command may take in all.
[[nodiscard]] Option timeout_option(const char* default_value, std::string help);

}  // namespace pca::proxmox_deploy
