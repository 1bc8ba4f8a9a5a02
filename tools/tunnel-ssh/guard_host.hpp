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
  std::string candidate;  // the new content of `target`
  std::string target;     // a file of the host; empty when `apply` is all there is to it
  std::string validate;   // shell commands; empty = none. They find the candidate's path in
  std::string apply;      // $CANDIDATE; when apply runs it is at its target already
  std::string revert;     // runs after the target is what it was
  Milliseconds revert_after{};
  Json owner;  // who did it, for others who come across it
};

// A guard that waits to be confirmed, by the host's clock.
struct PendingGuard {
  std::string owner;              // JSON, hostile text
  std::int64_t seconds_left = 0;  // until it reverts
  std::string reverts_at;         // RFC 3339 in UTC
};

// One host's side of guard, by POSIX sh and coreutils: a folder of the user who applies (in
// ~/.local/state/tunnel-ssh/guard, or XDG_STATE_HOME) with the saved file, the script of the revert
// and who armed it. The revert runs by a timer that depends on no connection: of systemd where that
// runs, else of a process in a session of its own. Whoever renames the script first runs it or has
// disarmed it. Not thread safe; the shell outlives it.
class GuardHost {
 public:
  explicit GuardHost(RemoteShell& shell) : shell_(shell) {}

  Result<std::optional<PendingGuard>> status(const Budget& budget);
  // Uploads, validates, saves, arms. Nothing that is in use has been touched yet. conflict when a
  // guard is pending; failed when the candidate is not valid.
  Result<PendingGuard> arm(const Budget& budget, const GuardedChange& change);
  // Puts the candidate in its place and starts `apply`, which may well end this connection: it goes
  // on without. Gives what it printed once it has ended well within the budget.
  Result<std::string> apply(const Budget& budget, const GuardedChange& change);
  Result<CommandCheck> check(const Budget& budget, const std::string& command, Milliseconds limit);
  // Disarms. conflict when nothing is pending (any more).
  Result<> confirm(const Budget& budget);
  // Reverts now. conflict when nothing is pending (any more).
  Result<> revert(const Budget& budget);

 private:
  Result<std::string> run(const Budget& budget, const std::string& code,
                          const RemoteInput& input = {});
  RemoteShell& shell_;
  bool has_functions_ = false;
};

}  // namespace pca::tunnel_ssh
