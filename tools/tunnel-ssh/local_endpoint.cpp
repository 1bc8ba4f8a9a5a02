#include "tunnel-ssh/local_endpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "base/system_error.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr int waiting_connections = 128;
constexpr Milliseconds rest{200};

// A socket address with its size.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address unix_address(const std::string& path) {
  Address address;
  auto* out = reinterpret_cast<sockaddr_un*>(&address.storage);
  out->sun_family = AF_UNIX;
  path.copy(out->sun_path, sizeof out->sun_path - 1);  // its length was checked with the spec
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

bool has_ipv6() {
  return FileDescriptor(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)).is_open();
}

// The address to listen on; nothing for what is none of this machine.
std::optional<Address> address_of(const Endpoint& endpoint) {
  if (endpoint.is_unix()) return unix_address(endpoint.path);
  if (endpoint.host == "*") return address_of({has_ipv6() ? "::" : "0.0.0.0", endpoint.port, {}});
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found) !=
      0) {
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  Address address;
  std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
  address.size = found->ai_addrlen;
  return address;
}

FileDescriptor new_socket(const Address& address) {
  return FileDescriptor(
      ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

void send_at_once(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // no effect on a unix socket
}

// Whether `path` is the socket of a process that is gone: connecting to it is refused.
bool is_dead_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Address address = unix_address(path);
  const FileDescriptor probe = new_socket(address);
  return ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

std::uint16_t port_of(const FileDescriptor& socket) {
  Address bound;
  bound.size = sizeof bound.storage;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
  if (bound.storage.ss_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  }
  if (bound.storage.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&bound.storage)->sin6_port);
  }
  return 0;
}

}  // namespace

Result<LocalSocket> connect_local(const Budget& budget, const Endpoint& target,
                                  const Resolver& resolver) {
  if (!target.is_unix()) {
    PCA_TRY(FileDescriptor socket, connect_tcp_socket(budget, target.host, target.port, resolver));
    return LocalSocket(std::move(socket));
  }
  const Address address = unix_address(target.path);
  FileDescriptor socket = new_socket(address);
  // Never in progress: either there is a listener with room in its queue, or this fails.
  if (::connect(socket.get(), address.get(), address.size) != 0) {
    return unreachable(fmt::format("{}: {}", target.text(), errno_text(errno)));
  }
  return LocalSocket(std::move(socket));
}

LocalConnect::LocalConnect(Milliseconds limit, const Endpoint& target)
    : over_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  socket_ = promise_.get_future();
  if (!over_.is_open()) {
    promise_.set_value(failed(fmt::format("cannot make an eventfd: {}", errno_text(errno))));
    return;
  }
  try {
    thread_ = std::jthread([this, limit, target](const std::stop_token& stop) {
      promise_.set_value(connect_local(Budget::of(limit, stop), target));
      ::eventfd_write(over_.get(), 1);
    });
  } catch (const std::system_error& error) {
    promise_.set_value(failed(fmt::format("cannot start a thread: {}", error.what())));
  }
}

bool LocalConnect::is_over() const {
  return socket_.wait_for(Milliseconds{0}) == std::future_status::ready;
}

Result<LocalListener> LocalListener::open(const Endpoint& endpoint) {
  const auto refuse = [&] {
    return failed(fmt::format("cannot listen on {}: {}", endpoint.text(), errno_text(errno)),
                  "Choose another port or path; port 0 lets the system choose.");
  };
  const std::optional<Address> address = address_of(endpoint);
  if (!address) {
    return bad_input(
        fmt::format("cannot listen on {}: no address of this machine", endpoint.text()),
        "Write an IP address, localhost, or * for all addresses.");
  }
  FileDescriptor socket = new_socket(*address);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int off = 0;  // "*" is IPv4 as well, whatever net.ipv6.bindv6only says
  if (endpoint.host == "*") ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (endpoint.is_unix() && is_dead_socket(endpoint.path)) ::unlink(endpoint.path.c_str());
  // Whoever may connect to a forward may use what is behind it: the user's own programs only.
  const mode_t old_mask = ::umask(0077);
  const int bound = ::bind(socket.get(), address->get(), address->size);
  ::umask(old_mask);
  if (bound != 0 || ::listen(socket.get(), waiting_connections) != 0) return refuse();
  const std::uint16_t port = port_of(socket);
  return LocalListener(std::move(socket), port, endpoint.path);
}

LocalListener::~LocalListener() {
  if (socket_.is_open() && !path_.empty()) ::unlink(path_.c_str());
}

PollHandle LocalListener::poll_handle() const {
  if (Clock::now() >= rests_until_) return {socket_.get(), POLLIN};
  return {.fd = -1, .events = 0, .wake_at = rests_until_};
}

std::optional<LocalSocket> LocalListener::accept() {
  FileDescriptor socket(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.is_open()) {
    // The connection stays in the queue, and poll() would tell of it again and again.
    if (errno == EMFILE || errno == ENFILE) rests_until_ = Clock::now() + rest;
    return std::nullopt;
  }
  if (path_.empty()) send_at_once(socket.get());
  return LocalSocket(std::move(socket));
}

}  // namespace pca::tunnel_ssh
