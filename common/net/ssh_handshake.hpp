#pragma once

// Inside net/ssh* only: shows libssh2's types.

#include "net/ssh.hpp"
#include "net/ssh_transport.hpp"

namespace pca {

// Exchanges identifications and keys. Errors: unreachable; transient unless both sides have nothing
// in common or the other end is no SSH server.
[[nodiscard]] Result<> exchange_keys(const Budget& budget, SshTransport& transport,
                                     const SshLogin& login, SshFacts& facts);

// Judges the server's host key by pins and policy. Errors: permission, with what to do.
[[nodiscard]] Result<> check_host_key(SshTransport& transport, const SshLogin& login,
                                      SshFacts& facts);

}  // namespace pca
