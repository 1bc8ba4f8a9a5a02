#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca::tunnel_ssh {

// One end of a forward: a TCP port, or a unix socket when `path` is set.
struct Endpoint {
  std::string host;  // no brackets
  std::uint16_t port = 0;
  std::string path;
  [[nodiscard]] bool is_unix() const { return !path.empty(); }
  [[nodiscard]] std::string text() const;  // "[::1]:8080", "/run/app.sock"
};

enum class ForwardKind : std::uint8_t {
  local,    // -L: listen here, connect from the host
  remote,   // -R: listen on the host, connect from here
  dynamic,  // -D: listen here as a SOCKS proxy
};
[[nodiscard]] std::string_view forward_kind_name(ForwardKind kind);

struct ForwardSpec {
  ForwardKind kind = ForwardKind::local;
  Endpoint listen;
  Endpoint target;   // unused for dynamic
  std::string text;  // as the user wrote it
};

// As ssh(1) has them: "[bind:]port:host:port", a unix socket's path in place of either side
// (starting with "/"), "[bind:]port" for dynamic; IPv6 addresses in brackets. Listens on loopback
// when no bind address is given, on all addresses for "*". bad_input names what is wrong.
[[nodiscard]] Result<ForwardSpec> parse_forward(ForwardKind kind, std::string_view text);

}  // namespace pca::tunnel_ssh
