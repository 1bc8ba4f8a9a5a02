#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "support/edge.hpp"

namespace pca::test {

// How many round trips `run` takes to a port of loopback, the one that connects included: what a
// longer one adds, because the rest of its time is in both. `prepare` is told by which port to go,
// and is not counted. Each is done up to five times, until `at_most` is met.
inline double round_trips_of(std::uint16_t target, double at_most,
                             const std::function<void(std::uint16_t port)>& prepare,
                             const std::function<void()>& run) {
  const auto least_ms = [&](int round_trip_ms, double good_enough) {
    const pca::testing::SandboxDelay delay({"--to", "127.0.0.1:" + std::to_string(target), "--rtt",
                                            std::to_string(round_trip_ms) + "ms"});
    prepare(delay.port());
    double least = 1e9;
    for (int tries = 0; tries < 5 && least > good_enough; ++tries) {
      const auto start = std::chrono::steady_clock::now();
      run();
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      least = std::min(least, took.count());
    }
    return least;
  };
  constexpr int near_ms = 50;
  // So far that a busy machine's noise is no trip of few, and many do not take the minutes of a
  // test.
  constexpr double few = 20;
  const int far_ms = at_most < few ? 650 : 350;
  const double base = least_ms(near_ms, 0);
  const double most = base + at_most * (far_ms - near_ms);
  return (least_ms(far_ms, most) - base) / (far_ms - near_ms);
}

}  // namespace pca::test
