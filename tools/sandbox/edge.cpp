#include "sandbox/edge.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "sandbox/connect_proxy.hpp"
#include "sandbox/edge_connection.hpp"
#include "sandbox/relay.hpp"

namespace pca::sandbox {

namespace asio = boost::asio;
using boost::system::error_code;

struct Edge::Impl {
  Impl(EdgeSettings given, TlsServer server, Recorder record_writer)
      : settings(std::move(given)),
        tls(std::move(server)),
        recorder(std::move(record_writer)),
        context{settings, tls, recorder, 0, 0, {}} {}

  Result<> listen();
  void accept();
  void stop();

  EdgeSettings settings;
  TlsServer tls;
  Recorder recorder;
  EdgeContext context;
  asio::io_context loop{1};  // outlived by what its handlers borrow
  std::optional<Acceptor> acceptor;
  std::optional<RelayListener> delayed;  // the public listener when there is latency
  std::optional<ConnectProxy> proxy;
};

Result<> Edge::Impl::listen() {
  const bool has_delay = settings.round_trip.count() > 0;
  PCA_TRY(acceptor, listen_on(loop, has_delay ? LoopbackAddress{} : settings.listen));
  if (has_delay) {
    PCA_TRY(auto listener, listen_on(loop, settings.listen));
    delayed.emplace(loop, std::move(listener), address_of(*acceptor), settings.round_trip);
  }
  if (settings.proxy) {
    PCA_TRY(auto listener, listen_on(loop, LoopbackAddress{settings.listen.ip, 0}));
    proxy.emplace(loop, std::move(listener), settings,
                  has_delay ? delayed->address() : address_of(*acceptor), recorder);
  }
  return {};
}

void Edge::Impl::accept() {
  acceptor->async_accept([this](error_code error, TcpSocket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) std::make_shared<EdgeConnection>(context, std::move(socket))->start();
    accept();
  });
}

void Edge::Impl::stop() {
  // stop() may end a connection's life and so change the set.
  const std::vector<EdgeConnection*> open(context.open.begin(), context.open.end());
  for (EdgeConnection* connection : open) {
    if (context.open.contains(connection)) connection->stop();
  }
  loop.stop();
}

Edge::Edge(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Edge::~Edge() = default;

Result<std::unique_ptr<Edge>> Edge::start(EdgeSettings settings) {
  PCA_TRY(Recorder recorder, Recorder::open(settings.record_file));
  PCA_TRY(TlsServer tls, open_tls(settings.tls));
  auto impl = std::make_unique<Impl>(std::move(settings), std::move(tls), std::move(recorder));
  PCA_CHECK(impl->listen());
  return std::unique_ptr<Edge>(new Edge(std::move(impl)));
}

Json Edge::where() const {
  Json out = Json::object();
  const LoopbackAddress edge =
      impl_->delayed ? impl_->delayed->address() : address_of(*impl_->acceptor);
  out.set("edge", edge.text());
  out.set("proxy", impl_->proxy ? Json(impl_->proxy->address().text()) : Json());
  const std::string& ca = impl_->settings.tls.ca_file;
  out.set("ca", ca.empty() ? Json() : Json(ca));
  return out;
}

void Edge::serve(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop,
                                   [this] { asio::post(impl_->loop, [this] { impl_->stop(); }); });
  impl_->accept();
  if (impl_->delayed) impl_->delayed->start();
  if (impl_->proxy) impl_->proxy->start();
  impl_->loop.run();
}

}  // namespace pca::sandbox
