#include "base/backoff.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace pca {
namespace {

const RetryPolicy no_pause{.tries = 3, .first = Milliseconds{0}, .longest = Milliseconds{0}};

Error passing(const char* what) { return unreachable(what).as_transient(); }

TEST(Backoff, PausesDoubleUpToTheLongest) {
  const RetryPolicy policy{.tries = 9, .first = Milliseconds{500}, .longest = Milliseconds{3000}};
  EXPECT_EQ(backoff_pause(policy, 2, 0.0), Milliseconds{250});
  EXPECT_EQ(backoff_pause(policy, 3, 0.0), Milliseconds{500});
  EXPECT_EQ(backoff_pause(policy, 4, 0.5), Milliseconds{1500});
  EXPECT_EQ(backoff_pause(policy, 5, 0.0), Milliseconds{1500});
  EXPECT_EQ(backoff_pause(policy, 1'000'000, 0.0), Milliseconds{1500});
  EXPECT_LE(backoff_pause(policy, 2, 0.999999), Milliseconds{500});
}

TEST(Backoff, RandomFractionsFillTheUnitInterval) {
  double least = 1;
  double most = 0;
  for (int i = 0; i < 1000; ++i) {
    const double value = random_fraction();
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    least = std::min(least, value);
    most = std::max(most, value);
  }
  EXPECT_LT(least, 0.1);
  EXPECT_GT(most, 0.9);
}

TEST(Backoff, RetriesWhatMayPassUntilItSucceeds) {
  std::vector<std::string> told;
  const auto result = retry<int>(
      Budget::of(Milliseconds{60'000}), no_pause,
      [](int attempt) -> Result<int> {
        if (attempt < 3) return passing("refused");
        return attempt;
      },
      [&](const Error& error, int next, Milliseconds) {
        told.push_back(error.message + std::to_string(next));
      });
  EXPECT_EQ(result, 3);
  EXPECT_EQ(told, (std::vector<std::string>{"refused2", "refused3"}));
}

TEST(Backoff, GivesTheLastErrorWhenTriesAreUsedUp) {
  int calls = 0;
  const auto result =
      retry<void>(Budget::of(Milliseconds{60'000}), no_pause, [&](int attempt) -> Result<> {
        ++calls;
        return passing(attempt == 3 ? "third" : "earlier");
      });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(result.error().message, "third");
}

TEST(Backoff, DoesNotRetryWhatWillNotPass) {
  int calls = 0;
  const auto result = retry<void>(Budget::of(Milliseconds{60'000}), no_pause, [&](int) -> Result<> {
    ++calls;
    return permission_denied("wrong token");
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.error().kind, ErrorKind::permission);
}

TEST(Backoff, DoesNotStartAPauseThatTheBudgetCannotPay) {
  int calls = 0;
  const RetryPolicy slow{
      .tries = 3, .first = Milliseconds{3'600'000}, .longest = Milliseconds{3'600'000}};
  const auto result = retry<void>(Budget::of(Milliseconds{1000}), slow, [&](int) -> Result<> {
    ++calls;
    return passing("refused");
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(result.error().message, "refused");
}

TEST(Backoff, APauseEndsWithItsTime) {
  const auto start = Clock::now();
  EXPECT_TRUE(pause_for(Budget::of(Milliseconds{60'000}), Milliseconds{5}));
  EXPECT_GE(Clock::now() - start, Milliseconds{5});
}

TEST(Backoff, APauseEndsWithTheBudget) {
  const auto result = pause_for(Budget::of(Milliseconds{1}), Milliseconds{60'000});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(result.error().message, "timed out while waiting");
}

TEST(Backoff, AStopRequestWakesAPause) {
  std::stop_source stop;
  const auto start = Clock::now();
  std::jthread canceller([&] { stop.request_stop(); });
  const auto result =
      pause_for(Budget::of(Milliseconds{60'000}, stop.get_token()), Milliseconds{60'000});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::cancelled);
  EXPECT_LT(Clock::now() - start, Milliseconds{30'000});
}

}  // namespace
}  // namespace pca
