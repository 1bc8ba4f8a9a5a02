#pragma once

#include <string>

#include "net/ssh.hpp"
#include "net/ssh_transport.hpp"

namespace pca {

// Logs in by whatever SshLogin holds: certificate and key, key, agent, password, in this order and
// each at most once. Gives what it was done by: "publickey (ed25519)", "password", ...
// Errors: permission (refused, with everything that was tried), bad_input (unusable key),
// unreachable (connection lost). None is transient: sshd penalises addresses that fail to log in.
[[nodiscard]] Result<std::string> authenticate(const Budget& budget, SshTransport& transport,
                                               const SshLogin& login);

}  // namespace pca
