#pragma once

#include <optional>
#include <string>
#include <vector>

#include "proxmox-deploy/cluster_view.hpp"

namespace pca::proxmox_deploy {

// How a command in a guest ended. All text is the guest's.
struct AgentExit {
  int code = 0;  // 128 and its number where a signal ended it
  std::string out = {};
  std::string err = {};
  bool is_cut = false;  // it printed more than the agent keeps
};

// Runs a program in a guest by its agent, and waits until it has ended. `input` is its stdin, at
// most 64 KiB. Errors: failed (no agent, exec is disabled in the guest), permission, unreachable at
// the budget's end: the program runs on.
[[nodiscard]] ApiResult<AgentExit> agent_exec(const Budget& budget, ProxmoxApi& api,
                                              const Guest& guest,
                                              const std::vector<std::string>& words,
                                              const std::string& input = {});

// Hostile JSON of exec-status; nothing while it runs.
[[nodiscard]] std::optional<AgentExit> parse_exec_status(const Json& status);

}  // namespace pca::proxmox_deploy
