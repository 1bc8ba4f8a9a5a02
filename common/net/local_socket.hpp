#pragma once

#include <span>

#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

// One connection of this machine's programs: an accepted or connected TCP or unix socket. Owns it.
// Never blocks. Not thread safe.
class LocalSocket {
 public:
  explicit LocalSocket(FileDescriptor socket) : socket_(std::move(socket)) {}

  [[nodiscard]] int fd() const { return socket_.get(); }
  Result<ByteStream::Read> read(std::span<char> into);
  Result<std::size_t> write(std::span<const char> from);  // 0: would block
  void end_writing();                                     // the other side reads its end
  void reset();  // the other side sees a broken connection, not an end

 private:
  FileDescriptor socket_;
};

}  // namespace pca
