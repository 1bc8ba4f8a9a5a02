#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "net/file_descriptor.hpp"

namespace pca::testing {

inline sockaddr_in loopback_address(const char* ip, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  ::inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

// A listening socket on loopback, on a port that the kernel chose unless one is given.
class Listener {
 public:
  explicit Listener(const char* ip = "127.0.0.1", std::uint16_t port = 0, int backlog = 16)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback_address(ip, port);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(socket_.get(), backlog), 0);
  }

  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  [[nodiscard]] int fd() const { return socket_.get(); }
  // Waits for the next client, 10 s at most.
  [[nodiscard]] FileDescriptor accept() const {
    pollfd waiting{socket_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) != 1) return {};
    return FileDescriptor(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

 private:
  FileDescriptor socket_;
};

// A port on which nothing listens: bound, so that nobody else gets it.
class ClosedPort {
 public:
  explicit ClosedPort(const char* ip = "127.0.0.1", std::uint16_t port = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_in address = loopback_address(ip, port);
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
  }
  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

 private:
  FileDescriptor socket_;
};

// An address that never answers: its queue of waiting clients is full, so the kernel drops what
// knocks.
class SilentListener {
 public:
  explicit SilentListener(const char* ip, std::uint16_t port = 0) : listener_(ip, port, 0) {
    const sockaddr_in address = loopback_address(ip, listener_.port());
    for (int i = 0; i < 4; ++i) {
      FileDescriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      waiting_.push_back(std::move(client));
    }
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  Listener listener_;
  std::vector<FileDescriptor> waiting_;
};

}  // namespace pca::testing
