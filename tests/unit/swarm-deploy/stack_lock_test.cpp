#include "swarm-deploy/stack_lock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"
#include "swarm-deploy/release_history.hpp"

namespace pca::swarm_deploy {
namespace {

using test::FakeEngine;

class StackLockTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<StackLock>> take(const std::string& actor, int patience_ms = 0) {
    Json owner = Json::object();
    owner.set("actor", actor).set("release", "r1").set("run-url", "https://run");
    return StackLock::take(budget(), *engine, reporter, "shop", owner, Milliseconds{patience_ms});
  }
  static Budget budget() { return Budget::of(Milliseconds{20'000}); }
  std::string owner() {
    const auto history = read_history(budget(), *engine, "shop");
    return history && history->lock ? history->lock->text_of("actor") : "nobody";
  }

  FakeEngine fake;
  std::unique_ptr<Engine> engine =
      *Engine::connect(budget(), *parse_engine_endpoint("unix://" + fake.socket()));
  Redactor redactor;
  std::mutex said_mutex;
  std::string said;
  Reporter reporter{settings(), redactor};
  ReporterSettings settings() {
    ReporterSettings made;
    made.out = [this](std::string_view text) {
      const std::lock_guard guard(said_mutex);
      said += text;
      return 0;
    };
    made.err = [](std::string_view) {};
    return made;
  }
  std::string text() {
    const std::lock_guard guard(said_mutex);
    return said;
  }
};

TEST_F(StackLockTest, OnlyOneHasIt) {
  auto first = take("one");
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE((*first)->check());
  const auto second = take("two");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_EQ(second.error().message, "shop: locked by one, who deploys r1 (https://run)");
  ASSERT_TRUE((*first)->release(budget()));
  EXPECT_EQ(owner(), "nobody");
  EXPECT_TRUE(take("two"));
}

TEST_F(StackLockTest, IsWaitedFor) {
  auto first = take("one");
  ASSERT_TRUE(first);
  std::jthread ends([&] {
    EXPECT_TRUE(test::comes_true([&] { return text().find("waiting") != std::string::npos; }));
    (void)(*first)->release(budget());
  });
  const auto second = take("two", 20'000);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(owner(), "two");
  EXPECT_NE(text().find("shop: waiting for another deploy, by one, who deploys r1"),
            std::string::npos)
      << text();
}

TEST_F(StackLockTest, IsStolenOnceItIsExpiredAndNotBefore) {
  auto dead = take("dead");
  ASSERT_TRUE(dead);
  fake.set_clock(std::chrono::seconds(59));
  EXPECT_FALSE(take("early"));
  fake.set_clock(std::chrono::seconds(62));
  auto thief = take("thief");
  ASSERT_TRUE(thief) << thief.error().message;
  EXPECT_EQ(owner(), "thief");
  // Whoever comes back to life does not take the thief's away.
  (void)(*dead)->release(budget());
  EXPECT_EQ(owner(), "thief");
}

TEST_F(StackLockTest, OnlyOneThiefWins) {
  auto dead = take("dead");
  ASSERT_TRUE(dead);
  fake.set_clock(std::chrono::seconds(100));
  std::mutex mutex;
  std::vector<std::unique_ptr<StackLock>> winners;
  {
    std::vector<std::jthread> thieves;
    for (int i = 0; i < 8; ++i) {
      thieves.emplace_back([&, i] {
        auto lock = take("thief" + std::to_string(i));
        if (!lock) return;
        EXPECT_EQ(owner(), "thief" + std::to_string(i));
        const std::lock_guard guard(mutex);
        winners.push_back(*std::move(lock));  // and keeps it
      });
    }
  }
  EXPECT_EQ(winners.size(), 1U);
}

TEST_F(StackLockTest, IsOursWhenOnlyTheAnswerWasLost) {
  std::atomic<int> lost = 0;
  fake.lose_answers([&](const FakeEngine::Request& request) {
    return request.path == "/configs/create" && lost++ == 0;
  });
  const auto lock = take("one");
  ASSERT_TRUE(lock) << lock.error().message;
  EXPECT_EQ(owner(), "one");
}

TEST_F(StackLockTest, EndsByUnlock) {
  auto lock = take("gone");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(*unlock_stack(budget(), *engine, "shop"));
  EXPECT_FALSE(*unlock_stack(budget(), *engine, "shop"));
  EXPECT_TRUE(take("next"));
}

}  // namespace
}  // namespace pca::swarm_deploy
