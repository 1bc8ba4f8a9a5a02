// Deploys that wait on an Engine that tells of events, of nothing, or nonsense.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca {
namespace {

using namespace test;

constexpr const char* update =
    R"({"Type":"service","Action":"update","Actor":{"ID":"x","Attributes":{"name":"shop_web"}}})"
    "\n";

class SwarmEventsOfADeploy : public ::testing::Test {
 protected:
  void SetUp() override {
    fake.set_answer([this](const FakeEngine::Request& request) { return answer(request); });
    step.write(
        "services:\n"
        "  web: {image: 'app:v1', networks: [front]}\n"
        "  db: {image: 'app:v1', networks: [front]}\n"
        "networks: {front: {}}\n");
  }
  std::optional<FakeEngine::Answer> answer(const FakeEngine::Request& request) {
    if (request.path == "/events" && events_answer) return events_answer;
    if (request.path != "/tasks") return std::nullopt;
    Json tasks = Json::array();
    for (const auto& [name, service] : fake.objects("services")) {
      Json status = Json::object();
      Json task = Json::object();
      task.set("ID", "task-" + name).set("ServiceID", service.text_of("ID")).set("Slot", 1);
      task.set("DesiredState", "running");
      task.set("Status", status.set("State", runs ? "running" : "starting"));
      tasks.push(std::move(task));
    }
    return FakeEngine::Answer{200, tasks.dump()};
  }
  [[nodiscard]] Process start() const {
    return step.start("deploy", {"--resolve-image", "never", "--settle", "0s", "--debug"});
  }
  [[nodiscard]] SwarmStep::Result deploy() const {
    Process process = start();
    return step.result_of(process);
  }
  [[nodiscard]] std::size_t times_asked(const std::string& path) const {
    const auto all = fake.requests();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(),
                      [&](const FakeEngine::Request& request) { return request.path == path; }));
  }

  std::atomic<bool> runs = false;
  std::optional<FakeEngine::Answer> events_answer;
  FakeEngine fake;
  SwarmStep step{fake.socket()};
};

TEST_F(SwarmEventsOfADeploy, AnEventMakesItLookAgain) {
  Process process = start();
  ASSERT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
  fake.tell(update);
  ASSERT_TRUE(
      process.wait_for("because of an event: service shop_web: update", std::chrono::seconds(20)));
  runs = true;
  fake.tell(update);
  const auto deployed = step.result_of(process);
  EXPECT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_EQ(deployed.outputs.at("outcome"), "deployed");
  EXPECT_TRUE(comes_true([&] { return fake.listeners() == 0; }));
}

// Beside the services and the tasks of each look. The others: what is read for the plan (8), two
// services and a network, the lock (2), what the history keeps (4).
TEST_F(SwarmEventsOfADeploy, TheyCostOneRequest) {
  Process process = start();
  ASSERT_TRUE(comes_true([&] { return times_asked("/tasks") >= 4; }));
  runs = true;
  ASSERT_EQ(step.result_of(process).code, 0);
  const std::size_t looks = times_asked("/tasks") - 1;  // the first is for the plan
  EXPECT_EQ(times_asked("/events"), 1U);
  std::string sent;
  for (const auto& request : fake.requests())
    sent += request.method + " " + request.path + " " + request.query + "\n";
  EXPECT_EQ(fake.requests().size(), 17 + 1 + 2 * looks) << sent;
}

TEST_F(SwarmEventsOfADeploy, AnEngineThatTellsNothingOrNonsenseFailsNoDeploy) {
  runs = false;
  for (const auto& [status, body] : std::vector<std::pair<int, std::string>>{
           {403, R"({"message":"not for you"})"},
           {404, R"({"message":"page not found"})"},
           {500, std::string(300'000, '{')},
           {200, "garbage\n{\"Type\":\n"},
           {200, std::string(1'000'000, 'x') + "\n" + update}}) {
    SCOPED_TRACE(fmt::format("{} {}", status, body.substr(0, 40)));
    FakeEngine one;
    std::atomic<int> looks = 0;
    std::atomic<int> asked = 0;
    one.set_answer([&, code = status, text = body](
                       const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.path == "/events") {
        ++asked;
        return FakeEngine::Answer{code, text};
      }
      if (request.path != "/tasks") return std::nullopt;
      const bool is_well = ++looks >= 4;
      Json tasks = Json::array();
      for (const auto& [name, service] : one.objects("services")) {
        tasks.push(*parse_json(
            fmt::format(R"({{"ID":"t-{}","ServiceID":"{}","Slot":1,"DesiredState":"running",)"
                        R"("Status":{{"State":"{}"}}}})",
                        name, service.text_of("ID"), is_well ? "running" : "starting")));
      }
      return FakeEngine::Answer{200, tasks.dump()};
    });
    const SwarmStep on(one.socket());
    on.write("services:\n  web: {image: 'app:v1'}\n");
    const auto deployed =
        on.run("deploy", {"--resolve-image", "never", "--settle", "0s", "--debug"});
    EXPECT_EQ(deployed.code, 0) << deployed.out << deployed.err;
    EXPECT_EQ(deployed.outputs.at("outcome"), "deployed");
    EXPECT_NE(deployed.err.find("No events are heard any more"), std::string::npos) << deployed.err;
    EXPECT_EQ(asked, 1);
  }
}

TEST_F(SwarmEventsOfADeploy, AStormMakesFourLooksASecond) {
  Process process = start();
  ASSERT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
  const auto start_of_storm = Clock::now();
  const std::size_t before = times_asked("/tasks");
  constexpr std::size_t looks = 8;
  ASSERT_TRUE(comes_true([&] {
    fake.tell(update);
    return times_asked("/tasks") >= before + looks;
  }));
  // One look may have been on its way.
  EXPECT_GE(ms_since(start_of_storm), 250.0 * (looks - 1));
  runs = true;
  EXPECT_EQ(step.result_of(process).code, 0);
}

TEST_F(SwarmEventsOfADeploy, ACancelEndsThemWithEverythingElse) {
  Process process = start();
  ASSERT_TRUE(comes_true([&] { return fake.listeners() == 1; }));
  fake.tell(std::string(update).substr(0, 30));
  const auto since = Clock::now();
  process.send(SIGTERM);
  const auto cancelled = step.result_of(process);
  EXPECT_EQ(cancelled.code, 143) << cancelled.out << cancelled.err;
  EXPECT_LT(ms_since(since), 7000);
  EXPECT_TRUE(fake.objects("services").empty());
  EXPECT_TRUE(fake.objects("networks").empty());
  EXPECT_TRUE(comes_true([&] { return fake.listeners() == 0; }));
}

}  // namespace
}  // namespace pca
