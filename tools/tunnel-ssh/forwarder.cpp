#include "tunnel-ssh/forwarder.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t most_connections = 256;  // at once; further ones wait to be accepted
constexpr Milliseconds connect_limit{10'000};  // to a target of this side
constexpr std::size_t socks_chunk = 1024;
constexpr Milliseconds socks_limit{10'000};  // for a client to say where it wants to go
constexpr const char* doing = "forwarding";

ListeningPlace place_of(const Endpoint& endpoint) {
  if (endpoint.is_unix()) return {endpoint.path};
  return {endpoint.host == "*" ? "" : endpoint.host, endpoint.port};
}

Result<> remove_socket(const Budget& budget, SshSession& session, const std::string& path) {
  PCA_TRY(const auto channel,
          session.exec(budget, "sh -c 'test -S \"$0\" && rm -f -- \"$0\"' " + shell_quote(path)));
  std::array<char, 256> said{};
  for (;;) {
    PCA_CHECK(channel->read_stderr(said));
    PCA_TRY(const ByteStream::Read got, channel->read(said));
    if (got.end) return {};
    if (got.bytes == 0) {
      PCA_CHECK(session.wait(budget, {}, budget.deadline(), "removing " + visible(path)));
    }
  }
}

// sshd leaves the file of a unix socket behind, and does not listen where one is: nobody misses one
// at which nobody listens.
Result<ListeningPlace> listen_at(const Budget& budget, SshSession& session,
                                 const ListeningPlace& place) {
  auto listening = session.listen(budget, place);
  if (listening || !place.is_unix()) return listening;
  if (session.open_unix(budget, place.address)) {
    return failed(fmt::format("somebody listens on {} of the host already", place.text()),
                  "End that, or use another path.");
  }
  if (!remove_socket(budget, session, place.address)) return listening;
  return session.listen(budget, place);
}

}  // namespace

ForwardedConnection::ForwardedConnection(const ForwardSpec& spec, LocalSocket socket)
    : socket_(std::move(socket)), target_(spec.target) {
  if (spec.kind == ForwardKind::dynamic) {
    socks_.emplace();
    socks_deadline_ = Clock::now() + socks_limit;
    stage_ = Stage::socks;
  }
}

ForwardedConnection::ForwardedConnection(std::unique_ptr<SshChannel> channel, LocalSocket socket)
    : stage_(Stage::open), socket_(std::move(socket)), channel_(std::move(channel)) {}

Result<bool> ForwardedConnection::step(SshSession& session) {
  if (stage_ == Stage::socks) return step_socks(session);
  if (channel_ == nullptr) open_channel(session, target_);
  if (stage_ == Stage::opening) return step_opening();
  return flows_.step(socket_, *channel_);
}

void ForwardedConnection::open_channel(SshSession& session, const Endpoint& target) {
  channel_ = target.is_unix() ? session.begin_unix(target.path)
                              : session.begin_tcp(target.host, target.port);
  stage_ = Stage::opening;
}

Result<bool> ForwardedConnection::step_socks(SshSession& session) {
  std::array<char, socks_chunk> buffer{};
  PCA_TRY(const ByteStream::Read read, socket_.read(buffer));
  const bool is_late = read.bytes == 0 && Clock::now() >= socks_deadline_;
  if ((read.end || is_late) && !has_asked_) {
    stage_ = Stage::left;
    return true;
  }
  if (read.end) return failed("a SOCKS client left before it said what it wants");
  if (is_late) {
    return failed(fmt::format("a SOCKS client did not say within {} what it wants",
                              format_duration(socks_limit)));
  }
  if (read.bytes == 0) return false;
  has_asked_ = true;
  const SocksHandshake::Step step = socks_->feed({buffer.data(), read.bytes});
  // A few bytes always fit into the buffer of a new socket.
  if (!step.reply.empty()) PCA_CHECK(socket_.write(step.reply));
  if (step.failed) return failed("a SOCKS client asked for what is not supported");
  if (step.target) {
    flows_.up.prepend(socks_->early_data());
    open_channel(session, {step.target->host, step.target->port, {}});
  }
  return true;
}

Result<bool> ForwardedConnection::step_opening() {
  if (!channel_->is_open()) {
    PCA_CHECK(channel_->read({}));  // says why when the host could not connect
    if (!channel_->is_open()) return false;
  }
  if (socks_) {
    flows_.down.prepend(socks_->connected());
    socks_.reset();
  }
  stage_ = Stage::open;
  return true;
}

PollHandle ForwardedConnection::poll_handle() const {
  const short of_flows = stage_ == Stage::open ? flows_.socket_events() : short{0};
  const short events = stage_ == Stage::socks ? short{POLLIN} : of_flows;
  PollHandle handle{events == 0 ? -1 : socket_.fd(), events};
  if (stage_ == Stage::socks) handle.wake_at = socks_deadline_;
  return handle;
}

void ForwardedConnection::break_off() {
  if (socks_ && stage_ == Stage::opening) {
    (void)socket_.write(socks_->refused());  // as good as it gets: it ends anyway
    socket_.end_writing();
    return;
  }
  socket_.reset();
}

Result<Forwarder> Forwarder::open(const std::vector<ForwardSpec>& specs) {
  Forwarder forwarder;
  for (const ForwardSpec& spec : specs) {
    if (spec.kind == ForwardKind::remote) {
      forwarder.remotes_.push_back({spec, place_of(spec.listen)});
      continue;
    }
    PCA_TRY(LocalListener listener, LocalListener::open(spec.listen));
    forwarder.locals_.push_back({spec, std::move(listener)});
  }
  return forwarder;
}

Result<> Forwarder::listen_there(const Budget& budget, SshSession& session, const Say& say) {
  for (Remote& remote : remotes_) {
    const ListeningPlace wanted = place_of(remote.spec.listen);
    auto place = listen_at(budget, session, remote.place);
    if (!place && remote.place != wanted) {
      place = listen_at(budget, session, wanted);
      if (place) {
        say(fmt::format("{}: the host listens on port {} now", remote.spec.text, place->port));
      }
    }
    if (!place) return std::move(place).error();
    remote.place = *std::move(place);
  }
  return {};
}

void Forwarder::stop_listening_there(const Budget& budget, SshSession& session) {
  for (const Remote& remote : remotes_) {
    session.stop_listening(remote.place);
    if (remote.place.is_unix()) (void)remove_socket(budget, session, remote.place.address);
  }
}

std::vector<Listening> Forwarder::listening() const {
  std::vector<Listening> all;
  for (const Local& local : locals_) all.push_back({local.spec, local.listener.port()});
  for (const Remote& remote : remotes_) all.push_back({remote.spec, remote.place.port});
  return all;
}

Error Forwarder::serve(const Budget& budget, SshSession& session, const Say& say) {
  Error ended = move_until_lost(budget, session, say).error();
  arrivals_.clear();  // their channels must not outlive the session
  connections_.clear();
  return ended;
}

Result<> Forwarder::move_until_lost(const Budget& budget, SshSession& session, const Say& say) {
  for (;;) {
    PCA_CHECK(budget.check(doing));
    const bool accepted_here = accept_here();
    PCA_TRY(const bool accepted_there, accept_there(session));
    const bool joined = join_targets(say);
    const bool moved = step_all(session, say);
    if (accepted_here || accepted_there || joined || moved) continue;
    PCA_CHECK(session.wait(budget, poll_handles(), budget.deadline(), doing));
  }
}

bool Forwarder::has_room() const {
  return arrivals_.size() + connections_.size() < most_connections;
}

bool Forwarder::accept_here() {
  bool accepted = false;
  for (Local& local : locals_) {
    while (has_room()) {
      auto socket = local.listener.accept();
      if (!socket) break;
      connections_.emplace_back(local.spec, *std::move(socket));
      accepted = true;
    }
  }
  return accepted;
}

Result<bool> Forwarder::accept_there(SshSession& session) {
  bool accepted = false;
  for (const Remote& remote : remotes_) {
    if (!has_room()) break;
    PCA_TRY(auto channel, session.accept(remote.place));
    if (channel == nullptr) continue;
    arrivals_.emplace_back(remote, std::move(channel), connect_limit);
    accepted = true;
  }
  return accepted;
}

bool Forwarder::join_targets(const Say& say) {
  bool joined = false;
  for (auto at = arrivals_.begin(); at != arrivals_.end();) {
    if (!at->target.is_over()) {
      ++at;
      continue;
    }
    auto socket = at->target.take();
    if (socket) {
      connections_.emplace_back(std::move(at->channel), *std::move(socket));
    } else {
      say(fmt::format("{}: {}", at->remote.spec.text, socket.error().message));
    }
    at = arrivals_.erase(at);
    joined = true;
  }
  return joined;
}

bool Forwarder::step_all(SshSession& session, const Say& say) {
  bool moved = false;
  for (auto at = connections_.begin(); at != connections_.end();) {
    const auto stepped = at->step(session);
    if (!stepped) {
      say(stepped.error().message);
      at->break_off();
    }
    moved = moved || !stepped || *stepped;
    at = !stepped || at->is_done() ? connections_.erase(at) : std::next(at);
  }
  return moved;
}

std::vector<PollHandle> Forwarder::poll_handles() const {
  std::vector<PollHandle> handles;
  if (has_room()) {
    for (const Local& local : locals_) handles.push_back(local.listener.poll_handle());
  }
  for (const Arrival& arrival : arrivals_) handles.push_back(arrival.target.poll_handle());
  for (const ForwardedConnection& connection : connections_) {
    handles.push_back(connection.poll_handle());
  }
  return handles;
}

}  // namespace pca::tunnel_ssh
