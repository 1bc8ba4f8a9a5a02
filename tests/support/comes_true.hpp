#pragma once

#include <poll.h>

#include <chrono>
#include <functional>

namespace pca::test {

// Whether `what` does before the deadline; asked every 5 ms.
inline bool comes_true(const std::function<bool()>& what,
                       std::chrono::seconds deadline = std::chrono::seconds(20)) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  while (!what()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace pca::test
