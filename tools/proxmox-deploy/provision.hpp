#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "proxmox-deploy/file_push.hpp"

namespace pca::proxmox_deploy {

// What a guest is given by its agent before it has to be healthy: files, then a script.
struct Provision {
  std::vector<PushedFile> files = {};
  std::optional<ShellScript> script = {};

  [[nodiscard]] bool empty() const { return files.empty() && !script; }
  // Of all of it but secrets, which the guest's description is not to tell; empty for nothing.
  [[nodiscard]] std::string digest() const;
};

[[nodiscard]] std::vector<Option> provision_options(const std::string& group);
// Where `is_required`, nothing at all is a mistake.
[[nodiscard]] Provision read_provision(ToolContext& context, const Inputs& inputs, bool is_required,
                                       BadInputs& bad);

// Waits for the agent, writes the files and runs the script; the log hears of all of it. At a
// cancel the script is only told to end: the guest is to be undone, and there is little time.
// Errors: failed (also a script that does not end with 0), and those of push_files() and
// run_in_guest().
[[nodiscard]] ApiResult<> provision_guest(const Budget& budget, ToolContext& context,
                                          ProxmoxApi& api, const Guest& guest,
                                          const Provision& provision);

}  // namespace pca::proxmox_deploy
