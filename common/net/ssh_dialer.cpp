#include "net/ssh_dialer.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <functional>
#include <utility>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/channel_flows.hpp"

namespace pca {

namespace {

constexpr const char* doing = "passing data on to the host";
// Opened while the first one is used, because whoever dials once soon dials as often as HTTP asks
// in parallel: a round trip less. A command would be a process each.
constexpr std::size_t spare_channels = 6;
constexpr std::size_t most_words = 500;  // of what a command prints about itself
constexpr Milliseconds farewell{1000};
constexpr Milliseconds longest_life = std::chrono::hours(24 * 7);

Result<std::unique_ptr<SshChannel>> open_channel(const Budget& budget, SshSession& session,
                                                 const SshTarget& target) {
  switch (target.kind) {
    case SshTarget::Kind::unix_socket:
      return session.open_unix(budget, target.text);
    case SshTarget::Kind::tcp:
      return session.open_tcp(budget, target.text, target.port);
    case SshTarget::Kind::command:
      break;
  }
  return session.exec(budget, target.text);
}

std::unique_ptr<SshChannel> begin_channel(SshSession& session, const SshTarget& target) {
  switch (target.kind) {
    case SshTarget::Kind::unix_socket:
      return session.begin_unix(target.text);
    case SshTarget::Kind::tcp:
      return session.begin_tcp(target.text, target.port);
    case SshTarget::Kind::command:
      break;
  }
  return session.begin_exec(target.text);
}

}  // namespace

// One socket and its channel.
class SshDialer::Link {
 public:
  Link(LocalSocket socket, std::unique_ptr<SshChannel> channel)
      : socket_(std::move(socket)), channel_(std::move(channel)) {}

  // Moves what goes now. An Error ends this link only. `at_end` comes before the socket's end
  // shows.
  Result<bool> step(const std::function<void(const std::string&)>& at_end) {
    if (!channel_->is_open()) {
      PCA_CHECK(channel_->read({}));  // says why when the host could not connect
      if (!channel_->is_open()) return false;
    }
    PCA_TRY(const bool said, read_words());
    PCA_TRY(const bool moved, flows_.step(socket_, *channel_, [&] {
      if (!words_.empty()) at_end(words_);
    }));
    return said || moved;
  }

  // Nobody is left to answer once the host has ended, or to be answered once the socket is closed.
  [[nodiscard]] bool is_done() const { return flows_.down.is_done() || flows_.up.is_done(); }
  [[nodiscard]] PollHandle poll_handle() const {
    const short events = channel_->is_open() ? flows_.socket_events() : short{0};
    return {events == 0 ? -1 : socket_.fd(), events};
  }
  [[nodiscard]] const std::string& words() const { return words_; }

 private:
  // What a command says of itself: it must be read, or the command would wait.
  Result<bool> read_words() {
    std::array<char, 1024> buffer{};
    PCA_TRY(const ByteStream::Read read, channel_->read_stderr(buffer));
    words_.append(buffer.data(), read.bytes);
    if (words_.size() > most_words) words_.erase(0, words_.size() - most_words);
    return read.bytes > 0;
  }

  LocalSocket socket_;
  std::unique_ptr<SshChannel> channel_;
  ChannelFlows flows_;
  std::string words_;
};

Result<std::unique_ptr<SshDialer>> SshDialer::open(const Budget& budget,
                                                   std::unique_ptr<SshSession> session,
                                                   const std::vector<SshTarget>& targets) {
  std::optional<Error> problem;
  for (const SshTarget& target : targets) {
    auto channel = open_channel(budget, *session, target);
    if (channel) {
      return std::unique_ptr<SshDialer>(
          new SshDialer(std::move(session), target, *std::move(channel)));
    }
    Error error = std::move(channel).error();
    if (error.kind == ErrorKind::cancelled || error.kind == ErrorKind::unreachable) return error;
    if (problem) error.message = fmt::format("{}; {}", problem->message, error.message);
    problem = std::move(error);
  }
  if (problem) return *std::move(problem);
  return tool_bug("no target to open a channel to");
}

SshDialer::SshDialer(std::unique_ptr<SshSession> session, SshTarget target,
                     std::unique_ptr<SshChannel> first)
    : session_(std::move(session)),
      target_(std::move(target)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ready_.push_back(std::move(first));
  const std::size_t spare = target_.kind == SshTarget::Kind::command ? 0 : spare_channels;
  for (std::size_t i = 0; i < spare; ++i) ready_.push_back(begin_channel(*session_, target_));
  thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
}

SshDialer::~SshDialer() = default;

Result<FileDescriptor> SshDialer::dial() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return failed(fmt::format("cannot make a pair of sockets: {}", errno_text(errno)));
  }
  FileDescriptor near(ends[0]);
  FileDescriptor far(ends[1]);
  {
    const std::lock_guard lock(mutex_);
    if (lost_) return *lost_;
    asked_.push_back(std::move(far));
  }
  ::eventfd_write(wake_.get(), 1);
  return near;
}

bool SshDialer::is_lost() const {
  const std::lock_guard lock(mutex_);
  return lost_.has_value();
}

std::string SshDialer::last_words() const {
  const std::lock_guard lock(mutex_);
  return last_words_;
}

void SshDialer::remember(const std::string& words) {
  const std::lock_guard lock(mutex_);
  last_words_ = visible(cut_utf8(to_valid_utf8(trim(words)), most_words));
}

void SshDialer::serve(const std::stop_token& stop) {
  const Error ended = move_until_lost(Budget::of(longest_life, stop)).error();
  remember(ended.message);
  {
    const std::lock_guard lock(mutex_);
    lost_ = ended;
    asked_.clear();
  }
  links_.clear();  // their channels must not outlive the session
  ready_.clear();
  (void)session_->close(Budget::of(farewell));
  session_.reset();
}

// Ends with an Error only.
Result<> SshDialer::move_until_lost(const Budget& budget) {
  for (;;) {
    PCA_CHECK(budget.check(doing));
    const bool begun = begin_links();
    PCA_TRY(const bool moved, step_links());
    if (begun || moved) continue;
    std::vector<PollHandle> handles{{wake_.get(), POLLIN}};
    for (const Link& link : links_) handles.push_back(link.poll_handle());
    PCA_CHECK(session_->wait(budget, handles, budget.deadline(), doing));
  }
}

bool SshDialer::begin_links() {
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  std::deque<FileDescriptor> asked;
  {
    const std::lock_guard lock(mutex_);
    asked.swap(asked_);
  }
  for (FileDescriptor& socket : asked) {
    if (ready_.empty()) ready_.push_back(begin_channel(*session_, target_));
    links_.emplace_back(LocalSocket(std::move(socket)), std::move(ready_.front()));
    ready_.pop_front();
  }
  return !asked.empty();
}

Result<bool> SshDialer::step_links() {
  bool moved = false;
  for (auto at = links_.begin(); at != links_.end();) {
    const auto stepped = at->step([this](const std::string& words) { remember(words); });
    // Whoever sees his socket end with the session dials again: by then it is known to be lost.
    if (!stepped && session_->is_lost()) return stepped;
    if (!stepped) remember(at->words().empty() ? stepped.error().message : at->words());
    moved = moved || !stepped || *stepped;
    at = !stepped || at->is_done() ? links_.erase(at) : std::next(at);
  }
  return moved;
}

}  // namespace pca
