#include "net/byte_stream.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <stop_token>

#include "base/system_error.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

namespace {

using PollSet = std::vector<pollfd>;

// Rounded up, so that poll() never returns just before `end` and is called again and again.
int poll_timeout(Clock::time_point end) {
  constexpr Milliseconds longest{60'000};
  const Clock::duration left = end - Clock::now();
  if (left <= Clock::duration::zero()) return 0;
  return static_cast<int>(std::min(std::chrono::ceil<Milliseconds>(left), longest).count());
}

Result<int> poll_once(PollSet& set, int timeout, const std::string& doing) {
  const int ready = ::poll(set.data(), set.size(), timeout);
  if (ready >= 0) return ready;
  if (errno == EINTR) return 0;
  return failed("poll failed while " + doing + ": " + errno_text(errno));
}

// The first `count` entries are the caller's.
Result<PollResult> collect(const PollSet& set, std::size_t count, const std::string& doing) {
  PollResult result;
  result.ready.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    // A closed descriptor is always ready, so the caller would spin on it.
    if ((set[i].revents & POLLNVAL) != 0) {
      return tool_bug("polled a closed file descriptor while " + doing);
    }
    result.ready.push_back(set[i].revents);
    result.any_ready |= set[i].revents != 0;
  }
  return result;
}

}  // namespace

Result<PollResult> wait_ready(const Budget& budget, std::span<const PollHandle> handles,
                              Clock::time_point wake_at, const std::string& doing) {
  PCA_CHECK(budget.check(doing));
  PollSet set;
  set.reserve(handles.size() + 1);
  for (const PollHandle& handle : handles) {
    set.push_back({handle.fd, handle.events, 0});
    wake_at = std::min(wake_at, handle.wake_at);
  }

  // On a busy stream something is ready already; only a real wait needs the eventfd.
  PCA_TRY(int ready, poll_once(set, 0, doing));
  if (ready > 0 || Clock::now() >= wake_at) return collect(set, handles.size(), doing);

  const FileDescriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) {
    return failed("cannot make an eventfd while " + doing + ": " + errno_text(errno));
  }
  set.push_back({wake.get(), POLLIN, 0});
  const std::stop_callback on_cancel(budget.stop(), [fd = wake.get()] { ::eventfd_write(fd, 1); });
  while (true) {
    PCA_TRY(ready, poll_once(set, poll_timeout(std::min(wake_at, budget.deadline())), doing));
    PCA_CHECK(budget.check(doing));
    if (ready > 0 || Clock::now() >= wake_at) return collect(set, handles.size(), doing);
  }
}

}  // namespace pca
