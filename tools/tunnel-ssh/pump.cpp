#include "tunnel-ssh/pump.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "base/system_error.hpp"
#include "net/flow.hpp"

namespace pca::tunnel_ssh {

namespace {

// A write of this size to a pipe or terminal that poll() calls writable does not block.
constexpr std::size_t safe_write = 4096;
// What any user may ask for. The usual 64 KiB wake both sides so often that a transfer takes a
// sixth more CPU (bench/compare.sh); a system that has no more to give leaves the pipe as it is.
constexpr int pipe_capacity = 1 << 20;
constexpr const char* doing = "passing data on";

bool is_ready(int fd, short events) {
  pollfd handle{fd, events, 0};
  return ::poll(&handle, 1, 0) > 0;
}

// The two directions and what ends them.
class Pump {
 public:
  Pump(ByteStream& stream, StandardStream& input, StandardStream& output, Milliseconds quiet)
      : stream_(stream), input_(input), output_(output), quiet_(quiet) {}

  Result<> run(const Budget& budget) {
    while (!down_.is_done()) {
      PCA_CHECK(budget.check(doing));
      PCA_TRY(all_sent_, stream_.service());
      PCA_TRY(const bool up_moved, move_up());
      PCA_TRY(const bool down_moved, move_down());
      if (reader_is_gone_) return {};
      if (down_moved || !up_.source_ended()) quiet_since_ = Clock::now();
      if (is_quiet()) return {};
      if (up_moved || down_moved) continue;
      PCA_CHECK(wait(budget));
    }
    return {};
  }

 private:
  Result<bool> move_up() {
    blocked_ = false;
    return up_.step([this](std::span<char> into) { return input_.read(into); },
                    [this](std::span<const char> from) -> Result<std::size_t> {
                      PCA_TRY(const std::size_t taken, stream_.write(from));
                      blocked_ = taken == 0;
                      all_sent_ = false;
                      return taken;
                    },
                    [] { return Result<bool>(true); });
  }

  Result<bool> move_down() {
    return down_.step([this](std::span<char> into) { return stream_.read(into); },
                      [this](std::span<const char> from) -> Result<std::size_t> {
                        auto written = output_.write(from);
                        if (written || written.error().kind != ErrorKind::cancelled) return written;
                        reader_is_gone_ = true;
                        return std::size_t{0};
                      },
                      [] { return Result<bool>(true); });
  }

  [[nodiscard]] bool is_quiet() const {
    return up_.is_done() && all_sent_ && !down_.wants_sink() &&
           Clock::now() >= quiet_since_ + quiet_;
  }

  Result<> wait(const Budget& budget) {
    PollHandle stream = stream_.poll_handle();
    if (blocked_ || !all_sent_) stream.events |= POLLOUT;
    const PollHandle in{up_.wants_source() ? input_.fd() : -1, POLLIN};
    const PollHandle out{output_.fd(), static_cast<short>(down_.wants_sink() ? POLLOUT : 0)};
    const std::array handles{stream, in, out};
    const Clock::time_point wake_at = up_.is_done() ? quiet_since_ + quiet_ : budget.deadline();
    PCA_TRY(const PollResult polled, wait_ready(budget, handles, wake_at, doing));
    if (polled.any_ready && (polled.ready[2] & (POLLERR | POLLNVAL)) != 0) reader_is_gone_ = true;
    return {};
  }

  ByteStream& stream_;
  StandardStream& input_;
  StandardStream& output_;
  const Milliseconds quiet_;
  Flow up_;
  Flow down_;
  bool all_sent_ = false;
  bool blocked_ = false;
  bool reader_is_gone_ = false;
  Clock::time_point quiet_since_ = Clock::now();
};

}  // namespace

StandardStream::StandardStream(int fd) : fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) return;
  if (S_ISFIFO(status.st_mode)) ::fcntl(fd, F_SETPIPE_SZ, pipe_capacity);
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0) {
    old_flags_ = flags < 0 ? -1 : flags;
    return;
  }
  if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) old_flags_ = flags;
}

StandardStream::~StandardStream() {
  if (old_flags_ >= 0) ::fcntl(fd_, F_SETFL, old_flags_);
}

Result<ByteStream::Read> StandardStream::read(std::span<char> into) {
  if (old_flags_ < 0 && !is_ready(fd_, POLLIN)) return ByteStream::Read{};
  const ssize_t size = ::read(fd_, into.data(), into.size());
  if (size > 0) return ByteStream::Read{static_cast<std::size_t>(size), false};
  if (size == 0) return ByteStream::Read{0, true};
  if (would_block(errno)) return ByteStream::Read{};
  return failed(fmt::format("cannot read stdin: {}", errno_text(errno)));
}

Result<std::size_t> StandardStream::write(std::span<const char> from) {
  if (old_flags_ < 0) {
    if (!is_ready(fd_, POLLOUT)) return std::size_t{0};
    from = from.first(std::min(from.size(), safe_write));
  }
  const ssize_t size = ::write(fd_, from.data(), from.size());
  if (size >= 0) return static_cast<std::size_t>(size);
  if (would_block(errno)) return std::size_t{0};
  if (errno == EPIPE || errno == ECONNRESET) return cancelled("nobody reads stdout any more");
  return failed(fmt::format("cannot write stdout: {}", errno_text(errno)));
}

Result<> pump(const Budget& budget, ByteStream& stream, StandardStream& input,
              StandardStream& output, Milliseconds quiet) {
  return Pump(stream, input, output, quiet).run(budget);
}

}  // namespace pca::tunnel_ssh
