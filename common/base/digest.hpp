#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

using Sha256 = std::array<std::uint8_t, 32>;
using Sha1 = std::array<std::uint8_t, 20>;

[[nodiscard]] Sha256 sha256(std::string_view data);

// The same for data that comes in pieces.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void feed(std::string_view data);
  // The digest of everything fed so far; then it starts afresh.
  [[nodiscard]] Sha256 finish();

 private:
  void* context_;  // an EVP_MD_CTX, owned
};

// Only where a protocol fixes it and nothing rests on it: the WebSocket handshake.
[[nodiscard]] Sha1 sha1(std::string_view data);
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);  // lower case

// Standard alphabet with padding. Decoding accepts line breaks and refuses everything else.
[[nodiscard]] std::string base64_encode(std::span<const std::uint8_t> bytes);
[[nodiscard]] Result<std::string> base64_decode(std::string_view text);

// Unpredictable bytes from the operating system by way of libcrypto. Thread safe.
void fill_random(std::span<std::uint8_t> out);
[[nodiscard]] std::string random_hex(std::size_t bytes);

}  // namespace pca
