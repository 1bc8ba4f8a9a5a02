#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <deque>
#include <string>
#include <thread>

#include "support/loopback.hpp"

namespace pca::test {

// Passes one connection on to a port on loopback, and holds back what that port answers for one
// round trip. Establishing the connection takes no longer.
class DelayProxy {
 public:
  DelayProxy(std::uint16_t target, std::chrono::milliseconds round_trip)
      : target_(target),
        round_trip_(round_trip),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  using TestClock = std::chrono::steady_clock;
  struct Held {
    TestClock::time_point due;
    std::string bytes;
  };

  void run(const std::stop_token& stop) {
    const FileDescriptor client = listener_.accept();
    const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", target_);
    if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return;
    }
    std::deque<Held> held;
    bool server_ended = false;
    while (!stop.stop_requested() && !(server_ended && held.empty())) {
      std::array<pollfd, 2> set{
          {{client.get(), POLLIN, 0}, {server_ended ? -1 : server.get(), POLLIN, 0}}};
      int timeout = 50;
      if (!held.empty()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(held.front().due - TestClock::now());
        timeout = std::clamp(static_cast<int>(left.count()), 0, timeout);
      }
      ::poll(set.data(), set.size(), timeout);
      if (set[0].revents != 0 && !copy(client.get(), server.get())) return;
      if (set[1].revents != 0) {
        std::string bytes(65536, '\0');
        const ssize_t got = ::recv(server.get(), bytes.data(), bytes.size(), 0);
        server_ended = got <= 0;
        if (got > 0) {
          bytes.resize(static_cast<std::size_t>(got));
          held.push_back({TestClock::now() + round_trip_, std::move(bytes)});
        }
      }
      while (!held.empty() && held.front().due <= TestClock::now()) {
        send_all(client.get(), held.front().bytes);
        held.pop_front();
      }
    }
  }

  static bool copy(int from, int to) {
    std::array<char, 65536> bytes{};
    const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
    if (got <= 0) return false;
    return send_all(to, {bytes.data(), static_cast<std::size_t>(got)});
  }
  static bool send_all(int to, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(to, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  std::uint16_t target_;
  std::chrono::milliseconds round_trip_;
  pca::testing::Listener listener_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace pca::test
