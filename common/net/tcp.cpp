#include "net/tcp.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "net/file_descriptor.hpp"

namespace pca {

namespace {

constexpr Milliseconds attempt_delay{250};  // RFC 8305, section 5
constexpr std::size_t most_addresses = 32;  // hostile DNS may give thousands

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

// One address, ready for connect().
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  std::string text;
  [[nodiscard]] int family() const { return storage.ss_family; }
};

// Of wait_ready(): a longer wait or another try may do.
Error timed_out_may_pass(Error error) {
  return error.kind == ErrorKind::unreachable ? std::move(error).as_transient() : error;
}

std::string host_and_port(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_ipv6 ? "[" : "", visible(host), is_ipv6 ? "]" : "", port);
}

Error resolver_error(const std::string& host, int code, int system_error) {
  const std::string name = visible(host);
  if (code == EAI_AGAIN) {
    return unreachable(fmt::format("DNS gave no answer for \"{}\"", name),
                       "Check this machine's resolver (/etc/resolv.conf) and network.")
        .as_transient();
  }
  if (code == EAI_NONAME || code == EAI_NODATA || code == EAI_ADDRFAMILY) {
    // Tried again all the same: a record may be new, and libcurl cannot tell this from DNS that
    // gave no answer, so it is tried again through Access.
    return unreachable(fmt::format("the host name \"{}\" is not known", name),
                       "Check its spelling. Only DNS and /etc/hosts are asked, not mDNS or sssd.")
        .as_transient();
  }
  if (code == EAI_SYSTEM) {
    return unreachable(
        fmt::format("cannot look up the host name \"{}\": {}", name, errno_text(system_error)));
  }
  return unreachable(
      fmt::format("cannot look up the host name \"{}\": {}", name, ::gai_strerror(code)));
}

int look_up(const std::string& host, const std::string& port, int flags, AddressList& list) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* found = nullptr;
  const int code =
      ::getaddrinfo(host.c_str(), port.empty() ? nullptr : port.c_str(), &hints, &found);
  list.reset(found);
  return code;
}

// An address without asking anyone; nothing for a name.
std::optional<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
  AddressList list;
  if (look_up(host, std::to_string(port), AI_NUMERICHOST | AI_NUMERICSERV, list) != 0) return {};
  SocketAddress address;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  address.size = list->ai_addrlen;
  address.text = host;
  return address;
}

// One look-up on its own thread: getaddrinfo() can neither be cancelled nor limited. Shared by the
// thread and the caller, because either may be done with it first.
class LookUp {
 public:
  LookUp() : done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  void finish(Result<std::vector<std::string>> result) {
    {
      const std::lock_guard lock(mutex_);
      result_ = std::move(result);
    }
    ::eventfd_write(done_.get(), 1);
  }
  [[nodiscard]] PollHandle done() const { return {done_.get(), POLLIN}; }
  Result<std::vector<std::string>> take() {
    const std::lock_guard lock(mutex_);
    return std::move(*result_);
  }

 private:
  FileDescriptor done_;
  std::mutex mutex_;
  std::optional<Result<std::vector<std::string>>> result_;
};

Result<std::vector<std::string>> resolve_within(const Budget& budget, const std::string& host,
                                                const Resolver& resolver) {
  const std::string doing = fmt::format("looking up \"{}\"", visible(host));
  const auto look_up = std::make_shared<LookUp>();
  if (look_up->done().fd < 0) return failed("cannot make an eventfd: " + errno_text(errno));
  try {
    std::thread([look_up, host, resolver] { look_up->finish(resolver(host)); }).detach();
  } catch (const std::system_error& problem) {
    return failed(fmt::format("cannot start a thread for {}: {}", doing, problem.what()));
  }
  const PollHandle done = look_up->done();
  if (auto waited = wait_ready(budget, {&done, 1}, budget.deadline(), doing); !waited) {
    return timed_out_may_pass(std::move(waited).error());
  }
  return look_up->take();
}

// The families in turn, starting with the one that the resolver prefers (RFC 8305, section 4).
std::vector<SocketAddress> interleave(std::vector<SocketAddress> sorted) {
  std::vector<SocketAddress> mixed;
  if (sorted.empty()) return mixed;
  const auto others = std::stable_partition(
      sorted.begin(), sorted.end(),
      [family = sorted[0].family()](const auto& address) { return address.family() == family; });
  auto preferred = sorted.begin();
  for (auto other = others; preferred != others || other != sorted.end();) {
    if (preferred != others) mixed.push_back(std::move(*preferred++));
    if (other != sorted.end()) mixed.push_back(std::move(*other++));
  }
  return mixed;
}

Result<std::vector<SocketAddress>> addresses_of(const Budget& budget, const std::string& host,
                                                std::uint16_t port, const Resolver& resolver,
                                                TcpFacts& facts) {
  if (auto numeric = numeric_address(host, port)) return std::vector{std::move(*numeric)};
  const Clock::time_point start = Clock::now();
  const auto names = resolve_within(budget, host, resolver);
  facts.dns_ms = ms_since(start);
  if (!names) return names.error();
  std::vector<SocketAddress> found;
  for (const std::string& name : *names) {
    if (auto address = numeric_address(name, port)) found.push_back(std::move(*address));
    if (found.size() == most_addresses) break;
  }
  if (found.empty()) return resolver_error(host, EAI_NONAME, 0);
  return interleave(std::move(found));
}

// A connected socket.
class TcpStream : public ByteStream {
 public:
  TcpStream(FileDescriptor socket, std::string peer)
      : socket_(std::move(socket)), peer_(std::move(peer)) {}

  Result<Read> read(std::span<char> into) override {
    while (true) {
      const ssize_t got = ::recv(socket_.get(), into.data(), into.size(), 0);
      if (got > 0) {
        acknowledge();
        return Read{static_cast<std::size_t>(got), false};
      }
      if (got == 0) return Read{0, !into.empty()};
      if (errno == EAGAIN || errno == EWOULDBLOCK) return Read{};
      if (errno != EINTR) return broken(errno);
    }
  }

  Result<std::size_t> write(std::span<const char> from) override {
    while (true) {
      const ssize_t sent = ::send(socket_.get(), from.data(), from.size(), MSG_NOSIGNAL);
      if (sent >= 0) return static_cast<std::size_t>(sent);
      if (errno == EAGAIN || errno == EWOULDBLOCK) return std::size_t{0};
      if (errno != EINTR) return broken(errno);
    }
  }

  Result<bool> service() override { return true; }  // the kernel does it
  [[nodiscard]] PollHandle poll_handle() const override { return {socket_.get(), POLLIN}; }
  [[nodiscard]] std::string peer() const override { return peer_; }

  Result<> close(const Budget& /*budget*/) override {
    if (!socket_.is_open()) return {};
    ::shutdown(socket_.get(), SHUT_WR);
    // Closing over unread bytes would send a reset, which throws away what is still on its way out.
    std::array<char, 16384> unread;
    while (::recv(socket_.get(), unread.data(), unread.size(), MSG_DONTWAIT) > 0) continue;
    socket_.reset();
    return {};
  }

 private:
  // At once, not 40 ms later: sshd has Nagle's algorithm on, and holds back the second of two small
  // packets until the first is acknowledged.
  void acknowledge() const {
    const int yes = 1;
    (void)::setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
  }

  [[nodiscard]] Error broken(int error) const {
    Error problem =
        unreachable(fmt::format("the connection to {} broke: {}", peer_, errno_text(error)));
    return may_pass(error) ? std::move(problem).as_transient() : problem;
  }

  FileDescriptor socket_;
  std::string peer_;
};

// The race between a name's addresses: a new try every 250 ms or as soon as one has failed; the
// first connection wins and the others are dropped (RFC 8305, section 5).
class Race {
 public:
  Race(std::vector<SocketAddress> addresses, std::string peer)
      : addresses_(std::move(addresses)), peer_(std::move(peer)) {}

  Result<FileDescriptor> run(const Budget& budget) {
    while (!won_.is_open()) {
      start_due();
      if (won_.is_open()) break;
      if (running_.empty()) return nobody_answered();
      PCA_CHECK(await(budget));
    }
    return std::move(won_);
  }

 private:
  struct Try {
    FileDescriptor socket;
    std::size_t address;
  };

  [[nodiscard]] bool has_more() const { return next_ < addresses_.size(); }

  void start_due() {
    while (!won_.is_open() && has_more() && (running_.empty() || Clock::now() >= next_start_)) {
      start(next_++);
    }
  }

  void start(std::size_t index) {
    const SocketAddress& address = addresses_[index];
    FileDescriptor socket(
        ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    const int yes = 1;
    if (!socket.is_open() ||
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) {
      return note_failure(index, errno);
    }
    const int code =
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.size);
    if (code == 0) {
      won_ = std::move(socket);
    } else if (errno == EINPROGRESS || errno == EINTR) {
      running_.push_back({std::move(socket), index});
      next_start_ = Clock::now() + attempt_delay;
    } else {
      note_failure(index, errno);
    }
  }

  Result<> await(const Budget& budget) {
    std::vector<PollHandle> handles;
    for (const Try& one : running_) handles.push_back({one.socket.get(), POLLOUT});
    auto woken = wait_ready(budget, handles, has_more() ? next_start_ : budget.deadline(),
                            "connecting to " + peer_);
    if (!woken) return timed_out_may_pass(std::move(woken).error());
    for (std::size_t i = handles.size(); i-- > 0;) {
      if (woken->ready[i] != 0) settle(i);
    }
    return {};
  }

  void settle(std::size_t index) {
    Try& one = running_[index];
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(one.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error == 0) {
      won_ = std::move(one.socket);
      return;
    }
    note_failure(one.address, error);
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    next_start_ = Clock::now();  // no use in waiting for the rest of the 250 ms
  }

  void note_failure(std::size_t index, int error) {
    can_pass_ |= may_pass(error);
    was_refused_ |= error == ECONNREFUSED;
    if (!failures_.empty()) failures_ += ", ";
    failures_ += errno_text(error);
    if (addresses_[index].text != peer_ && addresses_.size() > 1) {
      failures_ += fmt::format(" ({})", addresses_[index].text);
    }
  }

  [[nodiscard]] Error nobody_answered() const {
    Error error = unreachable(
        fmt::format("cannot connect to {}: {}", peer_, failures_),
        was_refused_ ? "Check that a server listens on this port and that no firewall refuses it."
                     : "Check the address, the route to it and its firewall.");
    return can_pass_ ? std::move(error).as_transient() : error;
  }

  std::vector<SocketAddress> addresses_;
  std::string peer_;
  std::size_t next_ = 0;
  Clock::time_point next_start_;
  std::vector<Try> running_;
  FileDescriptor won_;
  std::string failures_;
  bool can_pass_ = false;
  bool was_refused_ = false;
};

}  // namespace

Result<std::vector<std::string>> resolve_host(const std::string& host) {
  AddressList list;
  const int code = look_up(host, {}, 0, list);
  if (code != 0) return resolver_error(host, code, errno);
  std::vector<std::string> addresses;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

Result<std::unique_ptr<ByteStream>> connect_tcp(const Budget& budget, const std::string& host,
                                                std::uint16_t port, const Resolver& resolver,
                                                TcpFacts* facts) {
  PCA_TRY(FileDescriptor socket, connect_tcp_socket(budget, host, port, resolver, facts));
  return std::make_unique<TcpStream>(std::move(socket), host_and_port(host, port));
}

Result<FileDescriptor> connect_tcp_socket(const Budget& budget, const std::string& host,
                                          std::uint16_t port, const Resolver& resolver,
                                          TcpFacts* facts) {
  const std::string peer = host_and_port(host, port);
  PCA_CHECK(budget.check("connecting to " + peer));
  TcpFacts unwanted;
  TcpFacts& told = facts == nullptr ? unwanted : *facts;
  PCA_TRY(std::vector<SocketAddress> addresses, addresses_of(budget, host, port, resolver, told));
  const Clock::time_point start = Clock::now();
  auto socket = Race(std::move(addresses), peer).run(budget);
  told.connect_ms = ms_since(start);
  return socket;
}

}  // namespace pca
