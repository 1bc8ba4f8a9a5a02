#pragma once

#include <string>
#include <vector>

#include "net/connect.hpp"

namespace pca {

// What two calls must have in common to share one connection to a host: every connection input but
// limits and tries. Of secrets only what may be seen counts: of keys the public half, of a service
// token its ID, of a password, a passphrase and a JWT that there is one. A digest of those would
// stand in a file name, where it could be guessed offline; and who could use the difference is the
// same user of this machine, who could read the daemon's memory as well.
struct SessionIdentity {
  struct Part {
    std::string input;   // "known-hosts", as the option table names it
    std::string digest;  // SHA256 of its value, in hex
    bool operator==(const Part&) const = default;
  };
  HostAddress host;  // with the user who logs in
  std::vector<Part> parts;

  [[nodiscard]] std::string digest() const;  // 64 hex digits
  // The inputs in which the two differ.
  [[nodiscard]] std::vector<std::string> differences(const SessionIdentity& other) const;
};

// Errors: bad_input when a key cannot be read.
[[nodiscard]] Result<SessionIdentity> session_identity(const ConnectionSettings& settings,
                                                       const HostAddress& host);
// The same of a session with the last jump host, through those before it.
[[nodiscard]] Result<SessionIdentity> last_jump_identity(const ConnectionSettings& settings);

}  // namespace pca
