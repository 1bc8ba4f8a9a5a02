#include "tunnel-ssh/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <set>
#include <thread>

namespace pca::tunnel_ssh {
namespace {

using Sizes = std::vector<std::size_t>;

Sizes sizes(std::size_t count, std::size_t canary, const char* batch) {
  const BatchSize size = *batch == '\0' ? BatchSize{} : *parse_batch_size(batch);
  Sizes found;
  std::size_t next = 0;
  for (const Batch& one : make_batches(count, canary, size)) {
    for (const std::size_t index : one) EXPECT_EQ(index, next++);
    found.push_back(one.size());
  }
  EXPECT_EQ(next, count);
  return found;
}

TEST(BatchesTest, TakeNumbersAndShares) {
  EXPECT_EQ(sizes(5, 0, ""), (Sizes{5}));
  EXPECT_EQ(sizes(5, 0, "2"), (Sizes{2, 2, 1}));
  EXPECT_EQ(sizes(5, 0, "50%"), (Sizes{2, 2, 1}));
  EXPECT_EQ(sizes(5, 0, "100%"), (Sizes{5}));
  EXPECT_EQ(sizes(5, 0, "1%"), (Sizes{1, 1, 1, 1, 1}));
  EXPECT_EQ(sizes(5, 1, ""), (Sizes{1, 4}));
  EXPECT_EQ(sizes(5, 2, "2"), (Sizes{2, 2, 1}));
  EXPECT_EQ(sizes(5, 5, "2"), (Sizes{5}));
  EXPECT_EQ(sizes(1, 0, ""), (Sizes{1}));
}

TEST(BatchesTest, RefuseOtherSizes) {
  for (const char* text : {"0", "-1", "0%", "101%", "some", "1.5", "%", "", "3 %"}) {
    const auto size = parse_batch_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().kind, ErrorKind::bad_input);
    EXPECT_EQ(size.error().hint, "Write 4, or 25%.");
  }
}

TEST(BatchesTest, AllOfABatchRunAlsoWhenOneFails) {
  std::mutex mutex;
  std::set<std::size_t> seen;
  const BatchesEnd end = run_batches(make_batches(6, 0, {3, false}), 2,
                                     [&](std::size_t index) {
                                       const std::lock_guard lock(mutex);
                                       seen.insert(index);
                                       return index != 0;
                                     },
                                     {});
  EXPECT_EQ(end, BatchesEnd::batch_failed);
  EXPECT_EQ(seen, (std::set<std::size_t>{0, 1, 2}));
}

TEST(BatchesTest, RunAtMostSoManyAtOnceAndReallyAtOnce) {
  std::latch both(2);
  std::atomic<int> inside{0}, most{0};
  run_batches(make_batches(2, 0, {}), 2,
              [&](std::size_t) {
                most = std::max(most.load(), ++inside);
                both.arrive_and_wait();  // hangs unless two run at once
                --inside;
                return true;
              },
              {});
  run_batches(make_batches(8, 0, {}), 1,
              [&](std::size_t) {
                EXPECT_EQ(++inside, 1);
                --inside;
                return true;
              },
              {});
}

TEST(BatchesTest, NothingStartsAfterAStop) {
  std::stop_source stop;
  std::atomic<int> runs{0};
  const BatchesEnd end = run_batches(
      make_batches(100, 0, {10, false}), 1,
      [&](std::size_t) {
        if (++runs == 3) stop.request_stop();
        return true;
      },
      stop.get_token());
  EXPECT_EQ(runs, 3);
  EXPECT_EQ(end, BatchesEnd::stopped);
}

TEST(BatchesTest, AStopBetweenBatchesIsToldFromAFailedBatch) {
  std::stop_source stop;
  const auto batches = make_batches(4, 0, {2, false});
  const auto stop_at_the_end_of_the_first = [&](std::size_t index) {
    if (index == 1) stop.request_stop();
    return true;
  };
  EXPECT_EQ(run_batches(batches, 1, stop_at_the_end_of_the_first, stop.get_token()),
            BatchesEnd::stopped);
  EXPECT_EQ(run_batches(batches, 1, [](std::size_t) { return true; }, {}), BatchesEnd::all_started);
}

TEST(StartGateTest, LetsOnlySoManyInForEachAddress) {
  StartGate gate(2);
  auto first = gate.enter("a:22", {});
  auto second = gate.enter("a:22", {});
  EXPECT_TRUE(gate.enter("b:22", {}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(gate.enter("a:22", stop.get_token()));
  first.reset();
  EXPECT_TRUE(gate.enter("a:22", stop.get_token()));
}

TEST(StartGateTest, WakesWhoWaits) {
  StartGate gate(1);
  auto place = gate.enter("a", {});
  std::atomic<bool> entered{false};
  std::jthread waiter([&] { entered = gate.enter("a", {}).has_value(); });
  place.reset();
  waiter.join();
  EXPECT_TRUE(entered);
}

TEST(StartGateTest, AStopEndsTheWait) {
  StartGate gate(1);
  const auto place = gate.enter("a", {});
  std::stop_source stop;
  std::jthread waiter([&] { EXPECT_FALSE(gate.enter("a", stop.get_token())); });
  stop.request_stop();
}

}  // namespace
}  // namespace pca::tunnel_ssh
