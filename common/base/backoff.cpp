#include "base/backoff.hpp"

#include <array>
#include <condition_variable>
#include <mutex>

#include "base/digest.hpp"

namespace pca {

Milliseconds backoff_pause(const RetryPolicy& policy, int next_try, double random) {
  Milliseconds whole = std::min(policy.first, policy.longest);
  for (int number = 2; number < next_try && whole < policy.longest; ++number) {
    whole = std::min(whole * 2, policy.longest);
  }
  const double half = static_cast<double>(whole.count()) / 2;
  return Milliseconds{static_cast<Milliseconds::rep>(half + half * random)};
}

Result<> pause_for(const Budget& budget, Milliseconds pause) {
  const Clock::time_point end = Clock::now() + pause;
  std::mutex mutex;
  std::condition_variable_any never_notified;  // but for the stop_token
  std::unique_lock lock(mutex);
  never_notified.wait_until(lock, budget.stop(), std::min(end, budget.deadline()),
                            [] { return false; });
  if (!budget.is_cancelled() && Clock::now() >= end) return {};
  return budget.check("waiting");
}

double random_fraction() {
  std::array<std::uint8_t, 8> bytes{};
  fill_random(bytes);
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : bytes) bits = (bits << 8U) | byte;
  return static_cast<double>(bits >> 11U) * 0x1p-53;  // 53 bits: what a double holds exactly
}

}  // namespace pca
