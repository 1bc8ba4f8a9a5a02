#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/session_identity.hpp"
#include "net/session_socket.hpp"

namespace pca {

// An open session that somebody asks about, as its holder describes it.
struct OpenSession {
  std::string name;   // of its socket
  int pid = 0;        // its holder
  std::string host;   // user@name:port
  std::string state;  // "connected", "reconnecting"; "silent": it does not answer, see pid
  std::int64_t channels = 0;
  std::int64_t seconds = 0;  // since it was opened
  std::vector<SessionIdentity::Part> inputs;
};

// The sessions in a folder; nothing when there is no such folder, or it cannot be trusted.
[[nodiscard]] std::vector<OpenSession> list_sessions(const Budget& budget,
                                                     const std::string& folder);
// Ends a session and waits until it has. Already gone is fine. One that does not answer is ended by
// SIGTERM to its holder, with all else it holds.
[[nodiscard]] Result<> end_session(const Budget& budget, const std::string& folder,
                                   const OpenSession& session);

// A connection to the session of the same connection inputs that is open in the settings'
// session_folder. It behaves as a connection of one's own: its channels are channels of the
// holder's, and exec() waits for its turn where the host gives no more of them (MaxSessions).
// nullptr when there is none; if there are others, `say` tells what differs. It also tells of a
// wait for a turn, as long as the connection lives. Errors: cancelled, bad_input.
[[nodiscard]] Result<std::unique_ptr<SshSession>> attach_session(
    const Budget& budget, const ConnectionSettings& settings, const HostAddress& host,
    const std::function<void(const std::string&)>& say);
// The same with the session of the last jump host.
[[nodiscard]] Result<std::unique_ptr<SshSession>> attach_last_jump(
    const Budget& budget, const ConnectionSettings& settings,
    const std::function<void(const std::string&)>& say);

}  // namespace pca
