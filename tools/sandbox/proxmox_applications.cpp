#include "sandbox/proxmox_applications.hpp"

#include <fmt/format.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>

#include "base/text.hpp"
#include "sandbox/relay.hpp"

namespace pca::sandbox::proxmox {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t head_limit = 16 * 1024;

// What the application of a guest says to "GET /healthz HTTP/1.1".
std::string answer_of(Cluster& cluster, int vmid, const std::string& request) {
  const auto found = cluster.guests.find(vmid);
  if (found == cluster.guests.end()) return "";
  Guest& guest = found->second;
  const auto words = split(request, ' ');
  const std::string path = words.size() > 1 ? words[1] : "";
  const std::string name = std::to_string(vmid);
  int status = 200;
  std::string text = "ok\n";
  if (path.starts_with("/version")) {
    const auto pushed = cluster.disks.read(name, "/srv/app/version", 4096);
    text = pushed ? std::string(trim(*pushed)) : guest.revision;
    if (text.empty()) text = guest.application.version;
    text += "\n";
  } else if (path.starts_with("/healthz")) {
    const bool is_broken = cluster.disks.read(name, "/srv/app/unhealthy", 1).has_value();
    if (guest.application.state == "unhealthy" || is_broken) {
      status = 503;
      text = "not well\n";
    }
  } else {
    status = 404;
    text = "nothing here\n";
  }
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: "
      "close\r\n\r\n{}",
      status, status == 200 ? "OK" : "No", text.size(), text);
}

}  // namespace

struct GuestPorts::Port : std::enable_shared_from_this<Port> {
  // `to` is where it leads; empty for what is answered here.
  Port(asio::io_context& loop_of, Cluster& served, int guest, LoopbackAddress where,
       std::optional<LoopbackAddress> led_to)
      : loop(loop_of),
        cluster(served),
        vmid(guest),
        address(std::move(where)),
        to(std::move(led_to)),
        timer(loop_of) {}

  void open() {
    auto listening = listen_on(loop, address);
    if (listening) {
      acceptor = *std::move(listening);
      return accept();
    }
    timer.expires_after(std::chrono::milliseconds(20));
    timer.async_wait([self = shared_from_this()](error_code error) {
      if (!error && !self->is_closed) self->open();
    });
  }

  void accept() {
    acceptor->async_accept([self = shared_from_this()](error_code error, TcpSocket socket) {
      if (error || self->is_closed) return;
      auto client = std::make_shared<TcpSocket>(std::move(socket));
      self->to ? self->lead_on(client) : self->serve(client);
      self->accept();
    });
  }

  void lead_on(const std::shared_ptr<TcpSocket>& client) {
    auto host = std::make_shared<TcpSocket>(loop);
    host->async_connect(
        endpoint_of(*to), [self = shared_from_this(), client, host](error_code error) {
          if (error || self->is_closed) return;
          auto relay = std::make_shared<Relay>(std::move(*client), std::move(*host), Delay{0});
          relay->start();
          self->relays.push_back(relay);
        });
  }

  void serve(const std::shared_ptr<TcpSocket>& socket) {
    const auto guest = cluster.guests.find(vmid);
    auto text = std::make_shared<std::string>();
    auto buffer = asio::dynamic_buffer(*text, head_limit);
    const bool is_silent =
        guest != cluster.guests.end() && guest->second.application.state == "silent";
    asio::async_read_until(
        *socket, buffer, "\r\n\r\n",
        [self = shared_from_this(), socket, text, is_silent](error_code error, std::size_t) {
          if (error || self->is_closed) return;
          if (is_silent) return self->wait_for_end(socket);
          *text = answer_of(self->cluster, self->vmid, *text);
          asio::async_write(*socket, asio::buffer(*text),
                            [socket, text](error_code, std::size_t) {});
        });
  }

  void wait_for_end(const std::shared_ptr<TcpSocket>& socket) {
    socket->async_wait(TcpSocket::wait_read, [socket](error_code) {});
  }

  void close() {
    is_closed = true;
    timer.cancel();
    error_code ignored;
    if (acceptor) acceptor->close(ignored);
    for (const std::weak_ptr<Relay>& open : relays) {
      if (const auto relay = open.lock()) relay->close();
    }
  }

  asio::io_context& loop;
  Cluster& cluster;
  int vmid;
  LoopbackAddress address;
  std::optional<LoopbackAddress> to;
  std::vector<std::weak_ptr<Relay>> relays;
  asio::steady_timer timer;
  std::optional<Acceptor> acceptor;
  bool is_closed = false;
};

GuestPorts::GuestPorts(asio::io_context& loop, Cluster& cluster) : loop_(loop), cluster_(cluster) {
  cluster.applications.open = [this](const Guest& guest, const std::string& ip, int port) {
    open(guest, ip, port);
  };
  cluster.applications.close = [this](int vmid) { close(vmid); };
}

GuestPorts::~GuestPorts() {
  cluster_.applications = {};
  for (auto& [vmid, port] : ports_) port->close();
}

void GuestPorts::open(const Guest& guest, const std::string& ip, int port) {
  close(guest.vmid);
  const auto add = [&](int number, std::optional<LoopbackAddress> to) {
    const auto address = parse_loopback(fmt::format("{}:{}", ip, number));
    if (!address) return;
    const auto made = std::make_shared<Port>(loop_, cluster_, guest.vmid, *address, std::move(to));
    ports_.emplace(guest.vmid, made);
    made->open();
  };
  if (guest.application.state != "closed") add(port, std::nullopt);
  if (const auto to = parse_loopback(guest.ssh.to)) add(guest.ssh.port, *to);
}

void GuestPorts::close(int vmid) {
  const auto [begin, end] = ports_.equal_range(vmid);
  for (auto port = begin; port != end; ++port) port->second->close();
  ports_.erase(begin, end);
}

int free_port(asio::io_context& loop) {
  const auto acceptor = listen_on(loop, {});
  return acceptor ? pca::sandbox::address_of(*acceptor).port : 0;
}

}  // namespace pca::sandbox::proxmox
