#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca {

// Watches the unencrypted start of an SSH connection as the server sends it: lines before its
// identification, the identification, and its list of algorithms (RFC 4253 sections 4.2 and 7.1).
// libssh2 waits for these without any limit and keeps the lists to itself; this knows when to give
// up and what the server offered. Everything it gives is hostile text.
class SshGreeting {
 public:
  // The name lists of SSH_MSG_KEXINIT in their order on the wire.
  enum class List : std::uint8_t { kex, host_key, cipher_up, cipher_down, mac_up, mac_down };

  // The next bytes from the server. unreachable when this cannot become an SSH-2 session.
  Result<> feed(std::string_view bytes);
  [[nodiscard]] bool is_complete() const { return stage_ == Stage::complete; }

  [[nodiscard]] const std::string& identification() const { return identification_; }
  // Made visible(): what came before, or instead of, the identification; at most 200 bytes.
  [[nodiscard]] std::string preceding_text() const;
  [[nodiscard]] const std::vector<std::string>& offered(List list) const {
    return offered_[static_cast<std::size_t>(list)];
  }

 private:
  enum class Stage : std::uint8_t { identification, key_exchange, complete };
  Result<> read_lines();
  void read_packets();
  void read_lists(std::string_view packet);

  Stage stage_ = Stage::identification;
  std::string pending_;
  std::string preceding_;
  std::size_t lines_ = 0;
  std::size_t line_bytes_ = 0;
  std::string identification_;
  std::array<std::vector<std::string>, 6> offered_;
};

}  // namespace pca
