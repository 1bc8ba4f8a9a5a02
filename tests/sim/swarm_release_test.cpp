// Releases of a stack on an Engine that only remembers: what is written, in which order, and what
// becomes of it when a write fails, its answer is lost, or somebody else writes too.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>

#include "net/engine.hpp"
#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca {
namespace {

using namespace test;

constexpr const char* sha_a = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
constexpr const char* sha_b = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
constexpr const char* sha_c = "cccccccccccccccccccccccccccccccccccccccc";

std::string service(const std::string& name, const std::string& tag = "v1") {
  return fmt::format("  {}: {{image: 'app:{}', networks: [front], secrets: [s]}}\n", name, tag);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
constexpr bool is_sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool is_sanitized = false;
#endif

// Keeps whoever asks for it waiting.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_open_; });
  }
  bool has_somebody() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return waiting_ > 0; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool is_open_ = false;
};

class SwarmRelease : public ::testing::Test {
 protected:
  // As an Engine tells of running tasks.
  static std::string tasks_of(const FakeEngine& engine, int replicas) {
    Json list = Json::array();
    for (const auto& [name, service] : engine.objects("services")) {
      for (int slot = 1; slot <= replicas; ++slot) {
        Json task = Json::object();
        task.set("ID", fmt::format("task-{}-{}", name, slot));
        task.set("ServiceID", service.text_of("ID")).set("NodeID", "node-1").set("Slot", slot);
        task.set("Spec", *service.find("Spec")->find("TaskTemplate"));
        task.set("DesiredState", "running");
        task.set("Status", *parse_json(R"({"Timestamp":"2026-11-29T17:00:00.123456789Z",)"
                                       R"("State":"running","Message":"started",)"
                                       R"("ContainerStatus":{"PID":4711,"ExitCode":0}})"));
        list.push(std::move(task));
      }
    }
    return list.dump();
  }
  SwarmStep::Result deploy(const std::string& services, const std::vector<std::string>& more = {}) {
    Process process = start(step, services, more);
    return step.result_of(process);
  }
  static Process start(const SwarmStep& one, const std::string& services,
                       const std::vector<std::string>& more = {}) {
    one.folder().write("secret", "x");
    one.write("services:\n" + services + "networks: {front: {}}\nsecrets: {s: {file: secret}}\n");
    std::vector<std::string> arguments{"--resolve-image", "never", "--wait=false", "--prune"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return one.start("deploy", arguments);
  }
  SwarmStep::Result rollback(std::vector<std::string> more = {}) {
    more.emplace_back("--wait=false");
    return step.run("rollback", more);
  }

  // What the swarm holds of the stack itself.
  static std::string picture(const FakeEngine& of) {
    std::string text;
    for (const auto& [name, one] : of.objects("services"))
      text += name + " " + one.find("Spec")->dump() + "\n";
    for (const char* kind : {"networks", "secrets"}) {
      for (const auto& [name, one] : of.objects(kind)) text += name + "\n";
    }
    return text;
  }
  static std::vector<std::string> configs(const FakeEngine& of) {
    std::vector<std::string> names;
    for (const auto& [name, one] : of.objects("configs")) names.push_back(name);
    return names;
  }
  static std::string state_label(const FakeEngine& of, const std::string& key) {
    const auto all = of.objects("configs");
    const auto found = all.find("shop.state");
    if (found == all.end()) return "no state";
    return found->second.find("Spec")->find("Labels")->text_of("private-cloud-actions." + key);
  }

  Gate gate;  // outlives who waits at it
  FakeEngine fake;
  SwarmStep step{fake.socket()};
};

// Round trips and an Engine's work are what a deploy costs where nothing is to be done.
TEST_F(SwarmRelease, ADeployThatChangesNothingSendsEightRequests) {
  const std::string stack = service("web") + service("api") + service("db");
  ASSERT_EQ(deploy(stack).code, 0);
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/tasks") return std::nullopt;
    std::string tasks;
    for (const auto& [name, one] : fake.objects("services")) {
      tasks += fmt::format(
          "{}{{\"ID\":\"t-{}\",\"ServiceID\":\"{}\",\"Slot\":1,\"DesiredState\":\"running\","
          "\"Status\":{{\"State\":\"running\"}}}}",
          tasks.empty() ? "" : ",", name, one.text_of("ID"));
    }
    return FakeEngine::Answer{200, "[" + tasks + "]"};
  });
  const std::size_t before = fake.requests().size();
  step.folder().write("secret", "x");
  step.write("services:\n" + stack + "networks: {front: {}}\nsecrets: {s: {file: secret}}\n");
  const auto again = step.run("deploy", {"--resolve-image", "never"});
  ASSERT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged") << again.out;
  std::string sent;
  const auto all = fake.requests();
  for (std::size_t i = before; i < all.size(); ++i)
    sent += all[i].method + " " + all[i].path + "\n";
  EXPECT_EQ(all.size() - before, 8U) << sent;
}

TEST_F(SwarmRelease, WhatOthersMadeUnderTheSameNameIsNeitherUsedNorRemoved) {
  const Budget budget = Budget::of(Milliseconds{20'000});
  const auto engine = Engine::connect(budget, *parse_engine_endpoint("unix://" + fake.socket()));
  ASSERT_TRUE(engine);
  const EngineRequest theirs{.method = "POST",
                             .path = "/secrets/create",
                             .body = R"({"Name":"shop_s","Labels":{},"Data":"dGhlaXJz"})"};
  ASSERT_TRUE((*engine)->json(budget, theirs));
  const auto refused = deploy(service("web"), {"--rotate=false"});
  EXPECT_EQ(refused.code, 3) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("shop_s could not be created"), std::string::npos) << refused.err;
  EXPECT_TRUE(fake.objects("secrets").contains("shop_s"));
  EXPECT_TRUE(fake.objects("services").empty());
  EXPECT_TRUE(fake.objects("networks").empty());
}

TEST_F(SwarmRelease, TheReleaseThatWasGoneBackToKeepsTheHoldWhenItIsDeployedAgain) {
  ASSERT_EQ(deploy(service("web"), {"--commit", sha_a}).code, 0);
  ASSERT_EQ(deploy(service("web", "v2"), {"--commit", sha_b}).code, 0);
  ASSERT_EQ(rollback().code, 0);
  // The same commit, and something to write.
  const auto again = deploy(service("web") + service("more"), {"--commit", sha_a});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  const auto refused = deploy(service("web", "v2"), {"--commit", sha_b});
  EXPECT_EQ(refused.code, 7) << refused.out << refused.err;
  EXPECT_EQ(refused.outputs.at("outcome"), "held");
}

TEST_F(SwarmRelease, EachDeployIsKeptAndCanBeGoneBackTo) {
  const auto first = deploy(service("web") + service("old"), {"--commit", sha_a});
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_TRUE(first.outputs.at("release").ends_with("Z-aaaaaaa"));
  EXPECT_EQ(first.outputs.at("previous"), "");
  const std::string before = picture(fake);
  const auto second = deploy(service("web", "v2") + service("new"), {"--commit", sha_b});
  ASSERT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_EQ(second.outputs.at("previous"), first.outputs.at("release"));
  EXPECT_EQ(configs(fake), (std::vector<std::string>{"shop.release-" + first.outputs.at("release"),
                                                     "shop.release-" + second.outputs.at("release"),
                                                     "shop.state"}));

  const auto back = rollback({"--reason", "it smells"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(back.outputs.at("outcome"), "deployed");
  EXPECT_EQ(back.outputs.at("release"), first.outputs.at("release"));
  EXPECT_EQ(back.outputs.at("previous"), second.outputs.at("release"));
  EXPECT_EQ(back.outputs.at("created"), "1");
  EXPECT_EQ(back.outputs.at("updated"), "1");
  EXPECT_EQ(back.outputs.at("removed"), "1");
  EXPECT_EQ(picture(fake), before);

  const auto listed = step.run("list");
  EXPECT_EQ(listed.code, 0) << listed.err;
  EXPECT_NE(listed.out.find("on hold since " + second.outputs.at("release") +
                            " was rolled back by somebody: it smells"),
            std::string::npos)
      << listed.out;
  EXPECT_NE(listed.out.find("current"), std::string::npos);
  EXPECT_NE(listed.out.find("rolled-back"), std::string::npos);
  // And forth again.
  const auto forth = rollback({"--to", second.outputs.at("release")});
  EXPECT_EQ(forth.code, 0) << forth.out << forth.err;
  EXPECT_EQ(state_label(fake, "current"), second.outputs.at("release"));
}

TEST_F(SwarmRelease, WhatChangesNothingWritesNothing) {
  ASSERT_EQ(deploy(service("web")).code, 0);
  const std::size_t writes = fake.writes().size();
  const auto again = deploy(service("web"));
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(fake.writes().size(), writes);
}

TEST_F(SwarmRelease, AHoldRefusesWhatWasLeftAndWhatIsOlder) {
  const auto commit = [](const char* sha, const char* time) {
    return std::vector<std::string>{"--commit", sha, "--commit-time", time};
  };
  const auto a = commit(sha_a, "2026-01-01T00:00:00Z");
  const auto b = commit(sha_b, "2026-01-02T00:00:00Z");
  ASSERT_EQ(deploy(service("web"), a).code, 0);
  ASSERT_EQ(deploy(service("web", "v2"), b).code, 0);
  ASSERT_EQ(rollback().code, 0);
  const std::string before = picture(fake);
  for (const auto& refused : {b, commit(sha_c, "2026-01-01T12:00:00Z")}) {
    const auto held = deploy(service("web", "v3"), refused);
    EXPECT_EQ(held.code, 7) << held.out << held.err;
    EXPECT_EQ(held.outputs.at("outcome"), "held");
    EXPECT_NE(held.err.find("end the hold with \"swarm-deploy unhold\""), std::string::npos)
        << held.err;
  }
  EXPECT_EQ(picture(fake), before);
  EXPECT_EQ(deploy(service("web"), a).outputs.at("outcome"), "unchanged");
  EXPECT_EQ(deploy(service("web", "v3"), commit(sha_c, "2026-01-03T00:00:00Z")).code, 0);
  EXPECT_EQ(state_label(fake, "hold"), "");  // what is newer ended it
  ASSERT_EQ(step.run("hold", {"--reason", "audit"}).code, 0);
  const auto held = deploy(service("web", "v4"), commit(sha_b, "2026-02-01T00:00:00Z"));
  EXPECT_EQ(held.code, 7);
  EXPECT_NE(held.err.find("on hold by somebody: audit"), std::string::npos) << held.err;
  ASSERT_EQ(step.run("unhold").code, 0);
  EXPECT_EQ(deploy(service("web", "v4")).code, 0);
}

// What others made is kept before it is touched.
TEST_F(SwarmRelease, AStackOfOthersIsABaseline) {
  ASSERT_EQ(deploy(service("web") + service("db")).code, 0);
  auto engine = *Engine::connect(Budget::of(Milliseconds{20'000}),
                                 *parse_engine_endpoint("unix://" + fake.socket()));
  for (const std::string& name : configs(fake)) {
    ASSERT_TRUE(engine->ask(Budget::of(Milliseconds{20'000}),
                            {.method = "DELETE", .path = "/configs/" + name}));
  }
  const std::string before = picture(fake);
  const auto done = deploy(service("web", "v2"));
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_NE(done.outputs.at("previous"), "");
  EXPECT_NE(done.out.find("what is there is kept as the release " + done.outputs.at("previous")),
            std::string::npos)
      << done.out;
  const auto back = rollback();
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(picture(fake), before);
}

std::function<std::optional<FakeEngine::Answer>(const FakeEngine::Request&)> held_at(
    Gate& gate, const std::string& path) {
  return [&gate, path](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == path) gate.pass();
    return std::nullopt;
  };
}

TEST_F(SwarmRelease, OfTwoAtOnceOneWaits) {
  fake.set_answer(held_at(gate, "/services/create"));
  Process first = start(step, service("web"), {"--commit", sha_a});
  ASSERT_TRUE(gate.has_somebody());
  const SwarmStep other(fake.socket());
  Process second = start(other, service("web", "v2"), {"--commit", sha_b});
  ASSERT_TRUE(second.wait_for("waiting for another deploy, by somebody, who deploys ",
                              std::chrono::seconds(20)))
      << second.out() << second.err();
  gate.open();
  const auto one = step.result_of(first);
  const auto two = other.result_of(second);
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  EXPECT_EQ(two.code, 0) << two.out << two.err;
  EXPECT_NE(two.out.find("another release came between, so it is planned again"), std::string::npos)
      << two.out;
  EXPECT_EQ(two.outputs.at("updated"), "1");
  EXPECT_EQ(two.outputs.at("previous"), one.outputs.at("release"));
  EXPECT_EQ(configs(fake).size(), 3U);  // two releases and no lock
}

// It was planned before the other one began, and the lock is free by now.
TEST_F(SwarmRelease, OneThatCameBetweenIsSeenByTheFirstWrite) {
  ASSERT_EQ(deploy(service("web")).code, 0);
  std::atomic<bool> is_between = false;
  std::string release;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.body.text_of("Name") != "shop.lock" || is_between.exchange(true))
      return std::nullopt;
    const SwarmStep other(fake.socket());
    Process process = start(other, service("web", "v2") + service("api"));
    const auto done = other.result_of(process);
    EXPECT_EQ(done.code, 0) << done.out << done.err;
    release = done.outputs.at("release");
    return std::nullopt;
  });
  const auto done = deploy(service("web", "v3") + service("api"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_NE(done.out.find("another release came between, so it is planned again"),
            std::string::npos)
      << done.out;
  EXPECT_EQ(done.outputs.at("created"), "0");
  EXPECT_EQ(done.outputs.at("previous"), release);
  EXPECT_EQ(configs(fake).size(), 4U);  // three releases and the state
}

TEST_F(SwarmRelease, ALockThatIsNotHadInTimeIsAConflict) {
  fake.set_answer(held_at(gate, "/services/create"));
  Process first = start(step, service("web"));
  ASSERT_TRUE(gate.has_somebody());
  const SwarmStep other(fake.socket());
  Process second = start(other, service("web", "v2"), {"--lock-wait", "0s"});
  const auto two = other.result_of(second);
  EXPECT_EQ(two.code, 7) << two.out << two.err;
  EXPECT_EQ(two.outputs.at("outcome"), "failed");
  EXPECT_NE(two.err.find("shop: locked by somebody, who deploys "), std::string::npos) << two.err;
  gate.open();
  EXPECT_EQ(step.result_of(first).code, 0);
}

// Half a minute: two renewals are waited for, each at another request, because each of those has
// half a minute to be answered.
TEST_F(SwarmRelease, ALockIsRenewedAndWhoeverLostItWritesNoMore) {
  Gate second_gate;
  fake.set_answer(
      [first = held_at(gate, "/networks/create"),
       second = held_at(second_gate, "/secrets/create")](const FakeEngine::Request& request) {
        (void)second(request);
        return first(request);
      });
  Process process = start(step, service("web"));
  ASSERT_TRUE(gate.has_somebody());
  const auto count = [&](const std::string& method, const std::string& path) {
    const auto requests = fake.requests();
    return std::count_if(requests.begin(), requests.end(), [&](const FakeEngine::Request& one) {
      return one.method == method && one.path == path;
    });
  };
  const auto expires = [&] {
    return fake.objects("configs")
        .at("shop.lock")
        .find("Spec")
        ->find("Labels")
        ->text_of("private-cloud-actions.expires");
  };
  const std::string first = expires();
  ASSERT_TRUE(comes_true([&] { return count("POST", "/configs/configs-shop.lock/update") > 0; },
                         std::chrono::seconds(30)));
  EXPECT_GT(expires(), first);
  gate.open();
  ASSERT_TRUE(second_gate.has_somebody());
  const SwarmStep other(fake.socket());
  ASSERT_EQ(other.run("unlock").code, 0);
  const auto looks = count("GET", "/configs/shop.lock");
  ASSERT_TRUE(comes_true([&] { return count("GET", "/configs/shop.lock") > looks; },
                         std::chrono::seconds(30)));
  ASSERT_EQ(other.run("list").code, 0);  // it has its answer meanwhile
  second_gate.open();
  const auto done = step.result_of(process);
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "unknown");
  EXPECT_NE(done.err.find("the lock was lost"), std::string::npos) << done.err;
  EXPECT_TRUE(fake.objects("services").empty());
}

TEST_F(SwarmRelease, AKilledDeployIsFinishedByRollback) {
  ASSERT_EQ(deploy(service("web") + service("old")).code, 0);
  const std::string before = picture(fake);
  fake.set_answer(held_at(gate, "/services/services-shop_web/update"));
  Process killed = start(step, service("web", "v2") + service("new"));
  ASSERT_TRUE(gate.has_somebody());
  killed.send(SIGKILL);
  ASSERT_EQ(killed.wait(std::chrono::seconds(20)), 128 + SIGKILL);
  gate.open();
  EXPECT_NE(picture(fake), before);
  EXPECT_NE(step.run("status").out.find("locked by somebody, who deploys "), std::string::npos);
  fake.set_clock(std::chrono::seconds(70));  // the lease is over
  const auto back = rollback();
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(picture(fake), before);
  EXPECT_EQ(state_label(fake, "unfinished"), "");
  EXPECT_EQ(state_label(fake, "hold"), "");  // nothing that was current was left
  EXPECT_EQ(configs(fake).size(), 2U);
}

// A deploy over another one, whose writes are disturbed one by one.
class SwarmReleaseTorture : public SwarmRelease {
 protected:
  void SetUp() override {
    ASSERT_EQ(deploy(first).code, 0);
    before = picture(fake);
    const std::size_t already = fake.writes().size();
    ASSERT_EQ(deploy(second).code, 0);
    after = picture(fake);
    writes = static_cast<int>(fake.writes().size() - already);
    ASSERT_GE(writes, 7);
  }

  // The second deploy on an Engine of its own that has had the first.
  static SwarmStep::Result disturb(FakeEngine& one, const std::function<void(FakeEngine&)>& how) {
    const SwarmStep on(one.socket());
    Process setup = start(on, first);
    EXPECT_EQ(on.result_of(setup).code, 0);
    how(one);
    Process process = start(on, second);
    return on.result_of(process);
  }
  static bool is_write(const FakeEngine::Request& request) {
    return request.method != "GET" && request.method != "HEAD";
  }
  // All as wanted or all as before, and the exit code says which; no lock is left.
  void expect_order(const FakeEngine& one, const SwarmStep::Result& done) const {
    EXPECT_EQ(picture(one), done.code == 0 ? after : before) << done.out << done.err;
    EXPECT_TRUE(done.code == 0 || done.code == 1 || done.code == 3) << done.code << done.err;
    const auto all = configs(one);
    EXPECT_EQ(std::count(all.begin(), all.end(), "shop.lock"), 0);
  }

  static inline const std::string first = service("web") + service("old");
  static inline const std::string second = service("web", "v2") + service("new");
  std::string before;
  std::string after;
  int writes = 0;
};

TEST_F(SwarmReleaseTorture, EachLostAnswerEndsAsWantedOrAsBefore) {
  int well = 0;
  for (int lost = 0; lost < writes; ++lost) {
    SCOPED_TRACE(fmt::format("the answer of write {} is lost", lost));
    std::atomic<int> count = 0;
    FakeEngine one;
    const auto done = disturb(one, [&](FakeEngine& engine) {
      engine.lose_answers(
          [&](const FakeEngine::Request& request) { return is_write(request) && count++ == lost; });
    });
    expect_order(one, done);
    EXPECT_EQ(state_label(one, "unfinished"), "");
    if (done.code == 0) ++well;
  }
  EXPECT_GE(well, writes - 1);
}

TEST_F(SwarmReleaseTorture, EachWriteThatIsDoneAndAnsweredAsFailedEndsAsWantedOrAsBefore) {
  for (int spoiled = 0; spoiled < writes; ++spoiled) {
    std::atomic<int> count = 0;
    std::mutex mutex;
    FakeEngine::Request found;
    FakeEngine one;
    const auto done = disturb(one, [&](FakeEngine& engine) {
      engine.spoil_answers([&](const FakeEngine::Request& request) {
        if (!is_write(request) || count++ != spoiled) return false;
        const std::lock_guard lock(mutex);
        found = request;
        return true;
      });
    });
    const std::lock_guard lock(mutex);
    SCOPED_TRACE(fmt::format("write {} is spoiled: {} {}", spoiled, found.method, found.path));
    // What prune removes is gone although the answer says otherwise, and nothing brings it back.
    const bool is_prune = found.method == "DELETE" && found.path.starts_with("/services/");
    if (is_prune) {
      EXPECT_EQ(picture(one), after);
    } else if (found.path == "/configs/create" && found.body.text_of("Name") == "shop.lock") {
      EXPECT_EQ(picture(one), before);
    } else {
      expect_order(one, done);
    }
  }
}

TEST_F(SwarmReleaseTorture, EachFailedWriteEndsAsWantedOrAsBefore) {
  for (int broken = 0; broken < writes; ++broken) {
    std::atomic<int> count = 0;
    std::mutex mutex;
    FakeEngine::Request refused;
    FakeEngine one;
    const auto done = disturb(one, [&](FakeEngine& engine) {
      engine.set_answer(
          [&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
            if (!is_write(request) || count++ != broken) return std::nullopt;
            const std::lock_guard lock(mutex);
            refused = request;
            return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
          });
    });
    const std::lock_guard lock(mutex);
    SCOPED_TRACE(fmt::format("write {} fails: {} {}", broken, refused.method, refused.path));
    if (refused.method == "DELETE" && refused.path.starts_with("/services/")) {
      // All is well but for what prune should have removed.
      EXPECT_EQ(done.code, 1) << done.out << done.err;
      EXPECT_EQ(done.outputs.at("outcome"), "failed");
      EXPECT_NE(picture(one), before);
    } else {
      expect_order(one, done);
    }
    if (done.code != 0) {
      EXPECT_NE(done.err.find("the disk is full"), std::string::npos) << done.out << done.err;
    }
  }
}

TEST_F(SwarmRelease, AHistoryThatCannotBeWrittenBreaksNoDeploy) {
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path != "/configs/create" ||
        !request.body.text_of("Name").starts_with("shop.release-"))
      return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto done = deploy(service("web"));
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "deployed");
  EXPECT_NE(done.err.find("the history does not say what became of"), std::string::npos)
      << done.err;
}

// One service is written, the other is refused, and so is the way back.
TEST_F(SwarmRelease, WhatCannotBeBroughtBackIsUnknownAndRollbackFinishesIt) {
  ASSERT_EQ(deploy(service("web") + service("api")).code, 0);
  const std::string before = picture(fake);
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    const bool is_back = request.path == "/services/services-shop_web/update" &&
                         request.body.dump().find("app:v1") != std::string::npos;
    if (!is_back && request.path != "/services/services-shop_api/update") return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto done = deploy(service("web", "v2") + service("api", "v2"));
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("outcome"), "unknown");
  EXPECT_NE(done.err.find("Then the stack could not be brought back: while restoring shop_web"),
            std::string::npos)
      << done.err;
  EXPECT_NE(done.err.find("swarm-deploy rollback --stack shop"), std::string::npos) << done.err;
  EXPECT_NE(state_label(fake, "unfinished"), "");
  fake.set_answer({});
  const auto back = rollback();
  EXPECT_EQ(back.code, 0) << back.out << back.err;
  EXPECT_EQ(picture(fake), before);
  EXPECT_EQ(state_label(fake, "unfinished"), "");
}

TEST_F(SwarmRelease, TheLastTenAreKept) {
  for (int i = 0; i < 13; ++i) {
    ASSERT_EQ(deploy(service("web", "v" + std::to_string(i))).code, 0);
  }
  EXPECT_EQ(configs(fake).size(), 11U);  // and the state
  EXPECT_EQ(rollback().code, 0);
}

// A secret's content is another one each time: of the old ones those stay that a kept release
// needs.
TEST_F(SwarmRelease, OldGenerationsGoOnceNoReleaseNeedsThem) {
  const auto secrets = [&] {
    std::set<std::string> names;
    for (const auto& [name, one] : fake.objects("secrets")) names.insert(name);
    return names;
  };
  const auto deploy_with = [&](const std::string& value) {
    step.folder().write("secret", value);
    step.write("services:\n" + service("web") + "networks: {front: {}}\n" +
               "secrets: {s: {file: secret}}\n");
    return step.run("deploy", {"--resolve-image", "never", "--wait=false"});
  };
  std::vector<std::set<std::string>> after;
  for (int i = 0; i < 13; ++i) {
    const auto done = deploy_with("value " + std::to_string(i));
    ASSERT_EQ(done.code, 0) << done.out << done.err;
    after.push_back(secrets());
  }
  EXPECT_EQ(after[9].size(), 10U);
  // When the thirteenth was planned ten were kept, and the first two of all were needed no more.
  EXPECT_EQ(after[12].size(), 11U);
  EXPECT_FALSE(after[12].contains(*after[0].begin()));
  const auto releases = configs(fake);
  const std::string oldest = releases.front().substr(std::string("shop.release-").size());
  const auto back = rollback({"--to", oldest});
  EXPECT_EQ(back.code, 0) << back.out << back.err;
}

// Measured when all was read, written and kept, and only the state of the history is left to write.
TEST_F(SwarmRelease, FiveHundredServicesTakeLittleMemory) {
  if (is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory than the tool";
  std::string stack;
  for (int i = 0; i < 500; ++i) {
    stack += fmt::format(
        "  s{0}:\n    image: app:v1\n    networks: [front]\n    secrets: [s]\n"
        "    environment: {{NUMBER: \"{0}\", GREETING: hello, PATH_TO_DATA: /var/lib/data}}\n"
        "    labels: {{number: \"{0}\", traefik.enable: \"true\"}}\n"
        "    healthcheck: {{test: [CMD, test, -f, /tmp/well], interval: 5s}}\n"
        "    deploy: {{replicas: 2, resources: {{limits: {{memory: 64M}}}}}}\n",
        i);
  }
  for (const bool is_first : {true, false}) {
    SCOPED_TRACE(is_first ? "all are new" : "one is new");
    const std::string tasks = tasks_of(fake, 2);
    std::atomic<pid_t> tool = 0;
    std::atomic<long> peak = 0;
    fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.path == "/tasks") return FakeEngine::Answer{200, tasks};
      if (request.method == "POST" && request.body.text_of("Name") == "shop.state")
        peak = process_status(tool, "VmHWM");
      return std::nullopt;
    });
    Process process =
        start(step, is_first ? stack : "  one: {image: 'app:v2', secrets: [s]}\n" + stack);
    tool = process.pid();
    const auto done = step.result_of(process);
    EXPECT_EQ(done.code, 0) << done.err;
    EXPECT_GT(peak, 0);
    EXPECT_LE(peak, 40'000) << "KiB";
  }
}

TEST_F(SwarmRelease, RmLeavesNothing) {
  ASSERT_EQ(deploy(service("web")).code, 0);
  ASSERT_EQ(deploy(service("web", "v2")).code, 0);
  const std::string before = picture(fake);
  const auto dry = step.run("rm", {"--dry-run"});
  EXPECT_EQ(dry.code, 0) << dry.err;
  EXPECT_NE(dry.out.find("shop_front"), std::string::npos) << dry.out;
  EXPECT_EQ(picture(fake), before);
  const auto done = step.run("rm");
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("removed"), "3");
  EXPECT_EQ(picture(fake), "");
  EXPECT_TRUE(configs(fake).empty());
  const auto again = step.run("rm");
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.out.find("nothing of this stack is there"), std::string::npos) << again.out;
}

TEST_F(SwarmRelease, RmRefusesWhatOthersUse) {
  ASSERT_EQ(deploy(service("web")).code, 0);
  const SwarmStep other(fake.socket(), "other");
  other.write(
      "services:\n  api: {image: app, networks: [n]}\nnetworks: {n: {name: shop_front, external: "
      "true}}\n");
  const auto there = other.run("deploy", {"--resolve-image", "never", "--wait=false"});
  ASSERT_EQ(there.code, 0) << there.out << there.err;
  const auto done = step.run("rm");
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.err.find("other_api uses shop_front"), std::string::npos) << done.err;
  EXPECT_EQ(fake.objects("services").size(), 2U);
}

TEST_F(SwarmRelease, StatusSaysWhatIsNotWell) {
  const auto none = step.run("status");
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("the swarm has no service of this stack"), std::string::npos) << none.err;
  ASSERT_EQ(deploy(service("web")).code, 0);
  const auto status = step.run("status");
  EXPECT_EQ(status.code, 1) << status.out << status.err;
  EXPECT_NE(status.out.find("0 of 1 tasks run"), std::string::npos) << status.out;
  EXPECT_NE(status.err.find("shop: not well: shop_web"), std::string::npos) << status.err;
}

TEST_F(SwarmRelease, ThereIsNothingToGoBackTo) {
  const auto none = rollback();
  EXPECT_EQ(none.code, 1);
  EXPECT_NE(none.err.find("shop: there is no earlier release that was healthy"), std::string::npos)
      << none.err;
  ASSERT_EQ(deploy(service("web")).code, 0);
  EXPECT_EQ(rollback().code, 1);
  EXPECT_EQ(rollback({"--to", "20260101T000000Z-1234567"}).code, 1);
}

}  // namespace
}  // namespace pca
