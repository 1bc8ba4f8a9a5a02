#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "tunnel-ssh/health.hpp"
#include "tunnel-ssh/remote_shell.hpp"

namespace pca::tunnel_ssh {

// A change that a host takes back by itself unless it is confirmed.
struct GuardedChange {
  std::string candidate;  // the new content of `target`; all commands find it by $CANDIDATE
  std::string target;     // a file of the host; empty when `apply` is all there is to it
  std::string validate;   // shell commands; empty = none
  std::string apply;      // runs once the candidate has the target's place: $CANDIDATE is that then
  std::string revert;     // runs after the target is what it was
  Milliseconds revert_after{};
  Json owner;  // who did it, for others who come across it
};

// A guard that waits to be confirmed, by the host's clock.
struct PendingGuard {
  std::string owner;              // JSON, hostile text
  std::int64_t seconds_left = 0;  // until it reverts; negative when that failed or was cut off
  std::string reverts_at;         // RFC 3339 in UTC
};

// One host's side of guard, by POSIX sh and coreutils. In a folder of the user who applies
// (~/.local/state/tunnel-ssh/guard, or XDG_STATE_HOME) each change has a folder of its own with the
// saved file, the revert's script and who armed it; the link `pending` leads to the one that waits,
// and making it is what only one of several can do. The revert runs by a timer that depends on no
// connection: of systemd where that runs, else of a process in a session of its own. Whoever
// renames the script first runs it or has disarmed it. Not thread safe; the shell outlives it.
class GuardHost {
 public:
  explicit GuardHost(RemoteShell& shell) : shell_(shell) {}

  Result<std::optional<PendingGuard>> status(const Budget& budget);
  // Uploads, validates, saves, arms. Nothing that is in use has been touched yet. conflict when a
  // guard is pending; failed when the candidate is not valid.
  Result<PendingGuard> arm(const Budget& budget, const GuardedChange& change);
  // Puts the candidate in its place and starts `apply`, which may well end this connection: it goes
  // on without.
  Result<> apply(const Budget& budget, const GuardedChange& change);
  // Waits until `apply` has ended, on this connection or on another; gives what it printed. failed
  // when it did not end well.
  Result<std::string> wait_applied(const Budget& budget);
  Result<CommandCheck> check(const Budget& budget, const std::string& command, Milliseconds limit);
  // Disarms. conflict when nothing is pending (any more).
  Result<> confirm(const Budget& budget);
  // Ends `apply` and reverts now. conflict when nothing is pending (any more).
  Result<> revert(const Budget& budget);

 private:
  Result<std::string> run(const Budget& budget, const std::string& code,
                          const RemoteInput& input = {});
  RemoteShell& shell_;
  bool has_functions_ = false;
};

}  // namespace pca::tunnel_ssh
