#pragma once

#include <cstdint>
#include <span>

#include "base/budget.hpp"
#include "net/byte_stream.hpp"

namespace pca::tunnel_ssh {

// One of the process's own streams. Pipes and sockets are made non-blocking while this object
// lives; terminals and files, which other processes may share, are asked by poll() before each use.
// Not thread safe.
class StandardStream {
 public:
  explicit StandardStream(int fd);
  ~StandardStream();
  StandardStream(const StandardStream&) = delete;
  StandardStream& operator=(const StandardStream&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  Result<ByteStream::Read> read(std::span<char> into);
  // 0: would block. An error of kind cancelled when nobody reads any more.
  Result<std::size_t> write(std::span<const char> from);

 private:
  int fd_;
  int old_flags_ = -1;  // to be put back; -1 = never changed
};

// Copies `input` to `stream` and `stream` to `output` until the stream ends, nobody reads `output`
// any more, or `input` has ended, all of it was sent, and nothing came back for `quiet`: a
// WebSocket cannot pass on the end of one direction, so answers get that long to come.
[[nodiscard]] Result<> pump(const Budget& budget, ByteStream& stream, StandardStream& input,
                            StandardStream& output, Milliseconds quiet);

}  // namespace pca::tunnel_ssh
