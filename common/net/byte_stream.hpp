#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "base/result.hpp"

namespace pca {

// What to poll() for: a file descriptor (borrowed) and POLLIN/POLLOUT bits.
struct PollHandle {
  int fd = -1;
  short events = 0;
  // When there is work even if poll() sees nothing: a time that has passed (such as {}) means now.
  Clock::time_point wake_at = Clock::time_point::max();
};

// A two-way stream of bytes that never blocks: a TCP socket, an Access WebSocket, a channel of a
// jump host. Bytes that the stream has buffered itself are always given before it reports
// "would block", so after that a poll() on its handle is right.
// One thread at a time. Errors: unreachable (reset, timed out), permission (TLS), failed.
class ByteStream {
 public:
  struct Read {
    std::size_t bytes = 0;
    bool end = false;  // the peer will send no more; with bytes == 0 and !end: would block
  };

  virtual ~ByteStream() = default;

  virtual Result<Read> read(std::span<char> into) = 0;
  // How many bytes were taken; 0 means would block. What was taken will be sent by service() or
  // by the next call, in order.
  virtual Result<std::size_t> write(std::span<const char> from) = 0;
  // Does the stream's own work: moves queued bytes towards the peer, takes in what has arrived (as
  // far as its buffer allows), answers pings. True when nothing is queued for sending. To be called
  // whenever poll() wakes up.
  virtual Result<bool> service() = 0;
  // What the stream itself waits for now. The caller adds POLLOUT after a write() that gave 0.
  [[nodiscard]] virtual PollHandle poll_handle() const = 0;
  // Sends what is queued, says goodbye as the protocol asks, and lets go. Safe to call twice.
  virtual Result<> close(const Budget& budget) = 0;
  // For messages: "10.0.0.5:22", "Access edge ssh.example.com:443".
  [[nodiscard]] virtual std::string peer() const = 0;
};

// Waits until one of `handles` is ready, `wake_at` or that of a handle has come, or the budget is
// over. An eventfd wakes
// it at once on cancel. Gives the poll() revents in `handles` order.
// Errors: cancelled, unreachable (budget's deadline), with `doing` in the message.
struct PollResult {
  bool any_ready = false;
  std::vector<short> ready;
};
Result<PollResult> wait_ready(const Budget& budget, std::span<const PollHandle> handles,
                              Clock::time_point wake_at, const std::string& doing);

}  // namespace pca
