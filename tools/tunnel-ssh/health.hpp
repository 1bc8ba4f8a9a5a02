#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "net/host_address.hpp"
#include "net/ssh.hpp"

namespace pca::tunnel_ssh {

// When what was put on a host counts as healthy: all checks that are given, several times in a row.
struct HealthCheck {
  std::string command;      // runs on the host; empty = none
  std::uint16_t port = 0;   // takes connections on the host's loopback; 0 = none
  std::string url;          // answers with 2xx, asked for from the host; empty = none
  Milliseconds timeout{};   // for all of it
  int successes = 2;        // in a row
  Milliseconds pause{500};  // between two checks

  [[nodiscard]] bool is_needed() const { return !command.empty() || port != 0 || !url.empty(); }
};

// Whom an http or https address is about, with the port it implies; bad_input when it is none.
[[nodiscard]] Result<HostAddress> host_of_url(const std::string& url);

// How a command of the user's went on the host.
struct CommandCheck {
  bool is_good = false;  // it ended with 0 within the limit
  std::string said;      // the end of it
  int code = 0;          // 124 when its time was up
};
using RunCheck = std::function<Result<CommandCheck>(const Budget&, const std::string& command,
                                                    Milliseconds limit)>;

// Why something counts as healthy: "2 checks in a row after 1.4 s".
struct HealthEvidence {
  std::string text;
  Clock::time_point since;  // the end of the first of these checks
};

// Waits until all is healthy as `health` says, asking again and again; the command by `run_check`.
// Errors: failed (not in time; the message has
// what the last check said), and those of the session.
[[nodiscard]] Result<HealthEvidence> wait_until_healthy(const Budget& budget, SshSession& session,
                                                        const RunCheck& run_check,
                                                        const HealthCheck& health);

}  // namespace pca::tunnel_ssh
