#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca {

// What to do about a host key that nothing vouches for. There is no "accept anything" default.
enum class HostKeyPolicy : std::uint8_t {
  strict,      // refuse, and print the line to paste
  accept_new,  // accept a key for a host that nothing is known about; never a changed one
  insecure,    // accept anything; warns each time
};

// A server's public key as it came over the wire (RFC 4253 section 6.6 blob).
struct HostKey {
  std::string type;  // "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", ...
  std::string blob;
  [[nodiscard]] std::string fingerprint() const;  // "SHA256:" + 43 characters, as ssh-keygen -l
  // "host ssh-ed25519 AAAA...", or "[host]:port ..." where port is not 22.
  [[nodiscard]] std::string known_hosts_line(const std::string& host, std::uint16_t port) const;
};

enum class HostKeyVerdict : std::uint8_t { trusted, unknown, mismatch, revoked };

// The host keys a user trusts: known_hosts lines (plain, hashed, [host]:port, @revoked) and
// SHA256 fingerprints. Immutable after parse(); safe to read from several threads.
// @revoked beats every match, fingerprint or accept-new. @cert-authority for the host in question
// is an error that names the limitation; an unknown marker is bad input.
class HostKeyPins {
 public:
  // Every mistake of both texts is reported at once (kind bad_input).
  static Result<HostKeyPins> parse(std::string_view known_hosts,
                                   const std::vector<std::string>& fingerprints);
  HostKeyPins();
  HostKeyPins(HostKeyPins&&) noexcept;
  HostKeyPins& operator=(HostKeyPins&&) noexcept;
  ~HostKeyPins();

  [[nodiscard]] bool knows(const std::string& host, std::uint16_t port) const;
  // libssh2 LIBSSH2_METHOD_HOSTKEY list with the pinned types first; empty when nothing is pinned
  // by type. Without it the server may offer a type the user has no line for, which looks like an
  // attack.
  [[nodiscard]] std::string preferred_types(const std::string& host, std::uint16_t port) const;
  [[nodiscard]] Result<HostKeyVerdict> judge(const std::string& host, std::uint16_t port,
                                             const HostKey& key) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca
