#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca::sandbox {

// An address of this machine itself. The sandbox never listens on or connects to any other.
struct LoopbackAddress {
  std::string ip = "127.0.0.1";            // numeric, without brackets
  std::uint16_t port = 0;                  // 0 = any free one, for listening
  [[nodiscard]] std::string text() const;  // "127.0.0.1:22", "[::1]:22"
};

// "127.0.0.1:22", "[::1]:22" or "localhost:22"; bad_input for all else, names of DNS included.
[[nodiscard]] Result<LoopbackAddress> parse_loopback(std::string_view text);

}  // namespace pca::sandbox
