#include "sandbox/connect_proxy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>
#include <memory>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/http_head.hpp"

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

bool is_name_of_edge(std::string_view host, const std::vector<std::string>& names) {
  if (host == "localhost" || host == "127.0.0.1" || host == "[::1]") return true;
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    return name.starts_with("*.") ? host.ends_with(name.substr(1))
                                  : equals_ignoring_case(host, name);
  });
}

std::string expected_authorization(const ProxySettings& proxy) {
  std::string plain = fmt::format("{}:{}", proxy.user, proxy.password.expose());
  std::string header =
      "Basic " + base64_encode({reinterpret_cast<const std::uint8_t*>(plain.data()), plain.size()});
  wipe(plain);
  return header;
}

// The status that answers `request`.
int judge(const ProxySettings& proxy, const RequestHead& request,
          const std::vector<std::string>& names) {
  if (!proxy.refuse.empty()) return static_cast<int>(*parse_integer(proxy.refuse, 200, 599));
  if (request.method != "CONNECT") return 405;
  if (!proxy.user.empty()) {
    const std::string* given = request.find("Proxy-Authorization");
    if (given == nullptr || *given != expected_authorization(proxy)) return 407;
  }
  const auto colon = request.target.rfind(':');
  return is_name_of_edge(std::string_view(request.target).substr(0, colon), names) ? 200 : 403;
}

// One client of the proxy up to the answer; then a Relay takes over. Shared by its pending
// operations, which are its only owners.
class ProxyClient : public std::enable_shared_from_this<ProxyClient> {
 public:
  ProxyClient(TcpSocket near, TcpSocket far, const EdgeSettings& settings,
              const LoopbackAddress& edge, Recorder& recorder)
      : near_(std::move(near)),
        far_(std::move(far)),
        settings_(settings),
        edge_(edge),
        recorder_(recorder) {}

  void read() {
    near_.async_read_some(asio::buffer(buffer_),
                          [this, self = shared_from_this()](error_code error, std::size_t size) {
                            if (error) return;
                            received_.append(buffer_.data(), size);
                            auto head = parse_request_head(received_);
                            if (!head) return answer(400);
                            if (!*head) return read();
                            received_.erase(0, (*head)->size);
                            decide((*head)->request);
                          });
  }

 private:
  void decide(const RequestHead& request) {
    const int status = judge(*settings_.proxy, request, settings_.tls.names);
    Json line = Json::object();
    line.set("kind", "proxy").set("method", request.method).set("target", request.target);
    line.set("headers", record_headers(request.headers)).set("status", status);
    recorder_.add(line);
    if (status != 200) return answer(status);
    far_.async_connect(endpoint_of(edge_), [this, self = shared_from_this()](error_code error) {
      error ? answer(502) : establish();
    });
  }

  void establish() {
    // What came behind the request goes first.
    asio::async_write(far_, asio::buffer(received_),
                      [this, self = shared_from_this()](error_code error, std::size_t) {
                        if (!error) write("HTTP/1.1 200 Connection established\r\n\r\n", true);
                      });
  }

  void answer(int status) {
    Answer refusal;
    refusal.status = status;
    if (status == 407)
      refusal.headers.emplace_back("Proxy-Authenticate", "Basic realm=\"sandbox\"");
    write(refusal.text(), false);
  }

  void write(std::string text, bool then_relay) {
    text_ = std::move(text);
    asio::async_write(
        near_, asio::buffer(text_),
        [this, self = shared_from_this(), then_relay](error_code error, std::size_t) {
          if (error || !then_relay) return;
          std::make_shared<Relay>(std::move(near_), std::move(far_), Delay(0))->start();
        });
  }

  TcpSocket near_;
  TcpSocket far_;
  const EdgeSettings& settings_;
  const LoopbackAddress& edge_;
  Recorder& recorder_;
  std::array<char, 4096> buffer_{};
  std::string received_;
  std::string text_;
};

}  // namespace

ConnectProxy::ConnectProxy(asio::io_context& loop, Acceptor acceptor, const EdgeSettings& settings,
                           LoopbackAddress edge, Recorder& recorder)
    : loop_(loop),
      acceptor_(std::move(acceptor)),
      settings_(settings),
      edge_(std::move(edge)),
      recorder_(recorder) {}

void ConnectProxy::start() { accept(); }

void ConnectProxy::accept() {
  acceptor_.async_accept([this](error_code error, TcpSocket near) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      std::make_shared<ProxyClient>(std::move(near), TcpSocket(loop_), settings_, edge_, recorder_)
          ->read();
    }
    accept();
  });
}

}  // namespace pca::sandbox
