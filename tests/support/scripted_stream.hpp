#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <deque>
#include <limits>
#include <string>
#include <vector>

#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"

namespace pca::testing {

// A ByteStream that reads from a script and remembers what was written. Its descriptor is always
// ready, so whoever waits on it comes back at once.
class ScriptedStream : public ByteStream {
 public:
  std::deque<std::string> incoming;  // each is the most that one read() gives
  bool ends = false;                 // after `incoming`: the end, else would block
  std::size_t accepts = std::numeric_limits<std::size_t>::max();  // bytes until writes would block
  std::string write_error;                                        // every write fails, if not empty
  std::vector<std::string> written;                               // one entry per write() that took
  int blocked_writes = 0;
  bool is_closed = false;

  Result<Read> read(std::span<char> into) override {
    EXPECT_FALSE(is_closed) << "read after close";
    if (incoming.empty()) return Read{0, ends};
    std::string& next = incoming.front();
    const std::size_t count = std::min(next.size(), into.size());
    std::copy_n(next.begin(), count, into.begin());
    next.erase(0, count);
    if (next.empty()) incoming.pop_front();
    return Read{count, false};
  }
  Result<std::size_t> write(std::span<const char> from) override {
    EXPECT_FALSE(is_closed) << "write after close";
    EXPECT_FALSE(from.empty());
    if (!write_error.empty()) return unreachable(write_error);
    const std::size_t count = std::min(accepts, from.size());
    if (count == 0) {
      ++blocked_writes;
      return std::size_t{0};
    }
    accepts -= count;
    written.emplace_back(from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }
  Result<bool> service() override { return true; }
  [[nodiscard]] PollHandle poll_handle() const override { return {always_ready_.get(), POLLIN}; }
  [[nodiscard]] std::string peer() const override { return "the peer"; }
  Result<> close(const Budget& /*budget*/) override {
    is_closed = true;
    return {};
  }

  [[nodiscard]] std::string all_written() const {
    std::string all;
    for (const std::string& one : written) all += one;
    return all;
  }

 private:
  FileDescriptor always_ready_{::eventfd(1, EFD_CLOEXEC)};
};

}  // namespace pca::testing
