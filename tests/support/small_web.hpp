#pragma once

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "net/tcp.hpp"
#include "support/loopback.hpp"

namespace pca::test {

// A Node.js application that answers on $PORT with the file `version` beside it; with 503 where
// that says "ill", and not at all where it says "dead".
inline constexpr std::string_view small_web_app =
    "const http = require('http'), fs = require('fs');\n"
    "const version = fs.readFileSync(__dirname + '/version', 'utf8');\n"
    "if (version === 'dead') process.exit(1);\n"
    "http.createServer((request, answer) => {\n"
    "  answer.statusCode = version === 'ill' ? 503 : 200;\n"
    "  setTimeout(() => answer.end(version), 20);\n"
    "}).listen(Number(process.env.PORT), '127.0.0.1');\n";

// What the server at `port` answers to one request; empty when it does not, or with another code
// than 200.
inline std::string answer_of(std::uint16_t port) {
  const auto socket = connect_tcp_socket(Budget::of(Milliseconds{5000}), "127.0.0.1", port);
  if (!socket) return {};
  constexpr std::string_view request = "GET / HTTP/1.0\r\nHost: app\r\n\r\n";
  timeval limit{5, 0};
  ::setsockopt(socket->get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const int flags = ::fcntl(socket->get(), F_GETFL);
  ::fcntl(socket->get(), F_SETFL, flags & ~O_NONBLOCK);
  if (::send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return {};
  std::string answer;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::recv(socket->get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(size));
  }
  const std::size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos || answer.find(" 200 ") > 12) return {};
  return answer.substr(body + 4);
}

// A port that nobody has now, for whoever listens later, another one each time: none of those that
// the kernel gives to any connection meanwhile, nor of the default preview-ports.
inline std::string free_port() {
  constexpr unsigned first = 20100;
  constexpr unsigned count = 11900;
  static unsigned next = std::random_device()();
  for (;;) {
    const auto port = static_cast<std::uint16_t>(first + next++ % count);
    const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", port);
    const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
      return std::to_string(port);
    }
  }
}

}  // namespace pca::test
