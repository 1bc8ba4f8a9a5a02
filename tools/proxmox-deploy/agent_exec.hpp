#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxmox-deploy/cluster_view.hpp"

namespace pca::proxmox_deploy {

// A program to run in a guest.
struct AgentProgram {
  std::vector<std::string> words;
  std::string input = {};    // its stdin: ASCII, at most 64 KiB
  bool has_secrets = false;  // the request is wiped
};

// The words that run `code` by the guest's sh, with $1, $2, ...
[[nodiscard]] std::vector<std::string> shell_words(std::string_view code,
                                                   std::vector<std::string> arguments = {});

// How a command in a guest ended. All text is the guest's.
struct AgentExit {
  int code = 0;  // 128 and its number where a signal ended it
  std::string out = {};
  std::string err = {};
  bool is_cut = false;  // it printed more than the agent keeps
};

// The last line of what a guest printed, made visible and short; empty where there is none.
[[nodiscard]] std::string last_line(std::string_view text);

// Waits until the guest's agent answers; `on_first_wait` hears why it does not yet. Errors: those
// that no waiting cures at once; unreachable at the budget's end, with what was heard last.
[[nodiscard]] ApiResult<> wait_for_agent(
    const Budget& budget, ProxmoxApi& api, const Guest& guest,
    const std::function<void(const Error&)>& on_first_wait = {});

// Starts a program in a guest by its agent; its number there. Errors: failed (no agent, exec is
// disabled in the guest), permission, outcome_unknown (it may run), unreachable.
[[nodiscard]] ApiResult<std::int64_t> agent_start(const Budget& budget, ProxmoxApi& api,
                                                  const Guest& guest, const AgentProgram& program);

// Nothing while it runs. Its end is told once: an answer that was lost cannot be had again.
[[nodiscard]] ApiResult<std::optional<AgentExit>> agent_look(const Budget& budget, ProxmoxApi& api,
                                                             const Guest& guest,
                                                             std::int64_t number);

// Both, until it has ended. At the budget's end the program runs on. Errors: outcome_unknown also
// where the answer that told its end was lost.
[[nodiscard]] ApiResult<AgentExit> agent_exec(const Budget& budget, ProxmoxApi& api,
                                              const Guest& guest, const AgentProgram& program);

// Hostile JSON of exec-status; nothing while it runs.
[[nodiscard]] std::optional<AgentExit> parse_exec_status(const Json& status);

}  // namespace pca::proxmox_deploy
