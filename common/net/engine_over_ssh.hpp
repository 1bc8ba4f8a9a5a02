#pragma once

#include <functional>
#include <memory>

#include "net/connect.hpp"
#include "net/engine.hpp"

namespace pca {

// The Engine that `endpoint` names as `host` sees it: its socket by direct-streamlocal@openssh.com
// or, where the host's sshd lets none through, by its `docker system dial-stdio`; a TCP port by
// direct-tcpip, with TLS all the way to it. One SSH connection carries all of it: an open session's
// where there is one. It is made with the first request and again when it is lost.
[[nodiscard]] EngineEndpoint engine_over_ssh(const EngineEndpoint& endpoint,
                                             std::shared_ptr<const ConnectionSettings> settings,
                                             const HostAddress& host, ConnectObserver observer);

}  // namespace pca
