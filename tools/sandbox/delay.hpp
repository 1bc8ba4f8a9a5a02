#pragma once

#include <chrono>
#include <memory>
#include <stop_token>

#include "base/json.hpp"
#include "sandbox/address.hpp"

namespace pca::sandbox {

// Relays TCP connections on loopback with added latency, in order and at full speed.
class DelayServer {
 public:
  static Result<std::unique_ptr<DelayServer>> start(const LoopbackAddress& listen,
                                                    const LoopbackAddress& target,
                                                    std::chrono::milliseconds round_trip);
  ~DelayServer();
  DelayServer(const DelayServer&) = delete;
  DelayServer& operator=(const DelayServer&) = delete;

  [[nodiscard]] Json where() const;         // {"delay": "127.0.0.1:PORT"}
  void serve(const std::stop_token& stop);  // until a stop is requested

 private:
  struct Impl;
  explicit DelayServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pca::sandbox
