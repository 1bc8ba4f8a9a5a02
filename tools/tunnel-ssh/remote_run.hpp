#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "net/ssh.hpp"
#include "tunnel-ssh/program.hpp"

namespace pca::tunnel_ssh {

// How long things may take on one host.
struct RunLimits {
  Milliseconds timeout{std::chrono::minutes(30)};  // of the command, from its start request
  Milliseconds linger{2000};     // for a child that holds the channel after the command's end
  Milliseconds backlog{60'000};  // for output that goes on to come then: a slow way or reader
  Milliseconds patience{4000};   // between TERM and KILL
  // For all of it; a cancelled process has 7 s (SignalWatcher), of which one is for its goodbye.
  Milliseconds cleanup{5500};
};

// Where the host's words go as they come. All may be empty.
struct RunSinks {
  std::function<void(std::string_view)> noise;  // from login files, before the script
  std::function<void(std::string_view)> out;
  std::function<void(std::string_view)> err;
  std::function<void(const std::string&)> warning;  // our own words
};

// How one run ended. `error` is empty when the command ended with 0.
struct RunEnd {
  std::optional<SshChannel::Exit> exit;  // as the host told it
  std::optional<Error> error;
  bool timed_out = false;
  bool started = false;  // the host said that the script runs
  std::string shell;     // what runs it
  std::uint64_t out_bytes = 0;
  std::uint64_t err_bytes = 0;
};

// Runs `program` on the session's host and waits for its end; `who` names the host in messages.
// Ends the remote process group when the time is up or `stop` is asked for, and looks that it is
// gone. Errors: failed (non-zero, killed by a signal, or never started), unreachable (timed out, or
// the connection broke before the whole script was sent), outcome_unknown (it broke later),
// cancelled. Wipes the program's input once it was sent.
[[nodiscard]] RunEnd run_program(SshSession& session, RemoteProgram program,
                                 const RunLimits& limits, const RunSinks& sinks,
                                 const std::string& who, const std::stop_token& stop);

}  // namespace pca::tunnel_ssh
