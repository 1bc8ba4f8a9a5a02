#pragma once

#include <cstdint>
#include <functional>

#include "base/budget.hpp"
#include "base/result.hpp"

namespace pca {

// How often and how patiently to try again. The pause doubles from `first` to `longest`; each is
// drawn at random from [half, whole], so that many clients do not come back together.
struct RetryPolicy {
  int tries = 3;
  Milliseconds first{500};
  Milliseconds longest{8000};
};

// The pause before try number `next_try` (2 is the first retry); `random` is uniform in [0, 1).
[[nodiscard]] Milliseconds backoff_pause(const RetryPolicy& policy, int next_try, double random);

// Waits for `pause`, until the budget ends or it is cancelled. Ok only after the whole pause.
[[nodiscard]] Result<> pause_for(const Budget& budget, Milliseconds pause);

// Called before each pause, to tell the user what is going on.
using OnRetry = std::function<void(const Error& error, int next_try, Milliseconds pause)>;

// Calls `attempt` until it succeeds, fails with an error that is not transient, or tries or budget
// are used up. Returns the last result.
template <typename T>
[[nodiscard]] Result<T> retry(const Budget& budget, const RetryPolicy& policy,
                              const std::function<Result<T>(int attempt)>& attempt,
                              const OnRetry& on_retry = {});

[[nodiscard]] double random_fraction();  // uniform in [0, 1); thread safe

template <typename T>
Result<T> retry(const Budget& budget, const RetryPolicy& policy,
                const std::function<Result<T>(int)>& attempt, const OnRetry& on_retry) {
  for (int number = 1;; ++number) {
    Result<T> result = attempt(number);
    if (result || !result.error().transient || number >= policy.tries) return result;
    const Milliseconds pause = backoff_pause(policy, number + 1, random_fraction());
    if (pause >= budget.left()) return result;
    if (on_retry) on_retry(result.error(), number + 1, pause);
    if (auto waited = pause_for(budget, pause); !waited) return result;
  }
}

}  // namespace pca
