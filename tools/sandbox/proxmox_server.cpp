#include "sandbox/proxmox_server.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <set>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/certificate_authority.hpp"
#include "sandbox/http_head.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_applications.hpp"
#include "sandbox/proxmox_control.hpp"
#include "sandbox/proxmox_guests.hpp"
#include "sandbox/proxmox_http.hpp"
#include "sandbox/proxmox_upload.hpp"
#include "sandbox/record.hpp"
#include "sandbox/relay.hpp"
#include "sandbox/tls_settings.hpp"
#include "sandbox/tls_stream.hpp"

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;
using proxmox::Call;
using proxmox::Failure;
using proxmox::Milliseconds;
using proxmox::Outcome;
using proxmox::Parameters;
using Status = TlsStream::Status;

namespace {

constexpr std::string_view api_root = "/api2/json";
constexpr std::chrono::milliseconds look_again{5};    // real, at a lock that somebody holds
constexpr std::chrono::milliseconds least_idle{250};  // real
constexpr int port_tries = 50;

class Connection;

struct NodePort {
  std::string name;
  std::string ip;
  TlsServer tls;
  std::optional<Acceptor> acceptor;
};

// What all connections share; the server owns it and outlives them.
struct Shared {
  Shared(const ProxmoxSettings& given, Recorder writer)
      : settings(given),
        clock(given.speed),
        recorder(std::move(writer)),
        cluster(given.version, given.node_count),
        api(cluster.major) {}

  [[nodiscard]] bool has(FaultKind kind) const { return settings.faults.has(kind); }
  // Does what is due by now.
  void advance() { cluster.schedule.advance(clock.now()); }

  const ProxmoxSettings& settings;
  proxmox::ModelClock clock;
  Recorder recorder;
  proxmox::Cluster cluster;
  proxmox::Api api;
  std::uint64_t connections = 0;
  std::uint64_t requests = 0;
  std::uint64_t writes = 0;
  std::set<Connection*> open;
  std::function<void()> apply_nodes;  // opens and closes the nodes' ports
  std::function<void()> schedule;     // sets the server's timer for what is due next
  asio::io_context loop{1};           // outlived by what its handlers borrow
};

bool is_secret(std::string_view name) {
  return name == "cipassword" || name == "password" || name == "ticket";
}

// One client of one node, with all its requests. Pending operations share its ownership.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, NodePort& port, TcpSocket socket)
      : shared_(shared),
        port_(port),
        number_(++shared.connections),
        client_(std::move(socket), port.tls),
        idle_(shared.loop),
        ticker_(shared.loop) {
    shared_.open.insert(this);
  }
  ~Connection() { shared_.open.erase(this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() {
    const bool is_reset = shared_.has(FaultKind::reset_on_connect) ||
                          (shared_.has(FaultKind::reset_twice) && number_ <= 2);
    if (is_reset) return reset();
    if (shared_.has(FaultKind::silent_tcp)) return;
    client_.socket().async_wait(
        TcpSocket::wait_read, [this, self = shared_from_this()](error_code error) {
          if (error || is_closed_) return close();
          char first = 0;
          const auto got = ::recv(client_.socket().native_handle(), &first, 1, MSG_PEEK);
          if (got == 1 && first != 0x16) return send_to_https();
          shake_hands();
        });
  }

  void close() {
    if (is_closed_) return;
    is_closed_ = true;
    idle_.cancel();
    ticker_.cancel();
    client_.close();
  }

  void reset() {
    client_.reset();
    close();
  }

  [[nodiscard]] const std::string& node() const { return port_.name; }

 private:
  // What speaks no TLS is told where to.
  void send_to_https() {
    auto buffer = std::make_shared<std::array<char, 4096>>();
    client_.socket().async_read_some(
        asio::buffer(*buffer),
        [this, self = shared_from_this(), buffer](error_code error, std::size_t size) {
          if (error || is_closed_) return close();
          const std::string_view text(buffer->data(), size);
          const auto words = split(text.substr(0, text.find("\r\n")), ' ');
          const int status = words[0] == "GET" || words[0] == "HEAD" ? 301 : 308;
          out_ = fmt::format(
              "HTTP/1.1 {} {}\r\nLocation: https://{}:{}{}\r\nConnection: close\r\n\r\n", status,
              status == 301 ? "Moved Permanently" : "Permanent Redirect", port_.ip,
              address_of(*port_.acceptor).port, words.size() > 1 ? words[1] : "/");
          asio::async_write(client_.socket(), asio::buffer(out_),
                            [this, self](error_code, std::size_t) { close(); });
        });
  }

  void shake_hands() {
    client_.handshake([this, self = shared_from_this()](Status status) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      if (!shared_.has(FaultKind::silent_tls)) wait_for_request();
    });
  }

  // For five seconds of the model, but not so short that a client which is slow to be scheduled is
  // cut off; the first request is waited for as long as a real server does.
  void wait_for_request() {
    const std::chrono::microseconds idle = shared_.clock.real(proxmox::timing::idle.time);
    idle_.expires_after(answered_ == 0 ? std::chrono::microseconds(proxmox::timing::idle.time)
                                       : std::max<std::chrono::microseconds>(idle, least_idle));
    idle_.async_wait([this, self = shared_from_this()](error_code error) {
      if (!error) close();
    });
    if (!received_.empty() && take_request()) return;
    read();
  }

  void read() {
    client_.read_some(buffer_, [this, self = shared_from_this()](Status status, std::size_t size) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      if (is_answering_) return;
      received_.append(buffer_.data(), size);
      if (!take_request()) read();
    });
  }

  // Whether the whole request is there, or is being answered for another reason.
  bool take_request() {
    if (!head_) {
      if (received_.size() > proxmox::most_head &&
          received_.find("\r\n\r\n") == std::string::npos) {
        return close(), true;
      }
      if (received_.find(" HTTP/2.0\r\n") != std::string::npos) {
        head_ = RequestHead();
        return refuse(
            {.status = 506, .message = "http protocol version 2.0 not supported", .is_bare = true});
      }
      auto parsed = parse_request_head(received_);
      if (!parsed) {
        head_ = RequestHead();
        return refuse({.status = 400, .message = "bad request", .is_bare = true});
      }
      if (!*parsed) return false;
      // Of too much the server says nothing at all.
      if ((*parsed)->size > proxmox::most_head ||
          (*parsed)->request.headers.size() > proxmox::most_headers) {
        return close(), true;
      }
      idle_.cancel();
      head_ = std::move((*parsed)->request);
      received_.erase(0, (*parsed)->size);
      begin_ = shared_.clock.now();
      const std::string* length = head_->find("Content-Length");
      body_size_ = static_cast<std::uint64_t>(
          parse_integer(length == nullptr ? "0" : *length, 0, INT64_MAX).value_or(0));
      body_.clear();
      body_taken_ = 0;
      if (auto wrong = proxmox::check_head(*head_, body_size_)) return refuse(*std::move(wrong));
      if (const std::string* type = head_->find("Content-Type"); type != nullptr) {
        const std::string boundary = proxmox::boundary_of(*type);
        if (!boundary.empty() && !begin_upload(boundary)) return true;
      }
    }
    const std::size_t size = static_cast<std::size_t>(
        std::min<std::uint64_t>(received_.size(), body_size_ - body_taken_));
    body_taken_ += size;
    if (upload_) {
      const auto fed = upload_->feed(std::string_view(received_).substr(0, size));
      received_.erase(0, size);
      if (!fed) {
        shared_.cluster.leaked_uploads.push_back(port_.name + ":" + upload_->file());
        return refuse(fed.error());
      }
    } else {
      body_.append(received_, 0, size);
      received_.erase(0, size);
    }
    if (body_taken_ < body_size_) return false;
    is_answering_ = true;
    delay_then([this] { prepare(); });
    return true;
  }

  // Who uploads is looked at before the file is here.
  bool begin_upload(const std::string& boundary) {
    shared_.advance();
    call_ = Call();
    if (const auto wrong = identify()) return refuse(*wrong), false;
    call_.method = head_->method;
    split_target();
    Parameters parameters;
    const auto* route = shared_.api.find(call_.method, call_.path, parameters);
    if (route == nullptr || !route->endpoint.operation.ends_with("/upload")) {
      return refuse(proxmox::not_implemented(call_.method, call_.path)), false;
    }
    const auto may =
        shared_.cluster.permissions.check(call_.user, route->endpoint.permission, parameters);
    if (!may) return refuse(may.error()), false;
    const std::string file = "/var/tmp/pveupload-" + random_hex(16);
    upload_ = std::make_unique<proxmox::Upload>(boundary, file);
    return true;
  }

  void delay_then(std::function<void()> next) {
    const Fault* slow = shared_.settings.faults.find(FaultKind::slow_answer);
    if (slow == nullptr) return next();
    ticker_.expires_after(std::chrono::milliseconds(slow->argument));
    ticker_.async_wait([this, self = shared_from_this(), next = std::move(next)](error_code error) {
      if (!error && !is_closed_) next();
    });
  }

  void split_target() {
    const std::string target = head_->target;
    const auto question = target.find('?');
    std::string path = target.substr(0, question);
    query_ = question == std::string::npos ? "" : target.substr(question + 1);
    call_.path = path.starts_with(api_root) ? path.substr(api_root.size()) : path;
  }

  // Whether a token says who asks.
  std::optional<Failure> identify() {
    const auto refused = [](const char* why) {
      return Failure{.status = 401,
                     .message = why,
                     .delay = proxmox::timing::refused_token.time,
                     .is_bare = true};
    };
    const std::string* header = head_->find("Authorization");
    constexpr std::string_view scheme = "PVEAPIToken";
    if (header == nullptr || !header->starts_with(scheme)) return refused("No ticket");
    std::string_view credentials = std::string_view(*header).substr(scheme.size());
    if (credentials.starts_with('=') || credentials.starts_with(' ')) credentials.remove_prefix(1);
    auto user = shared_.cluster.permissions.authenticate(credentials);
    if (!user) return refused("Authentication failed!");
    call_.user = *std::move(user);
    return std::nullopt;
  }

  void prepare() {
    if (!upload_) call_ = Call();
    call_.method = head_->method;
    call_.node = port_.name;
    said_.clear();
    split_target();
    if (call_.path.starts_with("/sandbox/")) return answer_test();
    if (!shared_.cluster.find_node(port_.name)->is_alive) return reset();
    ++shared_.requests;
    if (head_->target.starts_with("/api2/") && !head_->target.starts_with(api_root)) {
      return fail(proxmox::not_implemented(call_.method, call_.path), false);
    }
    if (auto wrong = fault_of_server()) return fail(*std::move(wrong), false);
    if (auto wrong = identify()) return fail(*std::move(wrong), false);
    auto said = read_parameters();
    if (!said) return fail(said.error(), false);
    said_ = *std::move(said);
    proceed(Milliseconds{0});
  }

  std::optional<Failure> fault_of_server() {
    if (shared_.has(FaultKind::always_500)) return proxmox::server_error("Internal Server Error");
    if (shared_.has(FaultKind::refuse_502_twice) && shared_.requests <= 2) {
      return Failure{
          .status = 502, .message = "Bad Gateway", .is_bare = true, .plain = "<html>502</html>"};
    }
    if (shared_.has(FaultKind::no_json)) {
      return Failure{.status = 200,
                     .message = "OK",
                     .is_bare = true,
                     .plain = "<html>Sign in to the proxy</html>"};
    }
    return std::nullopt;
  }

  Outcome<Parameters> read_parameters() {
    if (upload_) {
      call_.upload_file = upload_->has_file() ? upload_->file() : "";
      call_.file_size = upload_->size();
      call_.file_hash = upload_->hash();
      return upload_->fields();
    }
    if (call_.method == "GET" || call_.method == "DELETE") return proxmox::parse_form(query_);
    const std::string* type = head_->find("Content-Type");
    if (type != nullptr && to_lower(*type).starts_with("application/json")) {
      return proxmox::parse_json_form(body_);
    }
    return proxmox::parse_form(body_);
  }

  // Asks the API; what somebody's lock stands in the way of is asked again, for `patience`.
  void proceed(Milliseconds waited) {
    shared_.advance();
    proxmox::Cluster& cluster = shared_.cluster;
    call_.parameters.clear();
    call_.delay = Milliseconds{0};
    const proxmox::Route* route = shared_.api.find(call_.method, call_.path, call_.parameters);
    if (route == nullptr) return fail(proxmox::not_implemented(call_.method, call_.path), false);
    const bool is_protected = route->endpoint.by == proxmox::By::root;
    if (waited.count() == 0 && !lose_what_is_told()) return;
    if (route->is_on_node()) {
      if (auto wrong = pass_on(call_.text("node"))) return fail(*std::move(wrong), is_protected);
    }
    const std::string what = fmt::format("{} {}", call_.method, call_.path);
    const int guest = static_cast<int>(call_.number("vmid"));
    if (waited.count() == 0) {
      if (cluster.faults.due("request-dropped", what, guest) != nullptr) {
        record(0);
        return reset();
      }
      if (cluster.faults.due("request-hangs", what, guest) != nullptr) {
        record(0);
        return read();  // until the client has had enough
      }
      if (const auto* fault = cluster.faults.due("request-fails", what, guest)) {
        return fail({.status = fault->status, .message = fault->text}, is_protected);
      }
      is_lost_ = cluster.faults.due("request-lost", what, guest) != nullptr;
    }
    auto outcome = shared_.api.answer(cluster, *route, call_, said_);
    shared_.schedule();
    if (!outcome && waited < outcome.error().patience) {
      ticker_.expires_after(look_again);
      ticker_.async_wait([this, self = shared_from_this()](error_code error) {
        if (!error && !is_closed_) proceed(shared_.clock.now() - begin_ + Milliseconds{1});
      });
      return;
    }
    if (!outcome) return fail(std::move(outcome).error(), is_protected);
    succeed(*outcome, is_protected);
  }

  // The node and the quorum that a fault takes away with this request; false when it was this node.
  bool lose_what_is_told() {
    proxmox::Cluster& cluster = shared_.cluster;
    const std::string what = fmt::format("{} {}", call_.method, call_.path);
    const int guest = static_cast<int>(call_.number("vmid"));
    if (cluster.faults.due("quorum-lost", what, guest) != nullptr) {
      cluster.has_quorum_by_force = false;
    }
    const auto* fault = cluster.faults.due("node-dies", what, guest);
    if (fault == nullptr) return true;
    proxmox::Node* node = cluster.find_node(fault->node.empty() ? call_.text("node") : fault->node);
    if (node == nullptr) return true;
    cluster.lose_node(*node, false);
    const auto self = shared_from_this();
    shared_.apply_nodes();
    if (node->name != port_.name) return true;
    record(0);
    if (!is_closed_) reset();
    return false;
  }

  // What stands in the way of a call that another node has to answer.
  std::optional<Failure> pass_on(const std::string& name) {
    proxmox::Node* node = shared_.cluster.find_node(name);
    if (node == nullptr) {
      return proxmox::server_error(fmt::format(
          "hostname lookup '{0}' failed - failed to get address info for: {0}: Name or service not "
          "known",
          name));
    }
    if (node->is_alive || name == port_.name) return std::nullopt;
    Failure failure{.status = 595, .message = "No route to host", .is_bare = true};
    if (node->refuses) {
      failure.message = "Connection refused";
    } else if (!node->is_known_lost) {
      node->is_known_lost = true;
      failure.status = 596;
      failure.message = "Connection timed out";
      failure.delay = proxmox::timing::silent_node.time;
    } else {
      failure.delay = proxmox::timing::lost_node.time;
    }
    return failure;
  }

  void answer_test() {
    shared_.advance();
    const auto outcome =
        proxmox::control(shared_.cluster, shared_.api, call_.method, call_.path, body_);
    shared_.apply_nodes();
    shared_.schedule();
    proxmox::Reply reply;
    reply.keeps_open = proxmox::wants_to_stay(*head_);
    reply.version = head_->version;
    if (outcome) {
      reply.body = outcome->dump();
    } else {
      reply.status = outcome.error().status;
      reply.reason = "Bad Request";
      reply.body = Json::object().set("error", outcome.error().message).dump();
    }
    send(reply);
  }

  void succeed(const Json& data, bool is_protected) {
    proxmox::Reply reply;
    reply.body = proxmox::success_body(data, call_.total);
    reply.is_protected = is_protected;
    answer_later(std::move(reply), call_.delay);
  }

  void fail(const Failure& failure, bool is_protected) {
    proxmox::Reply reply;
    reply.status = failure.status;
    reply.reason = failure.message.substr(0, failure.message.find('\n'));
    const bool has_message = shared_.cluster.major >= 9 || shared_.cluster.version >= "8.3";
    reply.body = proxmox::failure_body(failure, has_message);
    reply.is_json = !failure.is_bare;
    reply.is_protected = is_protected;
    answer_later(std::move(reply), failure.delay);
  }

  // Said before all of the request is here, so what still comes is not read.
  bool refuse(const Failure& failure) {
    is_answering_ = true;
    if (call_.method.empty()) call_.method = head_->method;
    if (call_.path.empty()) split_target();
    fail(failure, false);
    return true;
  }

  void answer_later(proxmox::Reply reply, Milliseconds delay) {
    if (delay.count() == 0) return answer(std::move(reply));
    ticker_.expires_after(shared_.clock.real(delay));
    ticker_.async_wait(
        [this, self = shared_from_this(), reply = std::move(reply)](error_code error) {
          if (!error && !is_closed_) answer(reply);
        });
  }

  void answer(proxmox::Reply reply) {
    ++answered_;
    reply.version = std::min(head_->version, 11U);
    reply.may_pack = head_->has_token("Accept-Encoding", "gzip");
    reply.keeps_open = reply.status < 400 && answered_ < proxmox::most_requests &&
                       proxmox::wants_to_stay(*head_) && body_taken_ == body_size_;
    const bool is_write = call_.method != "GET" && reply.status < 300;
    const Fault* lost = shared_.settings.faults.find(FaultKind::lost_answer);
    const bool is_lost =
        is_lost_ || (is_write && ++shared_.writes == (lost == nullptr ? 0 : lost->argument));
    is_lost_ = false;
    record(is_lost ? 0 : reply.status);
    if (is_lost) return reset();
    send(reply);
  }

  void send(const proxmox::Reply& reply) {
    out_ = proxmox::reply_text(reply, static_cast<std::time_t>(shared_.clock.now().count() / 1000));
    if (const Fault* huge = shared_.settings.faults.find(FaultKind::huge_headers)) {
      out_.insert(out_.find("\r\n") + 2, "X-Huge: " + std::string(huge->argument, 'x') + "\r\n");
    }
    const bool keeps_open = reply.keeps_open;
    client_.write(out_, [this, self = shared_from_this(), keeps_open](Status status) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      if (!keeps_open) return finish();
      head_.reset();
      upload_.reset();
      call_ = Call();
      is_answering_ = false;
      wait_for_request();
    });
  }

  // With unread bytes the client sees a reset, as from the real one.
  void finish() {
    client_.finish_sending(true);
    if (body_taken_ < body_size_) return close();
    drain();
  }

  void drain() {
    client_.read_some(buffer_, [this, self = shared_from_this()](Status status, std::size_t) {
      if (is_closed_) return;
      status == Status::ok ? drain() : close();
    });
    idle_.expires_after(std::chrono::seconds(2));
    idle_.async_wait([this, self = shared_from_this()](error_code error) {
      if (!error) close();
    });
  }

  // Before the answer goes out, so that a client which has it finds the record too.
  void record(int status) {
    std::vector<std::pair<std::string, std::string>> sorted = said_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Json parameters = Json::object();
    for (const auto& [name, value] : sorted) {
      const std::string shown_value =
          is_secret(name) ? "(set)" : std::string(cut_utf8(to_valid_utf8(value), 4096));
      const Json* before = parameters.find(name);
      if (before == nullptr) {
        parameters.set(to_valid_utf8(name), shown_value);
      } else {
        Json list = before->as_array() != nullptr ? *before : Json::array().push(*before);
        parameters.set(name, list.push(shown_value));
      }
    }
    Json line = Json::object();
    line.set("kind", "proxmox").set("node", port_.name).set("method", call_.method);
    line.set("path", to_valid_utf8(call_.path)).set("parameters", parameters);
    shared_.recorder.add(line.set("status", status).set("connection", number_));
  }

  Shared& shared_;
  NodePort& port_;
  std::uint64_t number_;
  TlsStream client_;
  asio::steady_timer idle_;
  asio::steady_timer ticker_;
  std::array<char, std::size_t{16} * 1024> buffer_{};
  std::string received_;
  std::optional<RequestHead> head_;
  std::uint64_t body_size_ = 0;
  std::uint64_t body_taken_ = 0;
  std::string body_;
  std::string query_;
  std::unique_ptr<proxmox::Upload> upload_;
  Call call_;
  Parameters said_;
  Milliseconds begin_{0};
  std::string out_;
  int answered_ = 0;
  bool is_answering_ = false;
  bool is_lost_ = false;
  bool is_closed_ = false;
};

}  // namespace

struct ProxmoxServer::Impl {
  Impl(ProxmoxSettings given, Recorder writer)
      : settings(std::move(given)),
        shared(settings, std::move(writer)),
        guest_ports(shared.loop, shared.cluster),
        timer(shared.loop) {
    shared.apply_nodes = [this] { apply_nodes(); };
    shared.schedule = [this] { schedule(); };
  }
  ~Impl() {
    // Handlers hold connections, which hold what is destroyed before the loop.
    close_all("");
    shared.loop.restart();
    shared.loop.poll();
  }

  // Several ports of one number: the kernel gives the first, and the others may be taken.
  Result<> listen() {
    for (int tries = 0;; ++tries) {
      Result<> listening = try_listen(settings.port);
      if (listening || settings.port != 0 || tries == port_tries) return listening;
    }
  }

  Result<> try_listen(std::uint16_t port) {
    for (NodePort& node : ports) {
      PCA_TRY(node.acceptor, listen_on(shared.loop, {node.ip, port}));
      port = address_of(*node.acceptor).port;
    }
    return {};
  }

  void accept(NodePort& port) {
    port.acceptor->async_accept([this, &port](error_code error, TcpSocket socket) {
      if (error == asio::error::operation_aborted || !port.acceptor) return;
      if (!error) std::make_shared<Connection>(shared, port, std::move(socket))->start();
      accept(port);
    });
  }

  // close() may end a connection's life and so change the set.
  void close_all(const std::string& node) {
    const std::vector<Connection*> open(shared.open.begin(), shared.open.end());
    for (Connection* connection : open) {
      const bool is_meant =
          shared.open.contains(connection) && (node.empty() || connection->node() == node);
      if (is_meant) connection->close();
    }
  }

  // A dead node's port refuses, a living one's accepts.
  void apply_nodes() {
    for (NodePort& port : ports) {
      const bool is_alive = shared.cluster.find_node(port.name)->is_alive;
      // The first node's port is how tests talk to the sandbox, so it stays.
      if (is_alive == port.acceptor.has_value() || &port == &ports.front()) continue;
      if (!is_alive) {
        error_code ignored;
        port.acceptor->close(ignored);
        port.acceptor.reset();
        close_all(port.name);
        continue;
      }
      auto listening = listen_on(shared.loop, {port.ip, address_of(*ports.front().acceptor).port});
      if (!listening) continue;
      port.acceptor = *std::move(listening);
      accept(port);
    }
  }

  void schedule() {
    const auto next = shared.cluster.schedule.next();
    if (!next) return;
    timer.expires_after(shared.clock.real(std::max(*next - shared.clock.now(), Milliseconds{0})));
    timer.async_wait([this](error_code error) {
      if (error) return;
      shared.advance();
      schedule();
    });
  }

  void stop() {
    close_all("");
    shared.loop.stop();
  }

  ProxmoxSettings settings;
  Shared shared;
  std::vector<NodePort> ports;
  proxmox::GuestPorts guest_ports;
  asio::steady_timer timer;
};

ProxmoxServer::ProxmoxServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProxmoxServer::~ProxmoxServer() = default;

Result<std::unique_ptr<ProxmoxServer>> ProxmoxServer::start(ProxmoxSettings settings) {
  PCA_TRY(Recorder recorder, Recorder::open(settings.record_file));
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(recorder));
  proxmox::Cluster& cluster = impl->shared.cluster;
  PCA_TRY(const CertificateAuthority authority, CertificateAuthority::make());
  std::string ca;
  for (proxmox::Node& node : cluster.nodes) {
    PCA_TRY(const ServerCertificate certificate, authority.issue({node.ip, node.name}));
    PCA_TRY(TlsServer tls, TlsServer::from_pem(certificate.chain, certificate.key));
    node.fingerprint = fingerprint_of(certificate.chain);
    ca = certificate.ca;
    impl->ports.push_back({node.name, node.ip, std::move(tls), std::nullopt});
  }
  if (!impl->settings.ca_file.empty()) PCA_CHECK(write_file(impl->settings.ca_file, ca));
  PCA_CHECK(impl->listen());
  cluster.application_port = impl->settings.application_port != 0
                                 ? impl->settings.application_port
                                 : proxmox::free_port(impl->shared.loop);
  impl->shared.advance();
  proxmox::populate(cluster);
  for (auto& [vmid, guest] : cluster.guests) proxmox::refresh_application(cluster, guest);
  for (proxmox::InjectedFault& fault : impl->settings.injected) cluster.faults.add(fault);
  for (proxmox::Token& token : impl->settings.tokens) {
    const std::string user = token.id.substr(0, token.id.find('!'));
    cluster.permissions.grant(user, {{"/", user, proxmox::all_privileges(cluster.major), true}});
    cluster.permissions.add(token);
  }
  return std::unique_ptr<ProxmoxServer>(new ProxmoxServer(std::move(impl)));
}

Json ProxmoxServer::where() const {
  Json nodes = Json::object();
  for (const NodePort& port : impl_->ports) {
    nodes.set(port.name, pca::sandbox::address_of(*port.acceptor).text());
  }
  Json out = Json::object();
  out.set("proxmox", pca::sandbox::address_of(*impl_->ports.front().acceptor).text());
  out.set("nodes", nodes).set("application", impl_->shared.cluster.application_port);
  const std::string& ca = impl_->settings.ca_file;
  return out.set("ca", ca.empty() ? Json() : Json(ca));
}

void ProxmoxServer::serve(const std::stop_token& stop) {
  const std::stop_callback on_stop(
      stop, [this] { asio::post(impl_->shared.loop, [this] { impl_->stop(); }); });
  for (NodePort& port : impl_->ports) impl_->accept(port);
  impl_->schedule();
  impl_->shared.loop.run();
}

}  // namespace pca::sandbox
