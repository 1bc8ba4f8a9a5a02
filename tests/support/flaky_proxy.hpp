#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <string_view>
#include <thread>

#include "support/loopback.hpp"

namespace pca::test {

// Passes connections on to a port on loopback, one after the other, and cuts some of them: by their
// number, counting from 1, how many bytes of the port's answer come through before.
class FlakyProxy {
 public:
  FlakyProxy(std::uint16_t target, std::map<int, std::size_t> cuts)
      : target_(target),
        cuts_(std::move(cuts)),
        thread_([this](const std::stop_token& stop) { run(stop); }) {}
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  static constexpr int glance_ms = 50;  // how often it looks whether the test is over

  void run(const std::stop_token& stop) {
    for (int number = 1; !stop.stop_requested();) {
      pollfd waiting{listener_.fd(), POLLIN, 0};
      if (::poll(&waiting, 1, glance_ms) != 1) continue;
      const FileDescriptor client(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      const auto cut = cuts_.find(number++);
      pass(stop, client, cut == cuts_.end() ? std::string_view::npos : cut->second);
    }
  }

  void pass(const std::stop_token& stop, const FileDescriptor& client, std::size_t room) const {
    const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", target_);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(server.get(), generic, sizeof address) != 0) return;
    std::size_t endless = std::string_view::npos;
    while (!stop.stop_requested() && room > 0) {
      std::array<pollfd, 2> set{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
      ::poll(set.data(), set.size(), glance_ms);
      if (set[0].revents != 0 && !copy(client, server, endless)) return;
      if (set[1].revents != 0 && !copy(server, client, room)) return;
    }
  }

  // False at the end of either.
  static bool copy(const FileDescriptor& from, const FileDescriptor& to, std::size_t& room) {
    std::array<char, 65536> bytes{};
    const ssize_t got = ::recv(from.get(), bytes.data(), std::min(bytes.size(), room), 0);
    if (got <= 0) return false;
    if (room != std::string_view::npos) room -= static_cast<std::size_t>(got);
    return ::send(to.get(), bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) == got;
  }

  const std::uint16_t target_;
  const std::map<int, std::size_t> cuts_;
  const pca::testing::Listener listener_;
  std::jthread thread_;  // last: it uses the others
};

}  // namespace pca::test
