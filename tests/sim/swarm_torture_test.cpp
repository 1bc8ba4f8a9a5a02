// Deploys that wait, rollbacks and removals of a stack, disturbed at each of their requests.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <regex>

#include "support/disturbed_engine.hpp"

namespace pca {
namespace {

using namespace test;

class SwarmTorture : public ::testing::Test {
 protected:
  using How = Disturbance;

  // A swarm of one node, where every service has one task, which runs at once.
  struct Place {
    Place() {
      step.folder().write("secret", "x");
      ready(first);
      EXPECT_EQ(run({"deploy", quick}).code, 0);
    }
    void ready(const std::string& services) const {
      step.write("services:\n" + services +
                 "networks: {front: {}}\nsecrets: {s: {file: secret}}\n"
                 "configs: {c: {content: '" +
                 std::to_string(services.size()) + "'}}\n");
    }
    [[nodiscard]] std::optional<FakeEngine::Answer> answer(
        const FakeEngine::Request& request) const {
      if (request.path != "/tasks") return std::nullopt;
      Json list = Json::array();
      for (const auto& [name, service] : engine.objects("services")) {
        Json task = Json::object();
        task.set("ID", "task-of-" + name).set("ServiceID", service.text_of("ID"));
        task.set("NodeID", "node-1").set("Slot", 1).set("DesiredState", "running");
        task.set("Spec", *service.find("Spec")->find("TaskTemplate"));
        task.set("Status",
                 *parse_json(R"({"Timestamp":"2026-11-29T17:00:00Z","State":"running"})"));
        list.push(std::move(task));
      }
      return FakeEngine::Answer{200, list.dump()};
    }
    // Undisturbed, once the lease of whoever was killed is over.
    SwarmStep::Result run(const DisturbedCommand& command) {
      engine.set_answer([this](const FakeEngine::Request& request) { return answer(request); });
      return step.run(command.name, command.arguments);
    }
    [[nodiscard]] std::string picture() const {
      std::string text;
      for (const char* kind : {"services", "networks", "secrets", "configs"}) {
        for (const auto& [name, one] : engine.objects(kind)) {
          if (name.starts_with("shop.")) continue;  // lock, state and releases
          text += name;
          // What was made a second time has another ID.
          if (kind == std::string_view("services"))
            text += " " + std::regex_replace(one.find("Spec")->dump(), ids, "\",");
          text += "\n";
        }
      }
      return text;
    }
    [[nodiscard]] bool is_locked() const { return engine.objects("configs").contains("shop.lock"); }

    static inline const std::regex ids{R"(-\d+",)"};
    FakeEngine engine;
    SwarmStep step{engine.socket()};
  };

  static std::string service(const std::string& name, const std::string& tag) {
    return fmt::format("  {}: {{image: 'app:{}', networks: [front], secrets: [s], configs: [c]}}\n",
                       name, tag);
  }
  // As wanted or as before, which the exit code says.
  static void expect_order(const Place& place, const SwarmStep::Result& done,
                           const std::string& before, const std::string& after) {
    EXPECT_EQ(place.picture(), done.code == 0 ? after : before)
        << done.code << done.out << done.err;
    EXPECT_NE(done.code, 4) << done.err;
    EXPECT_FALSE(place.is_locked());
  }

  static inline const std::string first = service("web", "v1") + service("old", "v1");
  static inline const std::string second = service("web", "v2") + service("another", "v1");
  static inline const std::vector<std::string> quick{"--resolve-image", "never", "--wait=false",
                                                     "--prune"};
  static inline const DisturbedCommand deploy{
      "deploy", {"--resolve-image", "never", "--settle", "0s", "--prune"}};
  static inline const DisturbedCommand rollback{"rollback", {"--settle", "0s"}};
};

// What prune removes is gone, and nothing brings it back: then all the rest is as wanted.
bool is_prune(const std::string& request) { return request.starts_with("DELETE /services/"); }

TEST_F(SwarmTorture, EachDisturbedDeployEndsAsWantedOrAsBefore) {
  std::string before;
  std::string after;
  {
    Place place;
    before = place.picture();
    place.ready(second);
    const auto done = place.run(deploy);
    ASSERT_EQ(done.code, 0) << done.out << done.err;
    after = place.picture();
  }
  ASSERT_NE(before, after);
  int runs = 0;
  for (const How how : {How::read_refused, How::cancelled, How::refused, How::lost,
                        How::killed_before, How::killed_after}) {
    for (int which = 0;; ++which, ++runs) {
      Place place;
      place.ready(second);
      const auto [is_reached, request, done] = disturb(place, deploy, how, which);
      if (!is_reached) break;
      SCOPED_TRACE(fmt::format("{} {} {}", static_cast<int>(how), which, request));
      const bool is_killed = how == How::killed_before || how == How::killed_after;
      if (!is_killed && !is_prune(request)) expect_order(place, done, before, after);
      place.engine.set_clock(std::chrono::seconds(70));
      const auto again = place.run(deploy);
      EXPECT_EQ(again.code, 0) << again.out << again.err;
      EXPECT_EQ(place.picture(), after);
    }
  }
  EXPECT_GT(runs, 60);
}

TEST_F(SwarmTorture, EachDisturbedRollbackEndsAsWantedOrAsBefore) {
  std::string after;  // with the newer config, which a later rollback may want
  {
    Place place;
    place.ready(second);
    ASSERT_EQ(place.run({"deploy", quick}).code, 0);
    ASSERT_EQ(place.run(rollback).code, 0);
    after = place.picture();
  }
  int runs = 0;
  for (const How how : {How::read_refused, How::cancelled, How::refused, How::lost}) {
    for (int which = 0;; ++which, ++runs) {
      Place place;
      place.ready(second);
      ASSERT_EQ(place.run({"deploy", quick}).code, 0);
      const std::string before = place.picture();
      const auto [is_reached, request, done] = disturb(place, rollback, how, which);
      if (!is_reached) break;
      SCOPED_TRACE(fmt::format("{} {} {}", static_cast<int>(how), which, request));
      if (!is_prune(request)) expect_order(place, done, before, after);
    }
  }
  EXPECT_GT(runs, 40);
}

TEST_F(SwarmTorture, EachDisturbedRemovalIsFinishedByTheNextOne) {
  int runs = 0;
  for (const How how : {How::read_refused, How::cancelled, How::refused, How::lost,
                        How::killed_before, How::killed_after}) {
    for (int which = 0;; ++which, ++runs) {
      Place place;
      const std::string before = place.picture();
      const auto [is_reached, request, done] = disturb(place, {"rm", {}}, how, which);
      if (!is_reached) break;
      SCOPED_TRACE(fmt::format("{} {} {}", static_cast<int>(how), which, request));
      if (done.code == 0) {
        EXPECT_EQ(place.picture(), "");
      }
      place.engine.set_clock(std::chrono::seconds(70));
      const auto next = place.run({"rm", {}});
      EXPECT_EQ(next.code, 0) << next.out << next.err;
      EXPECT_EQ(place.picture(), "");
      EXPECT_NE(before, "");
    }
  }
  EXPECT_GT(runs, 30);
}

}  // namespace
}  // namespace pca
