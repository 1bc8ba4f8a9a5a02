#pragma once

#include <algorithm>
#include <chrono>
#include <stop_token>
#include <string>

#include "base/result.hpp"

namespace pca {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// How long it is since `start`, for phases that are told and measured.
[[nodiscard]] inline double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// How long a call may wait and who may end it early: a deadline and a stop_token. It is the first
// parameter of every call that may wait, so no wait without a limit exists. A cheap value; copies
// share the stop_token. Thread safe (immutable).
class Budget {
 public:
  Budget(Clock::time_point deadline, std::stop_token stop)
      : deadline_(deadline), stop_(std::move(stop)) {}

  // `limit` from now.
  static Budget of(Milliseconds limit, std::stop_token stop = {}) {
    return {Clock::now() + limit, std::move(stop)};
  }

  // The same canceller, ending after `limit` or with this budget, whichever comes first.
  [[nodiscard]] Budget at_most(Milliseconds limit) const {
    return {std::min(deadline_, Clock::now() + limit), stop_};
  }

  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }
  [[nodiscard]] const std::stop_token& stop() const { return stop_; }
  [[nodiscard]] bool is_cancelled() const { return stop_.stop_requested(); }
  [[nodiscard]] bool is_over() const { return is_cancelled() || Clock::now() >= deadline_; }

  // What is left, never negative, rounded up so that a poll() never spins through the last
  // millisecond.
  [[nodiscard]] Milliseconds left() const {
    const auto rest = std::chrono::ceil<Milliseconds>(deadline_ - Clock::now());
    return std::max(rest, Milliseconds{0});
  }

  // Ok, or the Error a call returns when its budget is spent: kind cancelled or unreachable.
  // `doing` completes "timed out while ...".
  [[nodiscard]] Result<> check(const std::string& doing) const {
    if (is_cancelled()) return cancelled("cancelled while " + doing);
    if (Clock::now() >= deadline_) return unreachable("timed out while " + doing);
    return {};
  }

 private:
  Clock::time_point deadline_;
  std::stop_token stop_;
};

}  // namespace pca
