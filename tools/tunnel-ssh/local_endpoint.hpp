#pragma once

#include <poll.h>

#include <cstdint>
#include <future>
#include <optional>
#include <string>
#include <thread>

#include "base/budget.hpp"
#include "net/byte_stream.hpp"
#include "net/file_descriptor.hpp"
#include "net/local_socket.hpp"
#include "net/tcp.hpp"
#include "tunnel-ssh/forward_spec.hpp"

namespace pca::tunnel_ssh {

// Connects to a TCP port or a unix socket of this machine or its network. Errors: unreachable,
// cancelled.
[[nodiscard]] Result<LocalSocket> connect_local(const Budget& budget, const Endpoint& target,
                                                const Resolver& resolver = resolve_host);

// connect_local() in a thread of its own, so that a target that is slow to answer holds up nobody
// else. Gives up when it is destroyed. Used by one thread.
class LocalConnect {
 public:
  LocalConnect(Milliseconds limit, const Endpoint& target);
  LocalConnect(const LocalConnect&) = delete;
  LocalConnect& operator=(const LocalConnect&) = delete;

  // Wakes poll() once it is over; where it could not even begin it is over at once.
  [[nodiscard]] PollHandle poll_handle() const { return {over_.get(), POLLIN}; }
  [[nodiscard]] bool is_over() const;
  [[nodiscard]] Result<LocalSocket> take() { return socket_.get(); }  // once, when it is over

 private:
  FileDescriptor over_;
  std::promise<Result<LocalSocket>> promise_;
  std::future<Result<LocalSocket>> socket_;
  std::jthread thread_;  // ends before what it uses
};

// A listening socket. A unix socket's file is removed with it; one left by a process that is gone
// is replaced, anything else in its place is an error. Not thread safe.
class LocalListener {
 public:
  // "*" as host is every address of IPv4 and IPv6, "" is not allowed. Port 0: the system chooses.
  static Result<LocalListener> open(const Endpoint& endpoint);
  LocalListener(LocalListener&&) noexcept = default;
  LocalListener& operator=(LocalListener&&) noexcept = default;
  ~LocalListener();

  // Wakes poll() when there is a connection to accept.
  [[nodiscard]] PollHandle poll_handle() const;
  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }  // 0 for a unix socket
  // The next connection; nothing when there is none now.
  [[nodiscard]] std::optional<LocalSocket> accept();

 private:
  LocalListener(FileDescriptor socket, std::uint16_t port, std::string path)
      : socket_(std::move(socket)), port_(port), path_(std::move(path)) {}

  FileDescriptor socket_;
  std::uint16_t port_ = 0;
  std::string path_;
  Clock::time_point rests_until_{};  // after accept() found no descriptor left
};

}  // namespace pca::tunnel_ssh
