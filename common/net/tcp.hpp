#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "net/byte_stream.hpp"

namespace pca {

// Connects to host:port with TCP_NODELAY, trying every address the name has (IPv6 and IPv4 side by
// side, 250 ms apart). `host` may be a name, an IPv4 or an unbracketed IPv6 address.
// Errors: unreachable; transient for what may pass (DNS try again, refused, reset, timed out).
[[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_tcp(const Budget& budget,
                                                              const std::string& host,
                                                              std::uint16_t port);

}  // namespace pca
