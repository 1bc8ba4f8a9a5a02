#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// Where to log in, and as whom.
struct HostAddress {
  std::string user;  // empty = the connection's user
  std::string name;  // no brackets, also for IPv6
  std::uint16_t port = 22;
  [[nodiscard]] std::string text() const;  // user@[v6]:port, port left out when 22
  bool operator==(const HostAddress&) const = default;
};

// "[user@]name[:port]", "[v6]:port"; `port` is for an address that names none. A bare IPv6 address
// needs no brackets when it has no port. bad_input otherwise, with the right spelling.
[[nodiscard]] Result<HostAddress> parse_host_address(std::string_view text,
                                                     std::uint16_t port = 22);

// An IPv4 or IPv6 address rather than a name.
[[nodiscard]] bool is_ip_address(const std::string& name);
// localhost and names under it (RFC 6761 section 6.3), 127.0.0.0/8 and ::1, in lower case.
[[nodiscard]] bool is_loopback(std::string_view name);

}  // namespace pca
