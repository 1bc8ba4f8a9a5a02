#pragma once

#include <functional>

#include "net/flow.hpp"
#include "net/local_socket.hpp"
#include "net/ssh.hpp"

namespace pca {

// What goes between a local socket and an open channel, both ways; each end is passed on once all
// before it has gone. Borrows neither. Not thread safe.
struct ChannelFlows {
  Flow up;    // socket to host
  Flow down;  // host to socket

  // Moves what goes now, without blocking; whether anything moved. `before_end` is called before
  // the socket is shown that the host sends no more. Errors: of either side; both are over then.
  Result<bool> step(LocalSocket& socket, SshChannel& channel,
                    const std::function<void()>& before_end = {});
  // What to poll the socket for; 0: nothing, and then it must not be polled at all, because a
  // closed one would wake poll() again and again.
  [[nodiscard]] short socket_events() const;
};

}  // namespace pca
