#pragma once

#include <string>

#include "support/counting_proxy.hpp"
#include "support/edge.hpp"

namespace pca::test {

// A port of loopback from which it is 30 ms to `target` and back, and which counts what passes.
class LongWay {
 public:
  // The connection is cut once so many bytes have gone to `target`.
  explicit LongWay(std::uint16_t target, std::uint64_t cut_after = CountingProxy::endless)
      : counting_(target, cut_after),
        delay_({"--to", "127.0.0.1:" + std::to_string(counting_.port()), "--rtt", "30ms"}) {}
  [[nodiscard]] std::uint16_t port() const { return delay_.port(); }
  [[nodiscard]] std::uint64_t up() const { return counting_.up(); }  // bytes to `target`

 private:
  CountingProxy counting_;
  pca::testing::SandboxDelay delay_;
};

}  // namespace pca::test
