#pragma once

#include <string>

#include "net/ssh.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_inputs.hpp"

namespace pca::tunnel_ssh {

// Waits until the current release of `folder` is healthy as `health` says, asking again and again.
// Gives the evidence: "2 checks in a row after 1.4 s". Errors: failed (not in time; the message has
// what the last check said), and those of the session.
[[nodiscard]] Result<std::string> wait_until_healthy(const Budget& budget, SshSession& session,
                                                     ReleaseFolder& folder,
                                                     const HealthCheck& health);

}  // namespace pca::tunnel_ssh
