#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pca::tunnel_ssh {

// The server's side of a SOCKS handshake up to the wish to connect: version 5 (RFC 1928, without
// authentication) and 4a. Only CONNECT. Hostile bytes end it, sizes are bounded by the protocol.
// Not thread safe.
class SocksHandshake {
 public:
  struct Target {
    std::string host;
    std::uint16_t port = 0;
  };
  struct Step {
    std::string reply;             // to be sent at once
    std::optional<Target> target;  // what to connect to; then answer with connected() or refused()
    bool failed = false;           // send the reply and close
  };
  [[nodiscard]] Step feed(std::string_view bytes);

  [[nodiscard]] std::string connected() const;
  [[nodiscard]] std::string refused() const;
  // What the client sent behind its request: the first bytes for the target.
  [[nodiscard]] const std::string& early_data() const { return received_; }

 private:
  [[nodiscard]] Step greet();
  [[nodiscard]] Step request5();
  [[nodiscard]] Step request4();

  std::string received_;
  bool greeted_ = false;
  int version_ = 0;
};

}  // namespace pca::tunnel_ssh
