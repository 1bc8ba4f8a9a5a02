#include "net/local_socket.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>

#include "base/system_error.hpp"

namespace pca {

Result<ByteStream::Read> LocalSocket::read(std::span<char> into) {
  const ssize_t size = ::recv(socket_.get(), into.data(), into.size(), 0);
  if (size > 0) return ByteStream::Read{static_cast<std::size_t>(size), false};
  if (size == 0) return ByteStream::Read{0, true};
  if (would_block(errno)) return ByteStream::Read{};
  return unreachable(fmt::format("a local connection broke: {}", errno_text(errno)));
}

Result<std::size_t> LocalSocket::write(std::span<const char> from) {
  const ssize_t size = ::send(socket_.get(), from.data(), from.size(), MSG_NOSIGNAL);
  if (size >= 0) return static_cast<std::size_t>(size);
  if (would_block(errno)) return std::size_t{0};
  return unreachable(fmt::format("a local connection broke: {}", errno_text(errno)));
}

void LocalSocket::end_writing() { ::shutdown(socket_.get(), SHUT_WR); }

void LocalSocket::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

}  // namespace pca
