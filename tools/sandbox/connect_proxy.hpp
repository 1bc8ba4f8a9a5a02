#pragma once

#include "sandbox/edge_settings.hpp"
#include "sandbox/record.hpp"
#include "sandbox/relay.hpp"

namespace pca::sandbox {

// An HTTP proxy that knows CONNECT only, and only to the names of its edge (whatever the port).
// Borrows settings and recorder.
class ConnectProxy {
 public:
  ConnectProxy(boost::asio::io_context& loop, Acceptor acceptor, const EdgeSettings& settings,
               LoopbackAddress edge, Recorder& recorder);
  void start();
  [[nodiscard]] LoopbackAddress address() const { return address_of(acceptor_); }

 private:
  void accept();

  boost::asio::io_context& loop_;
  Acceptor acceptor_;
  const EdgeSettings& settings_;
  LoopbackAddress edge_;
  Recorder& recorder_;
};

}  // namespace pca::sandbox
