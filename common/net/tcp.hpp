#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/byte_stream.hpp"

namespace pca {

// The addresses of a host name as text ("192.0.2.1", "2001:db8::1"), best first. May block; runs on
// a thread of its own and may outlive the call that started it, so it owns all it uses.
using Resolver = std::function<Result<std::vector<std::string>>(const std::string& host)>;

// The system's resolver. Errors: unreachable; transient when DNS said to try again.
[[nodiscard]] Result<std::vector<std::string>> resolve_host(const std::string& host);

// Connects to host:port with TCP_NODELAY, trying every address the name has (IPv6 and IPv4 in turn,
// 250 ms apart, as RFC 8305 asks). `host` may be a name, an IPv4 or an unbracketed IPv6 address.
// Errors: unreachable; transient for what may pass (DNS try again, refused, reset, timed out).
[[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_tcp(
    const Budget& budget, const std::string& host, std::uint16_t port,
    const Resolver& resolver = resolve_host);

}  // namespace pca
