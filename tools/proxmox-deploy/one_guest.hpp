#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

// What commands about one guest have in common, be it an application's or not.
[[nodiscard]] Option guest_option();
[[nodiscard]] std::vector<Output> guest_outputs();
[[nodiscard]] std::string example_of(const std::string& rest);

// A guest that was found, and the way to it.
struct FoundGuest {
  std::unique_ptr<ProxmoxApi> api;
  Guest guest;
};
// Connects and finds it, and sets the outputs.
[[nodiscard]] ApiResult<FoundGuest> find_one_guest(const Budget& budget, ToolContext& context,
                                                   const ApiWay& way, const std::string& name);

// The same of one that has an agent, for which it waits for up to two minutes, as it has just been
// started maybe. Errors: failed (a container has none; it is not configured, or powered off).
[[nodiscard]] ApiResult<FoundGuest> find_one_machine(const Budget& budget, ToolContext& context,
                                                     const ApiWay& way, const std::string& name);

// The logs of tasks that failed or warned, folded in the log.
void show_logs(ToolContext& context, const Tasks& tasks);

}  // namespace pca::proxmox_deploy
