#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

// The addresses of a host name as text ("192.0.2.1", "2001:db8::1"), best first. May block; runs on
// a thread of its own and may outlive the call that started it, so it owns all it uses.
using Resolver = std::function<Result<std::vector<std::string>>(const std::string& host)>;

// The system's resolver. Errors: unreachable; transient for no answer and for an unknown name.
[[nodiscard]] Result<std::vector<std::string>> resolve_host(const std::string& host);

// What was learnt while connecting.
struct TcpFacts {
  double dns_ms = 0;  // 0 when `host` was an address
  double connect_ms = 0;
};

// Connects to host:port with TCP_NODELAY, trying every address the name has (IPv6 and IPv4 in turn,
// 250 ms apart, as RFC 8305 asks). `host` may be a name, an IPv4 or an unbracketed IPv6 address.
// Errors: unreachable; transient for what may pass (DNS, refused, reset, timed out).
[[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_tcp(
    const Budget& budget, const std::string& host, std::uint16_t port,
    const Resolver& resolver = resolve_host, TcpFacts* facts = nullptr);
// The same for who moves the bytes himself: the connected socket, which never blocks.
[[nodiscard]] Result<FileDescriptor> connect_tcp_socket(const Budget& budget,
                                                        const std::string& host, std::uint16_t port,
                                                        const Resolver& resolver = resolve_host,
                                                        TcpFacts* facts = nullptr);

}  // namespace pca
