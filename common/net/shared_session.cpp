#include "net/shared_session.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <list>
#include <map>

#include "base/backoff.hpp"
#include "base/json.hpp"
#include "base/system_error.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr Milliseconds answer_limit{5000};                   // of a holder: it is on this machine
constexpr std::size_t buffer_limit = std::size_t{1} << 20U;  // of what nobody has read yet
constexpr RetryPolicy turn{
    .tries = 1'000'000, .first = Milliseconds{100}, .longest = Milliseconds{1000}};
constexpr const char* doing_nothing_else = "asking an open session";

using Kind = SessionRequest::Kind;

// The answer to a request, waited for; the socket for what follows.
struct Answer {
  SessionSocket socket;
  std::string text;
};

Result<Answer> ask(const Budget& budget, SessionSocket socket, const SessionRequest& request) {
  socket.send(SessionFrameType::request, encode_request(request));
  for (;;) {
    PCA_CHECK(socket.flush());
    PCA_TRY(const auto frame, socket.front());
    if (frame && frame->type == SessionFrameType::error) return decode_error(frame->payload);
    if (frame && frame->type == SessionFrameType::opened) {
      std::string text(frame->payload);
      socket.pop();
      return Answer{std::move(socket), std::move(text)};
    }
    if (frame) return failed("an open session answers what nobody asked");
    if (socket.is_at_end()) return unreachable("the open session has ended");
    const std::array handles{socket.poll_handle()};
    PCA_CHECK(wait_ready(budget, handles, budget.deadline(), doing_nothing_else));
  }
}

Result<Answer> ask(const Budget& budget, const SessionFolder& folder, const std::string& name,
                   const SessionRequest& request) {
  PCA_TRY(SessionSocket socket, folder.connect(name));
  return ask(budget, std::move(socket), request);
}

class SharedChannel;

// The SshSession of somebody else. It holds one socket that tells when the SSH session is lost, and
// every channel has a socket of its own; an epoll descriptor stands for all of them.
class SharedSession : public SshSession {
 public:
  using Say = std::function<void(const std::string&)>;

  SharedSession(SessionFolder folder, std::string name, std::string host, SessionSocket presence,
                Say say)
      : folder_(std::move(folder)),
        name_(std::move(name)),
        host_(std::move(host)),
        say_(std::move(say)),
        presence_(std::move(presence)),
        poll_(::epoll_create1(EPOLL_CLOEXEC)) {
    watch(presence_, 0, true);
  }

  // Waits for its turn when the host gives no more channels now.
  Result<std::unique_ptr<SshChannel>> exec(const Budget& budget,
                                           const std::string& command) override;
  Result<std::unique_ptr<SshChannel>> open_tcp(const Budget& budget, const std::string& host,
                                               std::uint16_t port) override {
    return opened(budget, tcp(host, port));
  }
  Result<std::unique_ptr<SshChannel>> open_unix(const Budget& budget,
                                                const std::string& path) override {
    return opened(budget, unix_socket(path));
  }
  Result<std::unique_ptr<SshChannel>> open_subsystem(const Budget& budget,
                                                     const std::string& name) override;
  std::unique_ptr<SshChannel> begin_exec(const std::string& command) override;
  std::unique_ptr<SshChannel> begin_subsystem(const std::string& name) override;
  std::unique_ptr<SshChannel> begin_tcp(const std::string& host, std::uint16_t port) override;
  std::unique_ptr<SshChannel> begin_unix(const std::string& path) override;
  Result<ListeningPlace> listen(const Budget& budget, const ListeningPlace& place) override;
  Result<std::unique_ptr<SshChannel>> accept(const ListeningPlace& place) override;
  void stop_listening(const ListeningPlace& place) override { listeners_.erase(place); }
  Result<std::vector<short>> wait(const Budget& budget, std::span<const PollHandle> others,
                                  Clock::time_point wake_at, const std::string& doing) override;
  [[nodiscard]] bool is_lost() override { return !check_presence(); }
  Result<> close(const Budget&) override { return {}; }  // it is not ours to close
  [[nodiscard]] PollHandle poll_handle() const override { return {poll_.get(), POLLIN}; }
  Result<bool> service() override;

  // Keeps the epoll descriptor to what the socket waits for; gives that, to be given again.
  short watch(SessionSocket& socket, short watched, bool wants_more);
  void forget(SharedChannel& channel) { std::erase(channels_, &channel); }
  void note_news() { has_news_ = true; }
  [[nodiscard]] const std::string& host() const { return host_; }

 private:
  std::unique_ptr<SharedChannel> begin(SessionRequest request, std::string what);
  std::unique_ptr<SharedChannel> tcp(const std::string& host, std::uint16_t port);
  std::unique_ptr<SharedChannel> unix_socket(const std::string& path);
  Result<std::unique_ptr<SshChannel>> opened(const Budget& budget,
                                             std::unique_ptr<SharedChannel> channel);
  void receive_all();
  Result<> check_presence();

  SessionFolder folder_;
  std::string name_;
  std::string host_;
  Say say_;
  SessionSocket presence_;
  FileDescriptor poll_;
  std::vector<SharedChannel*> channels_;  // those that live
  std::map<ListeningPlace, SessionSocket> listeners_;
  bool has_news_ = false;
};

// A channel of the holder's, at the other end of a socket.
class SharedChannel : public SshChannel {
 public:
  SharedChannel(SharedSession& session, Result<SessionSocket> socket, std::string what)
      : session_(session), what_(std::move(what)) {
    if (socket) {
      socket_.emplace(*std::move(socket));
    } else {
      error_ = std::move(socket).error();
    }
  }
  ~SharedChannel() override { session_.forget(*this); }

  void send(SessionFrameType type, std::string_view payload) {
    if (!socket_) return;
    socket_->send(type, payload);
    flush();
  }
  // Takes in what has come, as far as somebody reads.
  void receive();
  // Sends on what did not fit into the socket: whoever has written all calls nothing else for it,
  // and who could not write yet can now.
  void send_rest();
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const std::string& what() const { return what_; }

  [[nodiscard]] bool is_open() const override { return open_; }
  Result<ByteStream::Read> read(std::span<char> into) override { return read_from(out_, into); }
  Result<ByteStream::Read> read_stderr(std::span<char> into) override {
    return read_from(err_, into);
  }
  Result<std::size_t> write(std::span<const char> from) override;
  Result<bool> send_eof() override { return send_control(SessionFrameType::end, {}); }
  Result<bool> send_signal(const std::string& signal) override {
    return send_control(SessionFrameType::signal, signal);
  }
  [[nodiscard]] std::optional<Exit> exit() const override { return exit_; }
  [[nodiscard]] bool is_at_end() const override {
    return ended_ && out_.is_empty() && err_.is_empty();
  }
  Result<bool> close() override {
    flush();
    return !socket_ || error_ || !socket_->is_congested();
  }

 private:
  // What has come and nobody has read yet.
  struct Buffer {
    std::string text;
    std::size_t read = 0;
    [[nodiscard]] bool is_empty() const { return read == text.size(); }
    [[nodiscard]] std::size_t size() const { return text.size() - read; }
    void append(std::string_view more) {
      if (is_empty()) {
        text.clear();
        read = 0;
      }
      text += more;
    }
  };

  Result<ByteStream::Read> read_from(Buffer& buffer, std::span<char> into);
  Result<bool> send_control(SessionFrameType type, std::string_view payload);
  [[nodiscard]] bool has_room() const { return out_.size() + err_.size() < buffer_limit; }
  void watch();
  void flush();
  bool take(const SessionFrame& frame);
  void fail(Error error);

  SharedSession& session_;
  std::optional<SessionSocket> socket_;
  std::string what_;
  short watched_ = 0;
  Buffer out_;
  Buffer err_;
  bool open_ = false;
  bool ended_ = false;
  std::optional<Exit> exit_;
  std::optional<Error> error_;
};

void SharedChannel::fail(Error error) {
  if (!error_) error_ = std::move(error);
  if (socket_) socket_.reset();  // and the epoll descriptor forgets it
  session_.note_news();
}

void SharedChannel::send_rest() {
  if (!socket_ || !socket_->is_congested()) return;
  flush();
  if (socket_ && !socket_->is_congested()) session_.note_news();
}

void SharedChannel::receive() {
  while (socket_ && has_room()) {
    const auto frame = socket_->front();
    if (!frame) return fail(frame.error());
    if (!*frame) {
      if (!socket_->is_at_end()) break;
      return fail(unreachable(
          fmt::format("the open session to {} ended while it carried {}", session_.host(), what_)));
    }
    session_.note_news();
    if (!take(**frame)) return;
    socket_->pop();
  }
  watch();
}

void SharedChannel::watch() {
  if (socket_) watched_ = session_.watch(*socket_, watched_, has_room());
}

bool SharedChannel::take(const SessionFrame& frame) {
  switch (frame.type) {
    case SessionFrameType::opened:
      open_ = true;
      return true;
    case SessionFrameType::data:
      out_.append(frame.payload);
      return true;
    case SessionFrameType::error_data:
      err_.append(frame.payload);
      return true;
    case SessionFrameType::end:
      ended_ = true;
      return true;
    case SessionFrameType::exit: {
      auto exit = decode_exit(frame.payload);
      if (exit) {
        exit_ = *std::move(exit);
        return true;
      }
      fail(std::move(exit).error());
      return false;
    }
    case SessionFrameType::error:
      fail(decode_error(frame.payload));
      return false;
    default:
      fail(failed("a frame that nobody expected came from an open session"));
      return false;
  }
}

Result<ByteStream::Read> SharedChannel::read_from(Buffer& buffer, std::span<char> into) {
  if (buffer.is_empty()) receive();
  if (!buffer.is_empty()) {
    const std::size_t size =
        std::string_view(buffer.text).substr(buffer.read).copy(into.data(), into.size());
    buffer.read += size;
    return ByteStream::Read{size, false};
  }
  if (is_at_end()) return ByteStream::Read{0, true};
  if (error_ && out_.is_empty() && err_.is_empty()) return *error_;
  return ByteStream::Read{};
}

Result<std::size_t> SharedChannel::write(std::span<const char> from) {
  flush();
  if (error_) return *error_;
  if (!open_) return std::size_t{0};
  std::size_t taken = 0;
  while (taken < from.size() && socket_ && !socket_->is_congested()) {
    const std::span<const char> part =
        from.subspan(taken, std::min(from.size() - taken, longest_session_payload));
    socket_->send(SessionFrameType::data, {part.data(), part.size()});
    taken += part.size();
    flush();
  }
  return taken;
}

Result<bool> SharedChannel::send_control(SessionFrameType type, std::string_view payload) {
  flush();
  if (error_) return *error_;
  if (!open_ || socket_->is_congested()) return false;
  send(type, payload);
  return true;
}

void SharedChannel::flush() {
  if (!socket_) return;
  // A socket that broke tells why when it is read to its end.
  if (socket_->is_congested() && !socket_->flush()) receive();
  watch();
}

short SharedSession::watch(SessionSocket& socket, short watched, bool wants_more) {
  const PollHandle handle = socket.poll_handle();
  const int unwanted = wants_more ? 0 : POLLIN;
  const auto wanted = static_cast<short>(handle.fd < 0 ? 0 : handle.events & ~unwanted);
  if (wanted == watched) return watched;
  epoll_event event{};
  event.events = static_cast<std::uint32_t>(wanted);  // POLLIN and POLLOUT are the same bits
  const int operation = wanted == 0 ? EPOLL_CTL_DEL : watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  ::epoll_ctl(poll_.get(), operation, socket.fd(), &event);
  return wanted;
}

std::unique_ptr<SharedChannel> SharedSession::begin(SessionRequest request, std::string what) {
  request.identity = name_;
  const std::string encoded = encode_request(request);
  auto socket =
      encoded.size() > longest_session_payload
          ? Result<SessionSocket>(failed(what + " needs a longer request than can be made"))
          : folder_.connect(name_);
  auto channel = std::make_unique<SharedChannel>(*this, std::move(socket), std::move(what));
  channels_.push_back(channel.get());
  channel->send(SessionFrameType::request, encoded);
  return channel;
}

std::unique_ptr<SharedChannel> SharedSession::tcp(const std::string& host, std::uint16_t port) {
  return begin({.kind = Kind::tcp, .text = host, .port = port},
               fmt::format("a connection to {}:{}", visible(host), port));
}

std::unique_ptr<SharedChannel> SharedSession::unix_socket(const std::string& path) {
  return begin({.kind = Kind::unix, .text = path}, "a connection to " + visible(path));
}

Result<std::unique_ptr<SshChannel>> SharedSession::exec(const Budget& budget,
                                                        const std::string& command) {
  std::optional<Error> refusal;
  auto channel = retry<std::unique_ptr<SshChannel>>(
      budget, turn,
      [&](int) {
        return opened(budget,
                      begin({.kind = Kind::exec, .text = command}, "a channel for a command"));
      },
      [&](const Error& problem, int next_try, Milliseconds) {
        refusal = problem;
        if (next_try != 2 || !say_) return;
        say_(
            fmt::format("waiting for another command on the open session to end: {} runs no more "
                        "at once (MaxSessions)",
                        host_));
      });
  // The last try may have had no time for its answer; why there were so many says more.
  if (!channel && refusal && channel.error().kind == ErrorKind::unreachable && budget.is_over()) {
    return *std::move(refusal);
  }
  return channel;
}

Result<std::unique_ptr<SshChannel>> SharedSession::open_subsystem(const Budget& budget,
                                                                  const std::string& name) {
  return opened(budget, begin({.kind = Kind::subsystem, .text = name}, "the subsystem " + name));
}

std::unique_ptr<SshChannel> SharedSession::begin_exec(const std::string& command) {
  return begin({.kind = Kind::exec, .text = command}, "a channel for a command");
}
std::unique_ptr<SshChannel> SharedSession::begin_subsystem(const std::string& name) {
  return begin({.kind = Kind::subsystem, .text = name}, "the subsystem " + name);
}
std::unique_ptr<SshChannel> SharedSession::begin_tcp(const std::string& host, std::uint16_t port) {
  return tcp(host, port);
}
std::unique_ptr<SshChannel> SharedSession::begin_unix(const std::string& path) {
  return unix_socket(path);
}

Result<std::unique_ptr<SshChannel>> SharedSession::opened(const Budget& budget,
                                                          std::unique_ptr<SharedChannel> channel) {
  const std::string doing = "opening " + channel->what();
  for (;;) {
    channel->receive();
    if (channel->is_open()) return std::unique_ptr<SshChannel>(std::move(channel));
    if (channel->error()) return *channel->error();
    PCA_CHECK(wait(budget, {}, budget.deadline(), doing));
  }
}

Result<ListeningPlace> SharedSession::listen(const Budget& budget, const ListeningPlace& place) {
  SessionRequest request{
      .kind = Kind::listen, .identity = name_, .text = place.address, .port = place.port};
  PCA_TRY(Answer answer, ask(budget, folder_, name_, request));
  PCA_TRY(const std::int64_t port, parse_integer(answer.text, place.is_unix() ? 0 : 1, 65535));
  ListeningPlace chosen{place.address, static_cast<std::uint16_t>(port)};
  watch(answer.socket, 0, true);
  listeners_.insert_or_assign(chosen, std::move(answer.socket));
  return chosen;
}

Result<std::unique_ptr<SshChannel>> SharedSession::accept(const ListeningPlace& place) {
  const auto listener = listeners_.find(place);
  if (listener == listeners_.end()) return tool_bug("accept() where nobody listens");
  SessionSocket& socket = listener->second;
  PCA_TRY(const auto frame, socket.front());
  if (!frame) {
    if (socket.is_at_end()) return unreachable("the open session has ended");
    return std::unique_ptr<SshChannel>();
  }
  if (frame->type == SessionFrameType::error) return decode_error(frame->payload);
  if (frame->type != SessionFrameType::incoming)
    return failed("an open session sends what it may not");
  socket.pop();
  return std::unique_ptr<SshChannel>(
      begin({.kind = Kind::accept, .text = place.address, .port = place.port},
            "a connection from " + place.text()));
}

void SharedSession::receive_all() {
  for (SharedChannel* channel : channels_) {
    channel->send_rest();
    channel->receive();
  }
}

Result<> SharedSession::check_presence() {
  PCA_TRY(const auto frame, presence_.front());
  if (frame && frame->type == SessionFrameType::error) return decode_error(frame->payload);
  if (frame) return failed("an open session sends what it may not");
  if (presence_.is_at_end()) return unreachable(fmt::format("the open session to {} ended", host_));
  return {};
}

Result<std::vector<short>> SharedSession::wait(const Budget& budget,
                                               std::span<const PollHandle> others,
                                               Clock::time_point wake_at,
                                               const std::string& doing) {
  receive_all();
  const bool has_news = std::exchange(has_news_, false);
  if (!has_news) {
    if (auto present = check_presence(); !present) {
      return std::move(present).error().within(doing);
    }
  }
  std::vector<PollHandle> handles{poll_handle()};
  handles.insert(handles.end(), others.begin(), others.end());
  PCA_TRY(PollResult result, wait_ready(budget, handles, has_news ? Clock::now() : wake_at, doing));
  receive_all();
  result.ready.erase(result.ready.begin());
  return std::move(result.ready);
}

Result<bool> SharedSession::service() {
  receive_all();
  PCA_CHECK(check_presence());
  return std::all_of(channels_.begin(), channels_.end(),
                     [](SharedChannel* channel) { return channel->close().value_or(true); });
}

std::int64_t number_of(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->as_int() != nullptr ? *value->as_int() : 0;
}

std::optional<OpenSession> describe(const Budget& budget, const SessionFolder& folder,
                                    const std::string& name) {
  auto socket = folder.connect(name);
  if (!socket) return std::nullopt;
  OpenSession silent{name, peer_process(socket->fd()), {}, "silent", 0, 0, {}};
  const auto answer = ask(budget, *std::move(socket), {.kind = Kind::status});
  const auto json = parse_json(answer ? answer->text : std::string());
  if (!json) return silent;
  OpenSession session{name,
                      static_cast<int>(number_of(*json, "pid")),
                      visible(json->text_of("host")),
                      visible(json->text_of("state")),
                      number_of(*json, "channels"),
                      number_of(*json, "seconds"),
                      {}};
  const Json* inputs = json->find("inputs");
  if (inputs != nullptr && inputs->as_object() != nullptr) {
    for (const auto& [input, digest] : *inputs->as_object()) {
      session.inputs.push_back({visible(input), visible(inputs->text_of(input))});
    }
  }
  return session;
}

// Why none of the open sessions serves this call.
std::string why_none(const Budget& budget, const SessionFolder& folder,
                     const SessionIdentity& identity) {
  const std::string host = identity.host.text();
  for (const std::string& name : folder.names()) {
    const auto session = describe(budget, folder, name);
    if (!session || session->host != host) continue;
    const auto differences = identity.differences({{}, session->inputs});
    return fmt::format(
        "the open session to {} was opened with other inputs ({}), so this call "
        "connects by itself",
        host, join(differences, ", "));
  }
  return fmt::format("no open session leads to {}, so this call connects by itself", host);
}

Result<std::unique_ptr<SshSession>> attach(const Budget& budget, const std::string& path,
                                           const std::function<Result<SessionIdentity>()>& identify,
                                           const std::function<void(const std::string&)>& say) {
  const auto tell = [&](const std::string& text) {
    if (say) say(text);
    return std::unique_ptr<SshSession>();
  };
  auto opened = SessionFolder::open(path);
  if (!opened) {
    if (opened.error().kind != ErrorKind::unreachable) return tell(opened.error().message);
    return std::unique_ptr<SshSession>();
  }
  const std::vector<std::string> names = opened->names();
  if (names.empty()) return std::unique_ptr<SshSession>();
  PCA_TRY(const SessionIdentity identity, identify());
  const std::string name = identity.digest();
  const Budget short_budget = budget.at_most(answer_limit);
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    return tell(why_none(short_budget, *opened, identity));
  }
  auto answer = ask(short_budget, *opened, name, {.kind = Kind::attach, .identity = name});
  if (!answer) {
    PCA_CHECK(budget.check(doing_nothing_else));
    return tell(fmt::format("{}, so this call connects by itself", answer.error().message));
  }
  return std::unique_ptr<SshSession>(std::make_unique<SharedSession>(
      *std::move(opened), name, identity.host.text(), std::move(answer->socket), say));
}

}  // namespace

std::vector<OpenSession> list_sessions(const Budget& budget, const std::string& folder) {
  std::vector<OpenSession> sessions;
  const auto opened = SessionFolder::open(folder);
  if (!opened) return sessions;
  for (const std::string& name : opened->names()) {
    auto session = describe(budget.at_most(answer_limit), *opened, name);
    if (session) sessions.push_back(*std::move(session));
  }
  return sessions;
}

Result<> end_session(const Budget& budget, const std::string& folder, const OpenSession& session) {
  const auto opened = SessionFolder::open(folder);
  if (!opened) return {};
  auto socket = opened->connect(session.name);
  if (!socket) return {};
  const int holder = peer_process(socket->fd());
  auto answer = ask(budget.at_most(answer_limit), *std::move(socket), {.kind = Kind::end});
  if (!answer) {
    const bool is_silent = answer.error().kind == ErrorKind::unreachable && holder > 0;
    if (is_silent) ::kill(holder, SIGTERM);
    PCA_CHECK(budget.check("closing the session"));
    return {};
  }
  while (!answer->socket.is_at_end()) {
    PCA_TRY(const auto frame, answer->socket.front());
    if (frame) answer->socket.pop();
    if (frame || answer->socket.is_at_end()) continue;
    const std::array handles{answer->socket.poll_handle()};
    PCA_CHECK(wait_ready(budget, handles, budget.deadline(), "closing the session"));
  }
  return {};
}

Result<std::unique_ptr<SshSession>> attach_session(
    const Budget& budget, const ConnectionSettings& settings, const HostAddress& host,
    const std::function<void(const std::string&)>& say) {
  return attach(
      budget, settings.session_folder, [&] { return session_identity(settings, host); }, say);
}

Result<std::unique_ptr<SshSession>> attach_last_jump(
    const Budget& budget, const ConnectionSettings& settings,
    const std::function<void(const std::string&)>& say) {
  return attach(
      budget, settings.session_folder, [&] { return last_jump_identity(settings); }, say);
}

}  // namespace pca
