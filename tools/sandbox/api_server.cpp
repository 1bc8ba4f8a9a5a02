#include "sandbox/api_server.hpp"

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <ctime>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "sandbox/http_head.hpp"
#include "sandbox/record.hpp"
#include "sandbox/relay.hpp"
#include "sandbox/tls_stream.hpp"

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;
using Status = TlsStream::Status;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t body_limit = std::size_t{4} * 1024 * 1024;
constexpr seconds connection_limit{120};

// Of what is no request.
Answer refusal(int status) { return {status, {}, ""}; }

class Connection;

// What all connections share; the server owns it and outlives them.
struct Shared {
  const ApiSettings& settings;
  const Api& api;
  const TlsServer& tls;
  Recorder& recorder;
  std::uint64_t connections = 0;
  std::uint64_t requests = 0;
  std::uint64_t writes = 0;
  std::set<Connection*> open;

  [[nodiscard]] bool has(FaultKind kind) const { return settings.faults.has(kind); }
};

// One client's request and its answer. Its pending operations share its ownership.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, TcpSocket socket)
      : shared_(shared),
        number_(++shared.connections),
        client_(std::move(socket), shared.tls),
        deadline_(client_.socket().get_executor()),
        ticker_(client_.socket().get_executor()) {
    shared_.open.insert(this);
  }
  ~Connection() { shared_.open.erase(this); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start() {
    const bool is_reset = shared_.has(FaultKind::reset_on_connect) ||
                          (shared_.has(FaultKind::reset_twice) && number_ <= 2);
    if (is_reset) return reset();
    deadline_.expires_after(connection_limit);
    deadline_.async_wait([this, self = shared_from_this()](error_code error) {
      if (!error) close();
    });
    if (shared_.has(FaultKind::silent_tcp)) return;
    client_.handshake([this, self = shared_from_this()](Status status) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      if (!shared_.has(FaultKind::silent_tls)) read();
    });
  }

  void close() {
    if (is_closed_) return;
    is_closed_ = true;
    deadline_.cancel();
    ticker_.cancel();
    client_.close();
  }

 private:
  void reset() {
    client_.reset();
    close();
  }

  void read() {
    client_.read_some(buffer_, [this, self = shared_from_this()](Status status, std::size_t size) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      received_.append(buffer_.data(), size);
      if (!take_request()) return read();
    });
  }

  // Whether the whole request is there, or will never be; then it is being answered.
  bool take_request() {
    auto head = parse_request_head(received_);
    if (!head) {
      send(refusal(400));
      return true;
    }
    if (!*head) return false;
    const std::string* length = (*head)->request.find("Content-Length");
    const auto size = parse_integer(length == nullptr ? "0" : *length, 0, body_limit);
    if (!size) {
      send(refusal(413));
      return true;
    }
    const std::size_t end = (*head)->size + static_cast<std::size_t>(*size);
    if (received_.size() < end) return false;
    request_ = std::move((*head)->request);
    body_ = received_.substr((*head)->size, static_cast<std::size_t>(*size));
    const Fault* slow = shared_.settings.faults.find(FaultKind::slow_answer);
    if (slow == nullptr) {
      answer();
      return true;
    }
    ticker_.expires_after(milliseconds(slow->argument));
    ticker_.async_wait([this, self = shared_from_this()](error_code error) {
      if (!error && !is_closed_) answer();
    });
    return true;
  }

  void answer() {
    ++shared_.requests;
    const std::int64_t now = std::time(nullptr);
    auto fault = shared_.api.fault(shared_.settings.faults, request_, shared_.requests, now);
    if (fault) {
      record(fault->status, {});
      return send(*fault);
    }
    Api::Said said = shared_.api.answer(request_, body_, now);
    const bool is_write = request_.method != "GET" && said.answer.status < 300;
    const Fault* lost = shared_.settings.faults.find(FaultKind::lost_answer);
    if (is_write && ++shared_.writes == (lost == nullptr ? 0 : lost->argument)) {
      record(0, said.note);
      return reset();
    }
    if (const Fault* huge = shared_.settings.faults.find(FaultKind::huge_headers)) {
      said.answer.headers.emplace_back("X-Huge", std::string(huge->argument, 'x'));
    }
    record(said.answer.status, said.note);
    send(said.answer);
  }

  // Before the answer goes out, so that a client which has it finds the record too.
  void record(int status, const Json& note) {
    Json line = Json::object();
    line.set("kind", shared_.api.name).set("method", request_.method);
    line.set("target", request_.target);
    if (!note.is_null()) line.set("note", note);
    line.set("headers", record_headers(request_.headers)).set("status", status);
    const auto body = parse_json(body_, {.bytes = body_limit, .depth = 10, .values = 10'000});
    shared_.recorder.add(line.set("body", body ? *body : Json(to_valid_utf8(body_))));
  }

  void send(const Answer& answer) {
    out_ = answer.text();
    client_.write(out_, [this, self = shared_from_this()](Status status) {
      if (is_closed_) return;
      if (status != Status::ok) return close();
      client_.finish_sending(true);
      drain();
    });
  }

  // A RST for what it still sends would take the answer away from the client.
  void drain() {
    client_.read_some(buffer_, [this, self = shared_from_this()](Status status, std::size_t) {
      if (is_closed_) return;
      status == Status::ok ? drain() : close();
    });
  }

  Shared& shared_;
  std::uint64_t number_;
  TlsStream client_;
  asio::steady_timer deadline_;
  asio::steady_timer ticker_;
  std::array<char, std::size_t{16} * 1024> buffer_{};
  std::string received_;
  RequestHead request_;
  std::string body_;
  std::string out_;
  bool is_closed_ = false;
};

}  // namespace

struct ApiServer::Impl {
  Impl(ApiSettings given, Api served, TlsServer server, Recorder record_writer)
      : settings(std::move(given)),
        api(std::move(served)),
        tls(std::move(server)),
        recorder(std::move(record_writer)),
        shared{settings, api, tls, recorder, 0, 0, 0, {}} {}

  void accept() {
    acceptor->async_accept([this](error_code error, TcpSocket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error) std::make_shared<Connection>(shared, std::move(socket))->start();
      accept();
    });
  }

  void stop() {
    // close() may end a connection's life and so change the set.
    const std::vector<Connection*> open(shared.open.begin(), shared.open.end());
    for (Connection* connection : open) {
      if (shared.open.contains(connection)) connection->close();
    }
    loop.stop();
  }

  ApiSettings settings;
  Api api;
  TlsServer tls;
  Recorder recorder;
  Shared shared;
  asio::io_context loop{1};  // outlived by what its handlers borrow
  std::optional<Acceptor> acceptor;
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(ApiSettings settings, Api api) {
  PCA_TRY(Recorder recorder, Recorder::open(settings.record_file));
  PCA_TRY(TlsServer tls, open_tls(settings.tls));
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(api), std::move(tls),
                                     std::move(recorder));
  PCA_TRY(impl->acceptor, listen_on(impl->loop, impl->settings.listen));
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

Json ApiServer::where() const {
  Json out = Json::object();
  out.set(impl_->api.name, address_of(*impl_->acceptor).text());
  const std::string& ca = impl_->settings.tls.ca_file;
  return out.set("ca", ca.empty() ? Json() : Json(ca));
}

void ApiServer::serve(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop,
                                   [this] { asio::post(impl_->loop, [this] { impl_->stop(); }); });
  impl_->accept();
  impl_->loop.run();
}

}  // namespace pca::sandbox
