#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.hpp"
#include "net/access_tunnel.hpp"
#include "net/host_address.hpp"
#include "net/ssh.hpp"

namespace pca {

enum class Via : std::uint8_t { access, direct };

// Everything needed to log in to hosts: what all tools take as connection inputs. Checked when
// made (cli/connection_inputs), shared read-only by all workers.
struct ConnectionSettings {
  std::vector<HostAddress> hosts;
  Via via = Via::direct;
  AccessSettings access;  // hostname empty = the host's own name
  struct Hop {
    HostAddress address;
    Secret key;  // empty = the connection's own
    Secret passphrase;
  };
  std::vector<Hop> jumps;  // in the order they are passed through; Access leads to the first
  std::string user;
  Secret key;
  Secret passphrase;
  Secret password;
  std::string certificate;
  std::string agent_socket;
  HostKeyPins pins;  // for hosts and hops alike, looked up by name
  HostKeyPolicy policy = HostKeyPolicy::strict;
  Milliseconds connect_timeout{15000};  // of a try at one hop, from the first packet to the login
  RetryPolicy retry;
  std::string session_folder;  // where open sessions are looked for; empty = nowhere
};

// Enough for all the tries that one connection may take.
[[nodiscard]] Milliseconds connect_limit(const ConnectionSettings& settings);

// What happened on the way, in order, for `check` and progress: "dns", "tcp", "tls", "upgrade",
// "kex", "host key", "auth"; or only "session".
struct ConnectEvent {
  std::string phase;
  std::string detail;
  double ms = 0;
};
struct ConnectObserver {
  std::function<void(const ConnectEvent&)> on_phase;           // may be empty
  std::function<void(const std::string& warning)> on_warning;  // may be empty
  // May be empty. Also called later, for as long as an open session's connection lives.
  std::function<void(const std::string& note)> on_note;
  OnRetry on_retry;           // may be empty
  SshFacts* facts = nullptr;  // of the last hop
};

// A channel-giving connection to the host: an open session's where there is one with the same
// inputs, else one of its own by Access or TCP, then every jump, then the host; with tries, as the
// settings say. Never retries authentication or a refusal by Access.
[[nodiscard]] Result<std::unique_ptr<SshSession>> connect_ssh(const Budget& budget,
                                                              const ConnectionSettings& settings,
                                                              const HostAddress& host,
                                                              const ConnectObserver& observer = {});
// Only the byte stream to the host's SSH port, for `stdio`: no SSH to `host` itself (jumps log in).
// By an open session with the last jump host or, without jumps, with the host itself, which then
// connects to that port of its own; else as above.
[[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_stream(
    const Budget& budget, const ConnectionSettings& settings, const HostAddress& host,
    const ConnectObserver& observer = {});
// Only until `host` has shown its key, of which nothing is demanded, for `pin`: no login there, so
// the facts hold no more than a key and what came before it. `methods` as in SshLogin.
[[nodiscard]] Result<SshFacts> ask_host_key(const Budget& budget,
                                            const ConnectionSettings& settings,
                                            const HostAddress& host, const std::string& methods,
                                            const ConnectObserver& observer = {});

}  // namespace pca
