#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cli/shell_script.hpp"
#include "proxmox-deploy/agent_exec.hpp"

namespace pca::proxmox_deploy {

// What a script prints, in pieces as they come. All of it is the guest's.
struct ScriptOutput {
  std::function<void(std::string_view)> out;
  std::function<void(std::string_view)> err;
};

// How much a script may be with all that stands before it: the agent takes 64 KiB of stdin, and it
// gets it in base64, since some releases take no other text than ASCII.
inline constexpr std::size_t longest_guest_script = std::size_t{45} * 1024;

// Runs a script in a guest by its agent, as root or whoever the agent is, and tells what it prints
// while it runs; that goes through files below /tmp there, which only this user can read and which
// are removed. Its exit code; 128 and its number where a signal ended it. At the budget's end and
// at a cancel the script gets TERM, and KILL after 2 s, with all that it has started in its
// session. Errors: failed (no agent, exec is disabled in the guest, the guest has no setsid or
// base64), permission, unreachable and cancelled (it was ended, or it never began), outcome_unknown
// (nobody can tell whether it runs on). Whoever takes the whole guest back has little time at a
// cancel: without `waits_for_end` the script is told to end, and nobody waits until it has.
[[nodiscard]] ApiResult<int> run_in_guest(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                          const ShellScript& script, const ScriptOutput& output,
                                          bool waits_for_end = true);

// What the guest tells of a script that was begun there.
struct ScriptNews {
  enum class State : std::uint8_t { absent, running, ended };
  State state = State::absent;
  int code = 0;           // when it has ended
  std::string beat = {};  // another one each time, while somebody there looks after it
  std::string out = {};   // since what was asked for, at most `news_limit` of each
  std::string err = {};
};
inline constexpr std::size_t news_limit = std::size_t{128} * 1024;

// Hostile text. Errors: failed.
[[nodiscard]] Result<ScriptNews> parse_script_news(std::string_view text);

}  // namespace pca::proxmox_deploy
