#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <thread>

#include "support/loopback.hpp"

namespace pca::test {

// Passes connections on to a port on loopback, one after the other, counts what passes, and cuts
// both sides once so many bytes have gone to the port.
class CountingProxy {
 public:
  static constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();

  explicit CountingProxy(std::uint16_t target, std::uint64_t cut_after = endless)
      : target_(target),
        room_(cut_after),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }
  [[nodiscard]] std::uint64_t up() const { return up_; }      // bytes to the port
  [[nodiscard]] std::uint64_t down() const { return down_; }  // bytes from it

 private:
  static constexpr int glance_ms = 50;  // how often it looks whether the test is over

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{listener_.fd(), POLLIN, 0};
      if (::poll(&waiting, 1, glance_ms) != 1) continue;
      const FileDescriptor client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      pass(stop, client);
    }
  }

  void pass(const std::stop_token& stop, const FileDescriptor& client) {
    const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", target_);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(server.get(), generic, sizeof address) != 0) return;
    while (!stop.stop_requested() && room_ > 0) {
      std::array<pollfd, 2> set{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
      ::poll(set.data(), set.size(), glance_ms);
      if (set[0].revents != 0) {
        const std::size_t count = copy(client, server, room_);
        if (count == 0) return;
        up_ += count;
        room_ -= count;
      }
      if (set[1].revents != 0) {
        const std::size_t count = copy(server, client, endless);
        if (count == 0) return;
        down_ += count;
      }
    }
  }

  // 0 at the end of either.
  static std::size_t copy(const FileDescriptor& from, const FileDescriptor& to,
                          std::uint64_t most) {
    std::array<char, 65536> bytes{};
    const std::size_t wanted = std::min<std::uint64_t>(bytes.size(), most);
    const ssize_t got = ::recv(from.get(), bytes.data(), wanted, 0);
    if (got <= 0) return 0;
    const auto count = static_cast<std::size_t>(got);
    return ::send(to.get(), bytes.data(), count, MSG_NOSIGNAL) == got ? count : 0;
  }

  const std::uint16_t target_;
  std::uint64_t room_;
  std::atomic<std::uint64_t> up_{0};
  std::atomic<std::uint64_t> down_{0};
  const pca::testing::Listener listener_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace pca::test
