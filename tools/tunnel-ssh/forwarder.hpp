#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/channel_flows.hpp"
#include "net/ssh.hpp"
#include "tunnel-ssh/forward_spec.hpp"
#include "tunnel-ssh/local_endpoint.hpp"
#include "tunnel-ssh/socks.hpp"

namespace pca::tunnel_ssh {

// One forwarded connection: a local socket on one side, a channel on the other. Owns both.
class ForwardedConnection {
 public:
  // Accepted here (-L, -D): the channel comes once the target is known.
  ForwardedConnection(const ForwardSpec& spec, LocalSocket socket);
  // Accepted by the host (-R).
  ForwardedConnection(std::unique_ptr<SshChannel> channel, LocalSocket socket);

  // Moves what goes now. False when nothing moved; an Error ends this connection only.
  Result<bool> step(SshSession& session);
  [[nodiscard]] bool is_done() const {
    return stage_ == Stage::left || (flows_.up.is_done() && flows_.down.is_done());
  }
  [[nodiscard]] PollHandle poll_handle() const;
  // Shows the local side that the connection broke, after what SOCKS wants to hear.
  void break_off();

 private:
  // left: a SOCKS client that wanted nothing, as browsers and port checks do.
  enum class Stage : std::uint8_t { socks, opening, open, left };

  void open_channel(SshSession& session, const Endpoint& target);
  Result<bool> step_socks(SshSession& session);
  Result<bool> step_opening();

  Stage stage_ = Stage::opening;
  LocalSocket socket_;
  std::unique_ptr<SshChannel> channel_;
  Endpoint target_;
  std::optional<SocksHandshake> socks_;
  bool has_asked_ = false;  // the SOCKS client has sent something
  Clock::time_point socks_deadline_{};
  ChannelFlows flows_;
};

// Where a forward listens, for outputs.
struct Listening {
  ForwardSpec spec;
  std::uint16_t port = 0;  // 0 for a unix socket
};

// The forwards of one SSH session: listens here and on the host, and moves all their connections in
// one loop. Its own listeners outlive a session, so a new one can take over. Not thread safe.
class Forwarder {
 public:
  using Say = std::function<void(const std::string&)>;

  // Opens the listeners of this machine.
  static Result<Forwarder> open(const std::vector<ForwardSpec>& specs);
  // Opens those of the host: on a new session, before serve(). Ports that the host chose are asked
  // for again; when one has been taken meanwhile the host chooses another, which `say` tells.
  Result<> listen_there(const Budget& budget, SshSession& session, const Say& say);
  // At an orderly end: the files of unix sockets go, too, which sshd leaves.
  void stop_listening_there(const Budget& budget, SshSession& session);
  [[nodiscard]] std::vector<Listening> listening() const;
  // Until the session is lost or the budget ends; always gives the Error that says which. All its
  // connections end with it.
  Error serve(const Budget& budget, SshSession& session, const Say& say);

 private:
  struct Local {
    ForwardSpec spec;
    LocalListener listener;
  };
  struct Remote {
    ForwardSpec spec;
    ListeningPlace place;
  };

  // A connection that has come to a place of the host, and the target of this side is being
  // reached.
  struct Arrival {
    Arrival(const Remote& from, std::unique_ptr<SshChannel> with, Milliseconds limit)
        : remote(from), channel(std::move(with)), target(limit, from.spec.target) {}
    const Remote& remote;
    std::unique_ptr<SshChannel> channel;
    LocalConnect target;
  };

  // Ends with an Error only.
  Result<> move_until_lost(const Budget& budget, SshSession& session, const Say& say);
  [[nodiscard]] bool has_room() const;
  bool accept_here();
  Result<bool> accept_there(SshSession& session);
  bool join_targets(const Say& say);
  bool step_all(SshSession& session, const Say& say);
  [[nodiscard]] std::vector<PollHandle> poll_handles() const;

  std::vector<Local> locals_;
  std::vector<Remote> remotes_;
  std::list<Arrival> arrivals_;
  std::list<ForwardedConnection> connections_;
};

}  // namespace pca::tunnel_ssh
