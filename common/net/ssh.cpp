#include "net/ssh.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "net/ssh_auth.hpp"
#include "net/ssh_handshake.hpp"
#include "net/ssh_transport.hpp"
#include "net/ssh_wire.hpp"

namespace pca {

namespace {

// The server may send this much ahead of what is read; one round trip's worth decides how fast a
// download can be. A command has the line to itself, forwarded connections share it.
constexpr unsigned command_window = 16U << 20U;
constexpr unsigned stream_window = 4U << 20U;
constexpr unsigned largest_packet = 32768;
constexpr std::size_t longest_read = std::size_t{1} << 20U;
constexpr std::size_t longest_write = 32700;  // what libssh2 puts into one packet at most
constexpr int longest_accept_queue = 64;
constexpr Milliseconds longest_hand_over{2000};
constexpr int exit_status_unknown = -1;

// RFC 4254 section 6.10 names signals; everyone's numbers for them are these. 0 for others.
int signal_number(std::string_view name) {
  using Signal = std::pair<std::string_view, int>;
  constexpr std::array<Signal, 13> signals{
      Signal{"HUP", 1},   Signal{"INT", 2},   Signal{"QUIT", 3},  Signal{"ILL", 4},
      Signal{"ABRT", 6},  Signal{"FPE", 8},   Signal{"KILL", 9},  Signal{"USR1", 10},
      Signal{"SEGV", 11}, Signal{"USR2", 12}, Signal{"PIPE", 13}, Signal{"ALRM", 14},
      Signal{"TERM", 15}};
  const auto found = std::find_if(signals.begin(), signals.end(),
                                  [name](const Signal& signal) { return signal.first == name; });
  return found == signals.end() ? 0 : found->second;
}

// What to ask the server for.
struct ChannelRequest {
  std::string type;     // "session", "direct-tcpip", ...
  std::string message;  // what goes with the type
  std::string command;  // of a session; or a subsystem's name
  std::string what;     // for messages: "a connection to 10.0.0.5:5432"
  unsigned window = stream_window;
  std::string start = "exec";  // what the command is to the server, or "subsystem"
};

// What a channel has of its own. It lives in the session, because closing takes longer than the
// Channel that shows it lives.
struct ChannelState {
  enum class Stage : std::uint8_t {
    waiting,   // to be opened: for its turn, then for the server
    starting,  // open; the server has not said yet whether it runs the command
    open,
    failed,
    gone,
  };
  ChannelRequest request;
  Stage stage = Stage::waiting;
  LIBSSH2_CHANNEL* raw = nullptr;
  LIBSSH2_CHANNEL* asked_for = nullptr;  // while the server has not answered
  std::optional<Error> error;
  std::string half_sent;  // libssh2 wants the very same bytes again when it would have blocked
  bool is_dropped = false;

  void fail(Error problem) {
    stage = Stage::failed;
    error = std::move(problem);
  }
};

class Channel;

// The real SshSession.
class Session : public SshSession {
 public:
  Session(std::unique_ptr<ByteStream> stream, const SshLogin& login)
      : transport_(std::move(stream)),
        keepalive_(login.keepalive),
        keepalive_limit_(login.keepalive_limit) {
    constexpr unsigned shortest_pause = 2;  // seconds; the pauses are measured here
    libssh2_keepalive_config(transport_.raw(), 1, shortest_pause);
  }

  Result<std::unique_ptr<SshChannel>> exec(const Budget& budget,
                                           const std::string& command) override;
  Result<std::unique_ptr<SshChannel>> open_tcp(const Budget& budget, const std::string& host,
                                               std::uint16_t port) override;
  Result<std::unique_ptr<SshChannel>> open_unix(const Budget& budget,
                                                const std::string& path) override;
  Result<std::unique_ptr<SshChannel>> open_subsystem(const Budget& budget,
                                                     const std::string& name) override;
  std::unique_ptr<SshChannel> begin_exec(const std::string& command) override;
  std::unique_ptr<SshChannel> begin_subsystem(const std::string& name) override;
  std::unique_ptr<SshChannel> begin_tcp(const std::string& host, std::uint16_t port) override;
  std::unique_ptr<SshChannel> begin_unix(const std::string& path) override;
  Result<ListeningPlace> listen(const Budget& budget, const ListeningPlace& place) override;
  Result<std::unique_ptr<SshChannel>> accept(const ListeningPlace& place) override;
  void stop_listening(const ListeningPlace& place) override;
  Result<std::vector<short>> wait(const Budget& budget, std::span<const PollHandle> others,
                                  Clock::time_point wake_at, const std::string& doing) override;
  [[nodiscard]] bool is_lost() override { return transport_.is_lost(); }
  Result<> close(const Budget& budget) override { return transport_.close(budget); }
  [[nodiscard]] PollHandle poll_handle() const override;
  Result<bool> service() override;

  SshTransport& transport() { return transport_; }
  // Takes a channel as far as it gets without waiting.
  void advance(ChannelState& channel);
  // Its Channel is gone.
  void drop(ChannelState& channel);

 private:
  std::unique_ptr<Channel> add(ChannelRequest request);
  Result<std::unique_ptr<SshChannel>> opened(const Budget& budget,
                                             std::unique_ptr<Channel> channel);
  void open_raw(ChannelState& channel);
  [[nodiscard]] Error refusal(const ChannelState& channel) const;
  void start_command(ChannelState& channel);
  void free_raw(ChannelState& channel);
  void advance_all();
  Result<> keep_alive(const std::string& doing);
  [[nodiscard]] Clock::time_point silent_since() const {
    return std::max(transport_.last_received(), asked_at_);
  }

  SshTransport transport_;
  std::list<ChannelState> channels_;
  ChannelState* asking_ = nullptr;  // libssh2 sends one request at a time
  std::map<ListeningPlace, LIBSSH2_LISTENER*> listeners_;
  std::vector<LIBSSH2_LISTENER*> unwanted_;  // listeners on their way out
  Milliseconds keepalive_;
  int keepalive_limit_;
  int unanswered_ = 0;
  Clock::time_point asked_at_{};
};

// The SshChannel that shows a ChannelState.
class Channel : public SshChannel {
 public:
  Channel(Session& session, ChannelState& state) : session_(session), state_(state) {}
  ~Channel() override { session_.drop(state_); }

  [[nodiscard]] bool is_open() const override {
    return state_.stage == ChannelState::Stage::starting ||
           state_.stage == ChannelState::Stage::open;
  }
  Result<ByteStream::Read> read(std::span<char> into) override { return read_from(0, into); }
  Result<ByteStream::Read> read_stderr(std::span<char> into) override {
    return read_from(SSH_EXTENDED_DATA_STDERR, into);
  }
  Result<std::size_t> write(std::span<const char> from) override;
  Result<bool> send_eof() override;
  Result<bool> send_signal(const std::string& signal) override;
  [[nodiscard]] std::optional<Exit> exit() const override;
  [[nodiscard]] bool is_at_end() const override {
    return is_open() && libssh2_channel_eof(state_.raw) == 1;
  }
  Result<bool> close() override;

  [[nodiscard]] const ChannelState& state() const { return state_; }

 private:
  // False while it waits to be opened.
  Result<bool> is_ready();
  Result<ByteStream::Read> read_from(int stream, std::span<char> into);
  Result<std::size_t> write_packet(std::span<const char> from);
  // Sends what libssh2 would have blocked on; false: it still does.
  Result<bool> send_rest();
  // What a libssh2 code means: done, would block (false), or an Error.
  [[nodiscard]] Result<bool> outcome(ssize_t code) const;

  Session& session_;
  ChannelState& state_;
};

Result<bool> Channel::is_ready() {
  session_.advance(state_);
  if (state_.error) return *state_.error;
  return is_open();
}

Result<bool> Channel::outcome(ssize_t code) const {
  if (code >= 0) return true;
  const SshTransport& transport = session_.transport();
  const std::string doing = "using " + state_.request.what;
  if (code != LIBSSH2_ERROR_EAGAIN) return transport.problem(static_cast<int>(code), doing);
  if (transport.is_lost()) return transport.lost(doing);
  return false;
}

Result<ByteStream::Read> Channel::read_from(int stream, std::span<char> into) {
  PCA_TRY(const bool ready, is_ready());
  if (!ready) return ByteStream::Read{};
  const ssize_t got =
      libssh2_channel_read_ex(state_.raw, stream, into.data(), std::min(into.size(), longest_read));
  if (got > 0) return ByteStream::Read{static_cast<std::size_t>(got), false};
  PCA_CHECK(is_ready());  // the server's refusal to run the command comes before the end
  if (is_at_end()) return ByteStream::Read{0, true};
  PCA_CHECK(outcome(got));
  return ByteStream::Read{};
}

Result<std::size_t> Channel::write_packet(std::span<const char> from) {
  const ssize_t sent = libssh2_channel_write_ex(state_.raw, 0, from.data(), from.size());
  PCA_CHECK(outcome(sent));
  return static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
}

Result<bool> Channel::send_rest() {
  while (!state_.half_sent.empty()) {
    PCA_TRY(const std::size_t sent, write_packet(state_.half_sent));
    if (sent == 0) return false;
    state_.half_sent.erase(0, sent);
  }
  return true;
}

Result<std::size_t> Channel::write(std::span<const char> from) {
  PCA_TRY(const bool ready, is_ready());
  if (!ready || session_.transport().is_congested()) return std::size_t{0};
  if (is_at_end() && libssh2_channel_wait_closed(state_.raw) == 0) return std::size_t{0};
  PCA_TRY(const bool clear, send_rest());
  std::size_t taken = 0;
  while (clear && taken < from.size() && !session_.transport().is_congested()) {
    const std::span<const char> rest = from.subspan(taken);
    PCA_TRY(const std::size_t sent, write_packet(rest));
    taken += sent;
    if (sent > 0) continue;
    // With room in the server's window libssh2 has begun this packet but could not send it (keys
    // are being exchanged). It will insist on the same bytes, so they are kept.
    if (libssh2_channel_window_write(state_.raw) > 0) {
      state_.half_sent.assign(rest.data(), std::min(rest.size(), longest_write));
      taken += state_.half_sent.size();
    }
    break;
  }
  session_.transport().flush();
  return taken;
}

Result<bool> Channel::send_eof() {
  PCA_TRY(const bool ready, is_ready());
  if (!ready) return false;
  PCA_TRY(const bool clear, send_rest());
  if (!clear) return false;
  const int code = libssh2_channel_send_eof(state_.raw);
  session_.transport().flush();
  return outcome(code);
}

Result<bool> Channel::send_signal(const std::string& signal) {
  PCA_TRY(const bool ready, is_ready());
  if (!ready) return false;
  const int code = libssh2_channel_signal_ex(state_.raw, signal.data(), signal.size());
  session_.transport().flush();
  return outcome(code);
}

std::optional<SshChannel::Exit> Channel::exit() const {
  if (state_.raw == nullptr) return std::nullopt;
  char* signal = nullptr;
  libssh2_channel_get_exit_signal(state_.raw, &signal, nullptr, nullptr, nullptr, nullptr, nullptr);
  if (signal != nullptr) {
    Exit exit{128 + signal_number(signal), visible(signal)};
    libssh2_free(session_.transport().raw(), signal);
    return exit;
  }
  const int status = libssh2_channel_get_exit_status(state_.raw);
  if (status == exit_status_unknown) return std::nullopt;
  return Exit{status, {}};
}

Result<bool> Channel::close() {
  session_.advance(state_);
  if (!is_open() || session_.transport().is_lost()) return true;
  const int code = libssh2_channel_close(state_.raw);
  session_.transport().flush();
  return code != LIBSSH2_ERROR_EAGAIN;
}

void Session::advance(ChannelState& channel) {
  using Stage = ChannelState::Stage;
  if (channel.stage == Stage::waiting && (asking_ == nullptr || asking_ == &channel)) {
    // Once asked for, a channel that nobody wants any more still has to be waited for.
    if (channel.is_dropped && asking_ == nullptr && channel.asked_for == nullptr) {
      channel.stage = Stage::gone;
    } else {
      open_raw(channel);
    }
  }
  if (channel.stage == Stage::starting) start_command(channel);
  if (channel.is_dropped && channel.stage != Stage::waiting) free_raw(channel);
}

void Session::advance_all() {
  for (ChannelState& channel : channels_) advance(channel);
  std::erase_if(unwanted_, [](LIBSSH2_LISTENER* listener) {
    return libssh2_channel_forward_cancel(listener) != LIBSSH2_ERROR_EAGAIN;
  });
  channels_.remove_if([](const ChannelState& channel) {
    return channel.is_dropped && channel.stage == ChannelState::Stage::gone;
  });
}

void Session::drop(ChannelState& channel) {
  channel.is_dropped = true;
  advance_all();
}

void Session::open_raw(ChannelState& channel) {
  const ChannelRequest& request = channel.request;
  const std::string doing = "opening " + request.what;
  if (channel.asked_for != nullptr) {
    libssh2_channel_open_resume(transport_.raw(), std::exchange(channel.asked_for, nullptr));
  }
  channel.raw = libssh2_channel_open_ex(transport_.raw(), request.type.data(),
                                        static_cast<unsigned>(request.type.size()), request.window,
                                        largest_packet, request.message.data(),
                                        static_cast<unsigned>(request.message.size()));
  const int code = channel.raw == nullptr ? transport_.last_code() : 0;
  transport_.flush();
  if (code == LIBSSH2_ERROR_EAGAIN && !transport_.is_lost()) {
    channel.asked_for = libssh2_channel_open_suspend(transport_.raw());
    asking_ = channel.asked_for == nullptr ? &channel : nullptr;
    return;
  }
  asking_ = nullptr;
  if (channel.raw != nullptr) {
    channel.stage =
        request.command.empty() ? ChannelState::Stage::open : ChannelState::Stage::starting;
    if (request.type != "session") {  // nobody reads a second stream there
      libssh2_channel_handle_extended_data2(channel.raw, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
    }
  } else if (transport_.is_lost()) {
    channel.fail(transport_.lost(doing));
  } else if (code == LIBSSH2_ERROR_CHANNEL_FAILURE) {
    channel.fail(refusal(channel));
  } else {
    channel.fail(transport_.problem(code, doing));
  }
}

Error Session::refusal(const ChannelState& channel) const {
  const bool is_command = channel.request.type == "session";
  char* text = nullptr;
  libssh2_session_last_error(transport_.raw(), &text, nullptr, 0);
  const std::string_view reason = text;  // "Channel open failure (connect failed)"
  std::string hint;
  if (is_command) {
    hint = "Check MaxSessions in sshd_config.";
  } else if (reason.find("connect failed") != std::string_view::npos) {
    hint = "The server could not connect: check that something listens there, as seen from it.";
  } else if (reason.find("prohibited") != std::string_view::npos) {
    hint = "Check AllowTcpForwarding, AllowStreamLocalForwarding and PermitOpen in sshd_config.";
  }
  Error error =
      failed(fmt::format("{} refused {}: {}", transport_.peer(), channel.request.what, reason),
             std::move(hint));
  // There is room for one more once another command of this connection has ended.
  error.transient = is_command;
  return error;
}

void Session::start_command(ChannelState& channel) {
  const std::string& command = channel.request.command;
  const std::string& start = channel.request.start;
  const int code = libssh2_channel_process_startup(
      channel.raw, start.data(), static_cast<unsigned>(start.size()), command.data(),
      static_cast<unsigned>(command.size()));
  transport_.flush();
  if (code == 0) {
    channel.stage = ChannelState::Stage::open;
  } else if (code == LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED) {
    channel.fail(start == "exec" ? failed(transport_.peer() + " refused to run a command",
                                          "Check the user's shell and ForceCommand in sshd_config.")
                                 : failed(fmt::format("{} refused to start its subsystem {}",
                                                      transport_.peer(), command),
                                          "Check the Subsystem lines in sshd_config."));
  } else if (code != LIBSSH2_ERROR_EAGAIN) {
    channel.fail(transport_.problem(code, "starting the command"));
  }
}

void Session::free_raw(ChannelState& channel) {
  if (channel.raw != nullptr) {
    const int code = libssh2_channel_free(channel.raw);
    transport_.flush();
    if (code == LIBSSH2_ERROR_EAGAIN) return;
    channel.raw = nullptr;
  }
  channel.stage = ChannelState::Stage::gone;
}

std::unique_ptr<Channel> Session::add(ChannelRequest request) {
  ChannelState& state = channels_.emplace_back();
  state.request = std::move(request);
  advance(state);
  return std::make_unique<Channel>(*this, state);
}

Result<std::unique_ptr<SshChannel>> Session::opened(const Budget& budget,
                                                    std::unique_ptr<Channel> channel) {
  const std::string doing = "opening " + channel->state().request.what;
  while (!channel->is_open()) {
    if (channel->state().error) return *channel->state().error;
    PCA_CHECK(wait(budget, {}, budget.deadline(), doing));
  }
  return std::unique_ptr<SshChannel>(std::move(channel));
}

ChannelRequest tcp_request(const std::string& host, std::uint16_t port) {
  ChannelRequest request;
  request.type = "direct-tcpip";
  request.what = fmt::format("a connection to {}:{}", visible(host), port);
  append_wire_string(request.message, host);
  append_wire_number(request.message, port);
  append_wire_string(request.message, "127.0.0.1");  // who wants it: only for the server's log
  append_wire_number(request.message, 0);
  return request;
}

ChannelRequest unix_request(const std::string& path) {
  ChannelRequest request;
  request.type = "direct-streamlocal@openssh.com";
  request.what = "a connection to " + visible(path);
  append_wire_string(request.message, path);
  append_wire_string(request.message, "");  // reserved (OpenSSH's PROTOCOL, section 2.4)
  append_wire_number(request.message, 0);
  return request;
}

ChannelRequest command_request(const std::string& command) {
  return {"session", {}, command, "a channel for a command", command_window};
}

ChannelRequest subsystem_request(const std::string& name) {
  ChannelRequest request = command_request(name);
  request.what = "the subsystem " + name;
  request.start = "subsystem";
  return request;
}

Result<std::unique_ptr<SshChannel>> Session::exec(const Budget& budget,
                                                  const std::string& command) {
  return opened(budget, add(command_request(command)));
}

Result<std::unique_ptr<SshChannel>> Session::open_subsystem(const Budget& budget,
                                                            const std::string& name) {
  return opened(budget, add(subsystem_request(name)));
}

Result<std::unique_ptr<SshChannel>> Session::open_tcp(const Budget& budget, const std::string& host,
                                                      std::uint16_t port) {
  return opened(budget, add(tcp_request(host, port)));
}

Result<std::unique_ptr<SshChannel>> Session::open_unix(const Budget& budget,
                                                       const std::string& path) {
  return opened(budget, add(unix_request(path)));
}

std::unique_ptr<SshChannel> Session::begin_exec(const std::string& command) {
  return add(command_request(command));
}

std::unique_ptr<SshChannel> Session::begin_subsystem(const std::string& name) {
  return add(subsystem_request(name));
}

std::unique_ptr<SshChannel> Session::begin_tcp(const std::string& host, std::uint16_t port) {
  return add(tcp_request(host, port));
}

std::unique_ptr<SshChannel> Session::begin_unix(const std::string& path) {
  return add(unix_request(path));
}

Result<ListeningPlace> Session::listen(const Budget& budget, const ListeningPlace& place) {
  const std::string where = place.text();
  if (listeners_.contains(place)) {
    return failed("this connection listens on " + where + " already",
                  "End the forward that does, or use another place.");
  }
  if (asked_at_ != Clock::time_point{}) {
    return failed("cannot ask for listening on " + where + " on a connection that was idle",
                  "Ask before anything else on a new connection.");
  }
  int bound = 0;
  LIBSSH2_LISTENER* listener = nullptr;
  const std::string doing = "asking for listening on " + where;
  PCA_TRY(const int code, transport_.complete(budget, doing, [&] {
    listener = libssh2_channel_forward_listen_ex(transport_.raw(), place.address.c_str(),
                                                 place.port, &bound, longest_accept_queue);
    return listener == nullptr ? transport_.last_code() : 0;
  }));
  if (code == LIBSSH2_ERROR_REQUEST_DENIED) {
    return failed(
        fmt::format("{} refused to listen on {}", transport_.peer(), where),
        place.is_unix()
            ? "The file may be there already (remove it), or its folder is not this user's; check "
              "AllowStreamLocalForwarding and StreamLocalBindUnlink in sshd_config."
            : "The port may be taken; check AllowTcpForwarding, PermitListen and GatewayPorts in "
              "sshd_config.");
  }
  if (code < 0) return transport_.problem(code, doing);
  ListeningPlace chosen = place;
  if (!place.is_unix() && place.port == 0) chosen.port = static_cast<std::uint16_t>(bound);
  listeners_[chosen] = listener;
  return chosen;
}

Result<std::unique_ptr<SshChannel>> Session::accept(const ListeningPlace& place) {
  const auto listener = listeners_.find(place);
  if (listener == listeners_.end()) return tool_bug("accept() where nobody listens");
  LIBSSH2_CHANNEL* raw = libssh2_channel_forward_accept(listener->second);
  transport_.flush();
  if (raw == nullptr) {
    if (transport_.is_lost()) return transport_.lost("waiting for forwarded connections");
    return std::unique_ptr<SshChannel>();
  }
  ChannelState& state = channels_.emplace_back();
  state.request.what = "a connection from " + place.text();
  state.stage = ChannelState::Stage::open;
  state.raw = raw;
  libssh2_channel_handle_extended_data2(raw, LIBSSH2_CHANNEL_EXTENDED_DATA_IGNORE);
  return std::unique_ptr<SshChannel>(std::make_unique<Channel>(*this, state));
}

void Session::stop_listening(const ListeningPlace& place) {
  const auto listener = listeners_.find(place);
  if (listener == listeners_.end()) return;
  unwanted_.push_back(listener->second);
  listeners_.erase(listener);
  advance_all();
}

Result<> Session::keep_alive(const std::string& doing) {
  if (transport_.last_received() > asked_at_) unanswered_ = 0;
  if (Clock::now() < silent_since() + keepalive_) return {};
  if (unanswered_ >= keepalive_limit_) {
    return unreachable(fmt::format("no sign of life from {} for {} while {}", transport_.peer(),
                                   format_duration(keepalive_ * (unanswered_ + 1)), doing),
                       "See whether the host still runs and the way to it is still there.");
  }
  libssh2_keepalive_send(transport_.raw(), nullptr);
  transport_.flush();
  asked_at_ = Clock::now();
  ++unanswered_;
  return {};
}

Result<std::vector<short>> Session::wait(const Budget& budget, std::span<const PollHandle> others,
                                         Clock::time_point wake_at, const std::string& doing) {
  transport_.service();
  advance_all();
  // What has come in may be for a channel that was read before it came.
  const bool has_news = transport_.take_news();
  if (!has_news && transport_.is_lost()) return transport_.lost(doing);
  PCA_CHECK(keep_alive(doing));
  std::vector<PollHandle> handles{poll_handle()};
  handles.insert(handles.end(), others.begin(), others.end());
  const Clock::time_point until = has_news ? Clock::now() : wake_at;
  PCA_TRY(PollResult result, wait_ready(budget, handles, until, doing));
  transport_.service();
  advance_all();
  result.ready.erase(result.ready.begin());
  return std::move(result.ready);
}

PollHandle Session::poll_handle() const {
  PollHandle handle = transport_.poll_handle();
  // Whoever still reads a lost connection has nothing to keep alive.
  if (!transport_.is_lost()) handle.wake_at = std::min(handle.wake_at, silent_since() + keepalive_);
  return handle;
}

Result<bool> Session::service() {
  advance_all();
  const bool all_sent = transport_.service();
  if (!transport_.is_lost()) PCA_CHECK(keep_alive("passing its connection on"));
  return all_sent;
}

// See channel_stream().
class ChannelStream : public ByteStream {
 public:
  ChannelStream(std::unique_ptr<SshSession> session, std::unique_ptr<SshChannel> channel,
                std::string peer)
      : session_(std::move(session)), channel_(std::move(channel)), peer_(std::move(peer)) {}

  Result<Read> read(std::span<char> into) override { return channel_->read(into); }
  Result<std::size_t> write(std::span<const char> from) override { return channel_->write(from); }
  Result<bool> service() override { return session_->service(); }
  [[nodiscard]] PollHandle poll_handle() const override { return session_->poll_handle(); }
  [[nodiscard]] std::string peer() const override { return peer_; }

  Result<> close(const Budget& budget) override {
    if (channel_ != nullptr) {
      hand_over(budget.at_most(longest_hand_over));
      channel_.reset();
    }
    return session_->close(budget);
  }

 private:
  // A jump host forgets what it has not passed on yet when the session ends, so what was written is
  // known to have arrived only when the far end has closed its side as well.
  void hand_over(const Budget& budget) {
    const std::string doing = "closing the connection to " + peer_;
    std::array<char, 4096> unwanted{};
    bool is_told = false;
    while (true) {
      if (!is_told) {
        const auto sent = channel_->send_eof();
        if (!sent) return;
        is_told = *sent;
      }
      const auto got = channel_->read(unwanted);
      if (!got || got->end) return;
      if (got->bytes > 0 && budget.check(doing)) continue;
      if (!session_->wait(budget, {}, budget.deadline(), doing)) return;
    }
  }

  std::unique_ptr<SshSession> session_;  // outlives the channel
  std::unique_ptr<SshChannel> channel_;
  std::string peer_;
};

}  // namespace

std::string ListeningPlace::text() const {
  return is_unix() ? visible(address) : fmt::format("{}:{}", visible(address), port);
}

Result<std::unique_ptr<SshSession>> SshSession::open(const Budget& budget,
                                                     std::unique_ptr<ByteStream> stream,
                                                     const SshLogin& login, SshFacts* facts) {
  SshFacts unwanted;
  SshFacts& known = facts == nullptr ? unwanted : *facts;
  if (login.pins != nullptr) PCA_CHECK(login.pins->check_host(login.host, login.port));
  auto session = std::make_unique<Session>(std::move(stream), login);
  Clock::time_point start = Clock::now();
  auto exchanged = exchange_keys(budget, session->transport(), login, known);
  known.kex_ms = ms_since(start);
  PCA_CHECK(exchanged);
  PCA_CHECK(check_host_key(session->transport(), login, known));
  start = Clock::now();
  auto method = authenticate(budget, session->transport(), login);
  known.auth_ms = ms_since(start);
  PCA_TRY(known.auth_method, std::move(method));
  return std::unique_ptr<SshSession>(std::move(session));
}

std::unique_ptr<ByteStream> channel_stream(std::unique_ptr<SshSession> session,
                                           std::unique_ptr<SshChannel> channel, std::string peer) {
  return std::make_unique<ChannelStream>(std::move(session), std::move(channel), std::move(peer));
}

}  // namespace pca
