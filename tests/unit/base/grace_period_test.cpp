#include "base/grace_period.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

// Ends when `stop` is requested; whether that was before `limit`.
bool is_stopped_within(const std::stop_token& stop, Milliseconds limit) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_for(lock, stop, limit, [] { return false; });
  return stop.stop_requested();
}

TEST(GracePeriod, ACancelComesLater) {
  std::stop_source canceller;
  const Budget budget = Budget::of(Milliseconds{60'000}, canceller.get_token());
  const GracePeriod grace(budget, Milliseconds{100});
  EXPECT_EQ(grace.budget().deadline(), budget.deadline());
  EXPECT_FALSE(grace.budget().is_cancelled());
  canceller.request_stop();
  EXPECT_FALSE(is_stopped_within(grace.budget().stop(), Milliseconds{20}));
  EXPECT_TRUE(is_stopped_within(grace.budget().stop(), Milliseconds{10'000}));
}

TEST(GracePeriod, WithoutACancelNobodyIsStoppedAndNobodyWaits) {
  const auto began = Clock::now();
  std::stop_token seen;
  {
    const GracePeriod grace(Budget::of(Milliseconds{60'000}), Milliseconds{60'000});
    seen = grace.budget().stop();
  }
  EXPECT_FALSE(seen.stop_requested());
  EXPECT_LT(ms_since(began), 10'000);
}

TEST(GracePeriod, ItsEndEndsTheWaitForACancelThatCame) {
  std::stop_source canceller;
  const auto began = Clock::now();
  {
    const GracePeriod grace(Budget::of(Milliseconds{60'000}, canceller.get_token()),
                            Milliseconds{60'000});
    canceller.request_stop();
  }
  EXPECT_LT(ms_since(began), 10'000);
}

}  // namespace
}  // namespace pca
