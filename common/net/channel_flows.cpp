#include "net/channel_flows.hpp"

#include <poll.h>

namespace pca {

Result<bool> ChannelFlows::step(LocalSocket& socket, SshChannel& channel,
                                const std::function<void()>& before_end) {
  PCA_TRY(const bool up_moved,
          up.step([&](std::span<char> into) { return socket.read(into); },
                  [&](std::span<const char> from) { return channel.write(from); },
                  [&] { return channel.send_eof(); }));
  PCA_TRY(const bool down_moved,
          down.step([&](std::span<char> into) { return channel.read(into); },
                    [&](std::span<const char> from) { return socket.write(from); },
                    [&]() -> Result<bool> {
                      if (before_end) before_end();
                      socket.end_writing();
                      return true;
                    }));
  return up_moved || down_moved;
}

short ChannelFlows::socket_events() const {
  short events = 0;
  if (up.wants_source()) events |= POLLIN;
  if (down.wants_sink()) events |= POLLOUT;
  return events;
}

}  // namespace pca
