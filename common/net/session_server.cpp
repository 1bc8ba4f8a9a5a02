#include "net/session_server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

#include "base/json.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t most_guests = 256;  // at once; further ones wait to be accepted
constexpr Milliseconds asking_limit{10'000};
constexpr Milliseconds goodbye_limit{1000};
constexpr Milliseconds freeing_limit{5000};  // until sshd gives the place of a command to another
constexpr std::size_t longest_signal = 32;
constexpr RetryPolicy reconnect{
    .tries = 0, .first = Milliseconds{1000}, .longest = Milliseconds{30'000}};
constexpr const char* doing = "holding the session";

}  // namespace

// One connection to the session's socket: a channel, a place that the host listens on, or a
// question. Owns the socket and the channel.
class SessionGuest {
 public:
  explicit SessionGuest(FileDescriptor socket) : socket_(std::move(socket)) {}

  // Moves what goes now. An Error ends this guest only.
  Result<bool> step(SessionServer& server);
  // The last thing it hears.
  void end_with(const Error& error);
  [[nodiscard]] bool is_gone() const { return stage_ == Stage::gone; }
  [[nodiscard]] bool has_channel() const { return channel_ != nullptr; }
  [[nodiscard]] bool runs_command() const { return is_command_ && stage_ == Stage::open; }
  [[nodiscard]] bool ran_command() const { return is_command_ && is_gone(); }
  // Once, when it ends, however it ends: the place that was listened on for it.
  [[nodiscard]] std::optional<ListeningPlace> give_up_place();
  [[nodiscard]] PollHandle poll_handle();

 private:
  enum class Stage : std::uint8_t { asking, waiting, opening, open, leaving, gone };

  Result<bool> step_stage(SessionServer& server);
  Result<bool> take_request(SessionServer& server);
  Result<> begin(SessionServer& server, const SessionRequest& request);
  Result<bool> wait_for_end();
  Result<bool> accept_there(SessionServer& server);
  Result<bool> step_opening(const SessionServer& server);
  Result<bool> move_up();
  Result<bool> take(const SessionFrame& frame);
  Result<bool> move_down(std::span<char> buffer);
  void answer(std::string_view text, Stage next);

  SessionSocket socket_;
  Stage stage_ = Stage::asking;
  Clock::time_point ask_by_ = Clock::now() + asking_limit;
  std::unique_ptr<SshChannel> channel_;
  std::optional<ListeningPlace> place_;  // listened on for it
  std::size_t taken_ = 0;                // of the data frame at the front
  bool is_command_ = false;
  bool ignores_input_ = false;
  bool end_told_ = false;
  bool exit_told_ = false;
};

Result<bool> SessionGuest::step(SessionServer& server) {
  PCA_TRY(const bool moved, step_stage(server));
  const bool had_more = socket_.is_congested();
  PCA_TRY(const bool all_sent, socket_.flush());
  if (stage_ == Stage::leaving && all_sent) stage_ = Stage::gone;
  return moved || (had_more && all_sent);
}

Result<bool> SessionGuest::step_stage(SessionServer& server) {
  switch (stage_) {
    case Stage::asking:
      return take_request(server);
    case Stage::waiting:
      if (!place_) return wait_for_end();
      return accept_there(server);
    case Stage::opening:
      return step_opening(server);
    case Stage::open: {
      PCA_TRY(const bool up, move_up());
      if (stage_ != Stage::open) return true;
      PCA_TRY(const bool down, move_down(server.buffer_));
      return up || down;
    }
    case Stage::leaving:
    case Stage::gone:
      break;
  }
  return false;
}

Result<bool> SessionGuest::take_request(SessionServer& server) {
  PCA_TRY(const auto frame, socket_.front());
  if (!frame) {
    if (!socket_.is_at_end() && Clock::now() < ask_by_) return false;
    stage_ = Stage::gone;
    return true;
  }
  const bool is_request = frame->type == SessionFrameType::request;
  if (!is_request) return failed("a session's socket expects a request");
  PCA_TRY(const SessionRequest request, decode_request(frame->payload));
  socket_.pop();
  PCA_CHECK(begin(server, request));
  return true;
}

Result<> SessionGuest::begin(SessionServer& server, const SessionRequest& request) {
  using Kind = SessionRequest::Kind;
  if (request.kind == Kind::status) {
    answer(server.status(), Stage::leaving);
    return {};
  }
  if (request.kind == Kind::end) {
    server.is_ended_ = true;
    answer({}, Stage::waiting);  // its socket ends when all is done
    return {};
  }
  if (request.identity != server.name_) {
    return permission_denied("this session was opened with other connection inputs");
  }
  if (server.session_ == nullptr) {
    return unreachable("the session has lost its connection: " + server.problem_);
  }
  SshSession& session = *server.session_;
  switch (request.kind) {
    case Kind::exec:
      channel_ = session.begin_exec(request.text);
      is_command_ = true;
      break;
    case Kind::subsystem:
      channel_ = session.begin_subsystem(request.text);
      is_command_ = true;
      break;
    case Kind::tcp:
      channel_ = session.begin_tcp(request.text, request.port);
      break;
    case Kind::unix:
      channel_ = session.begin_unix(request.text);
      break;
    case Kind::accept:
      channel_ = server.take_accepted({request.text, request.port});
      if (channel_ == nullptr) return failed("no connection waits there");
      break;
    case Kind::listen: {
      PCA_TRY(place_, session.listen(Budget::of(goodbye_limit), {request.text, request.port}));
      answer(std::to_string(place_->port), Stage::waiting);
      return {};
    }
    case Kind::attach:
    case Kind::status:
    case Kind::end:
      answer({}, Stage::waiting);
      return {};
  }
  if (channel_ == nullptr) return failed("the session gives no channel");
  stage_ = Stage::opening;
  return {};
}

void SessionGuest::answer(std::string_view text, Stage next) {
  socket_.send(SessionFrameType::opened, text);
  stage_ = next;
}

Result<bool> SessionGuest::wait_for_end() {
  PCA_TRY(const auto frame, socket_.front());
  if (frame) return failed("nothing was to follow this request");
  if (!socket_.is_at_end()) return false;
  stage_ = Stage::gone;
  return true;
}

Result<bool> SessionGuest::accept_there(SessionServer& server) {
  bool moved = false;
  while (server.session_ != nullptr && !socket_.is_congested()) {
    PCA_TRY(auto channel, server.session_->accept(*place_));
    if (channel == nullptr) break;
    server.accepted_[*place_].push_back(std::move(channel));
    socket_.send(SessionFrameType::incoming);
    moved = true;
  }
  PCA_TRY(const bool ended, wait_for_end());
  return moved || ended;
}

Result<bool> SessionGuest::step_opening(const SessionServer& server) {
  PCA_CHECK(socket_.receive());
  if (socket_.is_at_end()) {
    stage_ = Stage::gone;
    return true;
  }
  if (!channel_->is_open()) {
    auto refused = channel_->read({});  // says why when the host would not
    if (!refused) {
      Error error = std::move(refused).error();
      error.transient = error.transient && server.expects_room();
      return error;
    }
    if (!channel_->is_open()) return false;
  }
  answer({}, Stage::open);
  return true;
}

Result<bool> SessionGuest::move_up() {
  bool moved = false;
  // Also while the host takes nothing: poll() would not sleep over what waits in the socket.
  PCA_CHECK(socket_.receive());
  for (;;) {
    PCA_TRY(const auto frame, socket_.front());
    if (!frame) break;
    PCA_TRY(const bool done, take(*frame));
    if (!done) return moved;
    socket_.pop();
    moved = true;
  }
  if (socket_.is_at_end()) {
    channel_.reset();
    stage_ = Stage::gone;
    moved = true;
  }
  return moved;
}

// False: not all of it yet.
Result<bool> SessionGuest::take(const SessionFrame& frame) {
  const auto checked = [this](const Result<bool>& done) {
    // What ended without reading all of its input has not failed for that.
    if (!done && (channel_->exit() || channel_->is_at_end())) ignores_input_ = true;
    return ignores_input_ ? Result<bool>(true) : done;
  };
  switch (frame.type) {
    case SessionFrameType::data: {
      const std::string_view rest = frame.payload.substr(taken_);
      PCA_TRY(const bool done, checked([&]() -> Result<bool> {
                PCA_TRY(const std::size_t taken, channel_->write(rest));
                taken_ += taken;
                return taken == rest.size();
              }()));
      if (done) taken_ = 0;
      return done;
    }
    case SessionFrameType::end:
      return checked(channel_->send_eof());
    case SessionFrameType::signal: {
      const std::string name(frame.payload);
      if (name.size() > longest_signal || visible(name) != name) return failed("no signal's name");
      return checked(channel_->send_signal(name));
    }
    default:
      return failed("a frame that nobody expected came over a session's socket");
  }
}

Result<bool> SessionGuest::move_down(std::span<char> buffer) {
  if (socket_.is_congested()) return false;
  PCA_TRY(const ByteStream::Read out, channel_->read(buffer));
  if (out.bytes > 0) socket_.send(SessionFrameType::data, {buffer.data(), out.bytes});
  PCA_TRY(const ByteStream::Read err, channel_->read_stderr(buffer));
  if (err.bytes > 0) socket_.send(SessionFrameType::error_data, {buffer.data(), err.bytes});
  bool moved = out.bytes + err.bytes > 0;
  if (out.end && !end_told_) {
    socket_.send(SessionFrameType::end);
    end_told_ = moved = true;
  }
  if (const auto exit = channel_->exit(); exit && !exit_told_) {
    socket_.send(SessionFrameType::exit, encode_exit(*exit));
    exit_told_ = moved = true;
  }
  // Some servers close the channel without a word; writing nothing shows it.
  if (end_told_ && !exit_told_) PCA_CHECK(channel_->write({}));
  return moved;
}

void SessionGuest::end_with(const Error& error) {
  channel_.reset();
  socket_.send(SessionFrameType::error, encode_error(error));
  stage_ = Stage::leaving;
  if (!socket_.flush().value_or(true)) return;  // what does not go at once goes later
  stage_ = Stage::gone;
}

std::optional<ListeningPlace> SessionGuest::give_up_place() {
  const bool has_ended = stage_ == Stage::leaving || stage_ == Stage::gone;
  return has_ended ? std::exchange(place_, std::nullopt) : std::nullopt;
}

PollHandle SessionGuest::poll_handle() {
  PollHandle handle = socket_.poll_handle();
  if (stage_ == Stage::asking) handle.wake_at = ask_by_;
  if (stage_ == Stage::leaving) handle.events = POLLOUT;  // what it says now is not read any more
  return handle;
}

SessionServer::SessionServer(const SessionFolder& folder, FileDescriptor listener, std::string name,
                             Settings settings)
    : folder_(&folder),
      listener_(std::move(listener)),
      name_(std::move(name)),
      settings_(std::move(settings)),
      buffer_(longest_session_payload) {}

SessionServer::SessionServer(SessionServer&&) noexcept = default;

SessionServer::~SessionServer() {
  guests_.clear();  // their channels must not outlive the session
  accepted_.clear();
  if (listener_.is_open()) folder_->remove(name_);
}

Result<SessionServer> SessionServer::open(const SessionFolder& folder, Settings settings) {
  std::string name = settings.identity.digest();
  PCA_TRY(FileDescriptor listener, folder.listen(name));
  return SessionServer(folder, std::move(listener), std::move(name), std::move(settings));
}

void SessionServer::say(const std::string& text) const {
  if (settings_.say) settings_.say(settings_.identity.host.text() + ": " + text);
}

Result<> SessionServer::connect(const Budget& budget) {
  PCA_TRY(session_, settings_.connect(budget));
  failed_tries_ = 0;
  return {};
}

Result<> SessionServer::serve(const Budget& budget) {
  Result<> ended = serve_until_ended(budget);
  folder_->remove(name_);
  listener_.reset();
  lose_guests(unreachable("the session was closed"));
  guests_.clear();
  accepted_.clear();
  if (session_ != nullptr) (void)session_->close(Budget::of(goodbye_limit));
  session_.reset();
  if (!ended && budget.is_over() && !budget.is_cancelled()) return {};
  return ended;
}

Result<> SessionServer::serve_until_ended(const Budget& budget) {
  while (!is_ended_) {
    PCA_CHECK(budget.check(doing));
    if (session_ == nullptr && Clock::now() >= next_try_) PCA_CHECK(connect_again(budget));
    const bool accepted = accept_guests();
    const bool moved = step_guests();
    if (!accepted && !moved) PCA_CHECK(wait(budget));
  }
  return {};
}

Result<> SessionServer::connect_again(const Budget& budget) {
  const Result<> connected = connect(budget);
  if (connected) {
    say("connected again");
    return {};
  }
  const Error& error = connected.error();
  if (error.kind == ErrorKind::permission || budget.is_over()) return error;
  problem_ = error.message;
  next_try_ = Clock::now() + backoff_pause(reconnect, ++failed_tries_ + 1, random_fraction());
  return {};
}

Result<> SessionServer::wait(const Budget& budget) {
  std::vector<PollHandle> handles;
  if (guests_.size() < most_guests) handles.push_back({listener_.get(), POLLIN});
  for (SessionGuest& guest : guests_) handles.push_back(guest.poll_handle());
  if (session_ == nullptr) {
    PCA_CHECK(wait_ready(budget, handles, next_try_, doing));
    return {};
  }
  auto waited = session_->wait(budget, handles, budget.deadline(), doing);
  if (waited) return {};
  if (budget.is_over()) return std::move(waited).error();
  say(waited.error().message + "; connecting again");
  lose_guests(waited.error());
  accepted_.clear();
  (void)session_->close(Budget::of(goodbye_limit));
  session_.reset();
  problem_ = waited.error().message;
  next_try_ = Clock::now();
  return {};
}

bool SessionServer::accept_guests() {
  bool accepted = false;
  while (guests_.size() < most_guests) {
    FileDescriptor socket = accept_own(listener_);
    if (!socket.is_open()) break;
    guests_.emplace_back(std::move(socket));
    accepted = true;
  }
  return accepted;
}

bool SessionServer::step_guests() {
  bool moved = false;
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    const auto stepped = guest->step(*this);
    if (!stepped) guest->end_with(stepped.error());
    stop_listening(guest->give_up_place());
    moved = moved || !stepped || *stepped;
    if (guest->ran_command()) freed_until_ = Clock::now() + freeing_limit;
    guest = guest->is_gone() ? guests_.erase(guest) : std::next(guest);
  }
  return moved;
}

bool SessionServer::expects_room() const {
  return Clock::now() < freed_until_ ||
         std::any_of(guests_.begin(), guests_.end(),
                     [](const SessionGuest& guest) { return guest.runs_command(); });
}

void SessionServer::lose_guests(const Error& error) {
  for (SessionGuest& guest : guests_) {
    if (!guest.is_gone()) guest.end_with(error);
    stop_listening(guest.give_up_place());
  }
}

std::unique_ptr<SshChannel> SessionServer::take_accepted(const ListeningPlace& place) {
  auto& waiting = accepted_[place];
  if (waiting.empty()) return nullptr;
  auto channel = std::move(waiting.front());
  waiting.pop_front();
  return channel;
}

void SessionServer::stop_listening(const std::optional<ListeningPlace>& place) {
  if (!place) return;
  accepted_.erase(*place);
  if (session_ != nullptr) session_->stop_listening(*place);
}

std::string SessionServer::status() const {
  const auto channels =
      std::count_if(guests_.begin(), guests_.end(),
                    [](const SessionGuest& guest) { return guest.has_channel(); });
  Json parts = Json::object();
  for (const auto& part : settings_.identity.parts) parts.set(part.input, part.digest);
  Json json = Json::object();
  json.set("host", settings_.identity.host.text());
  json.set("state", session_ == nullptr ? "reconnecting" : "connected");
  json.set("channels", static_cast<std::int64_t>(channels));
  json.set("seconds",
           std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - began_).count());
  json.set("pid", ::getpid());
  json.set("inputs", std::move(parts));
  return json.dump();
}

}  // namespace pca
