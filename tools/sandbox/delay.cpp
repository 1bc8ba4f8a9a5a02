#include "sandbox/delay.hpp"

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "sandbox/relay.hpp"

namespace pca::sandbox {

struct DelayServer::Impl {
  boost::asio::io_context loop{1};
  std::optional<RelayListener> listener;
};

DelayServer::DelayServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DelayServer::~DelayServer() = default;

Result<std::unique_ptr<DelayServer>> DelayServer::start(const LoopbackAddress& listen,
                                                        const LoopbackAddress& target,
                                                        std::chrono::milliseconds round_trip) {
  auto impl = std::make_unique<Impl>();
  PCA_TRY(auto acceptor, listen_on(impl->loop, listen));
  impl->listener.emplace(impl->loop, std::move(acceptor), target, round_trip);
  return std::unique_ptr<DelayServer>(new DelayServer(std::move(impl)));
}

Json DelayServer::where() const {
  Json out = Json::object();
  out.set("delay", impl_->listener->address().text());
  return out;
}

void DelayServer::serve(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] { impl_->loop.stop(); });
  impl_->listener->start();
  impl_->loop.run();
}

}  // namespace pca::sandbox
