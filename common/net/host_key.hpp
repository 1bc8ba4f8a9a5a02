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
  insecure,    // accept anything but a revoked key; warns each time
};

// A server's public key as it came over the wire (RFC 4253 section 6.6 blob).
struct HostKey {
  std::string type;  // "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", ...
  std::string blob;
  // With the type that the blob itself names; empty when it names none.
  static HostKey from_blob(std::string blob);
  [[nodiscard]] std::string fingerprint() const;  // "SHA256:" + 43 characters, as ssh-keygen -l
  // "host ssh-ed25519 AAAA...", or "[host]:port ..." where port is not 22.
  [[nodiscard]] std::string known_hosts_line(const std::string& host, std::uint16_t port) const;
};

enum class HostKeyVerdict : std::uint8_t { trusted, unknown, mismatch, revoked };

// The host keys a user trusts: known_hosts lines (plain, with * ? ! patterns, hashed, [host]:port,
// @revoked) and SHA256 fingerprints, which hold for every host. Immutable after parse(); safe to
// read from several threads. Host names are compared without case. As in OpenSSH, a line without a
// port can vouch for a key on any port, but only a line that names the port can contradict it.
class HostKeyPins {
 public:
  // Every mistake of both texts is reported at once (kind bad_input), by the input's name
  // (known-hosts, host-key) and line.
  static Result<HostKeyPins> parse(std::string_view known_hosts,
                                   const std::vector<std::string>& fingerprints);
  HostKeyPins();
  HostKeyPins(HostKeyPins&&) noexcept;
  HostKeyPins& operator=(HostKeyPins&&) noexcept;
  ~HostKeyPins();

  // bad_input when a @cert-authority line names this host: host certificates are not checked here,
  // so going on would ignore what the user asked for. To be called before anything is contacted.
  [[nodiscard]] Result<> check_host(const std::string& host, std::uint16_t port) const;

  // A SHA256 of all that is pinned, the same for the same lines and fingerprints in any order.
  [[nodiscard]] std::string digest() const;

  // Whether any key is pinned for this host.
  [[nodiscard]] bool knows(const std::string& host, std::uint16_t port) const;
  // libssh2 LIBSSH2_METHOD_HOSTKEY list of the pinned types; empty when nothing is pinned by type.
  // Without it the server may offer a type the user has no line for, which looks like an attack.
  [[nodiscard]] std::string preferred_types(const std::string& host, std::uint16_t port) const;
  // Whether a fingerprint might be of another type than the one the server showed: its key of each
  // further type has to be seen before a mismatch means anything.
  [[nodiscard]] bool has_fingerprints() const;

  // @revoked beats every match and every fingerprint.
  [[nodiscard]] HostKeyVerdict judge(const std::string& host, std::uint16_t port,
                                     const HostKey& key) const;
  // What is pinned for this host, for messages: "ssh-ed25519 SHA256:... (known-hosts line 3)".
  [[nodiscard]] std::vector<std::string> describe(const std::string& host,
                                                  std::uint16_t port) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca
