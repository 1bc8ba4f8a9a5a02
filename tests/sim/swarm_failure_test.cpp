// Services that fail, as an Engine tells it: which failures count, and what people are told of
// them.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca {
namespace {

using namespace test;

std::string service(const std::string& name, const std::string& tag = "v1",
                    const std::string& more = {}) {
  return fmt::format("  {}: {{image: 'app:{}'{}}}\n", name, tag, more);
}

// The greater `second` is, the later its state came.
Json task(const std::string& id, const std::string& of, int slot, const std::string& state,
          int second = 0) {
  const bool is_running = state == "running" || state == "starting";
  Json status = *parse_json(
      fmt::format(R"({{"Timestamp":"2026-11-29T17:00:{:02}.5Z","State":"{}","Err":"{}",)"
                  R"("ContainerStatus":{{"ExitCode":{}}}}})",
                  second, state, is_running ? "" : "task: non-zero exit (9)", is_running ? 0 : 9));
  Json one = Json::object();
  one.set("ID", id).set("ServiceID", "services-shop_" + of).set("NodeID", "node-1");
  one.set("Labels", Json::object().set("com.docker.stack.namespace", "shop"));
  one.set("Slot", slot).set("DesiredState", is_running ? "running" : "shutdown");
  return one.set("Status", std::move(status));
}

class SwarmFailure : public ::testing::Test {
 protected:
  SwarmFailure() {
    fake.put("nodes",
             *parse_json(R"({"ID":"node-1","Description":{"Hostname":"worker1"},)"
                         R"("Status":{"State":"ready"},"Spec":{"Availability":"active"}})"));
  }
  SwarmStep::Result deploy(const std::string& services, std::vector<std::string> more = {}) {
    step.write("services:\n" + services);
    more.insert(more.end(), {"--resolve-image", "never", "--settle", "0s"});
    return step.run("deploy", more);
  }
  SwarmStep::Result write(const std::string& services) {
    return deploy(services, {"--wait=false", "--prune"});
  }
  void put(const Json& one) { fake.put("tasks", one); }
  // Once there are services, and not before.
  void answer_tasks(const std::vector<Json>& tasks, const std::string& log = {}) {
    Json list = Json::array();
    for (const Json& one : tasks) list.push(one);
    fake.set_answer([this, text = list.dump(),
                     log](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (request.path == "/tasks" && !fake.objects("services").empty())
        return FakeEngine::Answer{200, text};
      if (!request.path.starts_with("/tasks/")) return std::nullopt;
      return FakeEngine::Answer{200, log.empty() ? "log of " + request.path.substr(7) : log};
    });
  }

  FakeEngine fake;
  SwarmStep step{fake.socket()};
};

TEST_F(SwarmFailure, ARollbackLogsInToTheRegistry) {
  ASSERT_EQ(write(service("web") + service("old")).code, 0);
  ASSERT_EQ(write(service("web", "v2")).code, 0);
  const std::size_t before = fake.writes().size();
  step.variables["INPUT_REGISTRY_AUTH"] = "docker.io deploy canary-password";
  const auto back = step.run("rollback", {"--wait=false"});
  ASSERT_EQ(back.code, 0) << back.out << back.err;
  const auto writes = fake.writes();
  int found = 0;
  for (std::size_t i = before; i < writes.size(); ++i) {
    if (writes[i].path != "/services/create" && !writes[i].path.ends_with("shop_web/update"))
      continue;
    ++found;
    EXPECT_NE(writes[i].registry_auth, "") << writes[i].path;
  }
  EXPECT_EQ(found, 2);
  EXPECT_EQ((back.out + back.err).find("canary"), std::string::npos);
}

TEST_F(SwarmFailure, WhatFailedBeforeThisRunIsNotItsFailure) {
  ASSERT_EQ(write(service("api") + service("web")).code, 0);
  for (int i = 1; i <= 3; ++i) put(task(fmt::format("old-{}", i), "web", 1, "failed", i));
  put(task("now", "web", 1, "running", 4));
  put(task("api", "api", 1, "running", 1));
  const auto same = deploy(service("api") + service("web"));
  EXPECT_EQ(same.code, 0) << same.out << same.err;
  EXPECT_EQ(same.outputs.at("outcome"), "unchanged");
  const auto waited = step.run("wait", {"--settle", "0s"});
  EXPECT_EQ(waited.code, 0) << waited.out << waited.err;
  const auto other = deploy(service("api", "v2") + service("web"));
  EXPECT_EQ(other.code, 0) << other.out << other.err;
  EXPECT_EQ(other.outputs.at("outcome"), "deployed");
  // Written without another task, it keeps those that it has.
  const auto labelled =
      deploy(service("api", "v2") + service("web", "v1", ", deploy: {labels: {colour: red}}"));
  EXPECT_EQ(labelled.code, 0) << labelled.out << labelled.err;
  EXPECT_EQ(labelled.outputs.at("updated"), "1");
}

// Nothing comes after it.
TEST_F(SwarmFailure, AOneShotThatFailedBeforeHasFailed) {
  const std::string once = ", deploy: {restart_policy: {condition: none}}";
  ASSERT_EQ(write(service("web", "v1", once)).code, 0);
  put(task("old", "web", 1, "failed", 1));
  const auto same = deploy(service("web", "v1", once));
  EXPECT_EQ(same.code, 1) << same.out << same.err;
  EXPECT_NE(same.err.find("shop_web: its task failed: task: non-zero exit (9)"), std::string::npos)
      << same.err;
}

// All of api's tasks failed once, which is no reason to give up.
TEST_F(SwarmFailure, TheLogIsThatOfTheServiceThatFailed) {
  std::vector<Json> tasks;
  for (int slot = 1; slot <= 6; ++slot) {
    tasks.push_back(task(fmt::format("a{}", slot), "api", slot, "failed", slot));
  }
  // The names are in no order.
  tasks.push_back(task("z3", "web", 1, "failed", 1));
  tasks.push_back(task("z2", "web", 1, "failed", 2));
  tasks.push_back(task("z1", "web", 1, "failed", 3));
  answer_tasks(tasks);
  const auto done = deploy(service("api", "v1", ", deploy: {replicas: 6}") + service("web"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failed-service"), "shop_web");
  EXPECT_NE(done.out.find("log of z1"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find("log of a"), std::string::npos) << done.out;
}

TEST_F(SwarmFailure, WhoIsNotWellInTimeShowsItsNewestLog) {
  answer_tasks({task("a", "api", 1, "running", 9), task("w1", "web", 1, "failed", 1),
                task("w2", "web", 1, "starting", 2)});
  const auto done = deploy(service("api") + service("web"), {"--timeout", "1s"});
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_EQ(done.outputs.at("failed-service"), "shop_web");
  EXPECT_EQ(done.outputs.at("failure-reason"), "timeout");
  EXPECT_NE(done.out.find("log of w2"), std::string::npos) << done.out;
  EXPECT_EQ(done.out.find("log of a"), std::string::npos) << done.out;
}

TEST_F(SwarmFailure, AllThatCouldNotBeBroughtBackIsNamed) {
  const std::string first = service("api") + service("db") + service("web");
  ASSERT_EQ(write(first).code, 0);
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    const bool is_old = request.body.dump().find("app:v1") != std::string::npos;
    const bool is_update = request.path.ends_with("/update");
    const bool is_refused = request.path == "/services/services-shop_db/update" ||
                            (is_update && is_old && request.path.starts_with("/services/")) ||
                            (request.method == "DELETE" && request.path.ends_with("shop_more"));
    if (!is_refused) return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto done =
      deploy(service("api", "v2") + service("db", "v2") + service("more") + service("web", "v2"));
  EXPECT_EQ(done.code, 4) << done.out << done.err;
  for (const char* name :
       {"while restoring shop_api", "while restoring shop_web", "shop_more could not be removed"}) {
    EXPECT_NE(done.err.find(name), std::string::npos) << name << "\n" << done.err;
  }
}

// Its log is read when it fails first, and is gone when the service has failed.
TEST_F(SwarmFailure, AFailureIsToldWithAllThatIsKnownOfIt) {
  std::string lines;
  for (int line = 1; line <= 60; ++line) lines += fmt::format("line {}.\n", line);
  std::atomic<int> looks = 0;
  std::atomic<int> logs = 0;
  fake.set_answer([&](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (request.path == "/tasks" && !fake.objects("services").empty()) {
      Json list = Json::array();
      const int so_far = std::min(++looks, 3);
      for (int i = 1; i <= so_far; ++i)
        list.push(task(fmt::format("w{}", i), "web", 1, "failed", i));
      return FakeEngine::Answer{200, list.dump()};
    }
    if (!request.path.starts_with("/tasks/")) return std::nullopt;
    if (++logs > 1) return FakeEngine::Answer{404, R"({"message":"no such task"})"};
    return FakeEngine::Answer{200, lines};
  });
  step.variables["GITHUB_ACTIONS"] = "true";
  const auto done = deploy(service("web"));
  EXPECT_EQ(done.code, 3) << done.out << done.err;
  EXPECT_GT(logs, 1);
  const std::size_t at = done.out.find("::error");
  ASSERT_NE(at, std::string::npos) << done.out;
  const std::string annotation = done.out.substr(at, done.out.find('\n', at) - at);
  EXPECT_NE(annotation.find("shop_web: 3 of its tasks failed, the last: task: non-zero exit (9) "
                            "(crash, exit code 9, on worker1)"),
            std::string::npos)
      << annotation;
  EXPECT_NE(annotation.find("look at its log"), std::string::npos) << annotation;
  for (const char* row : {"| failed | shop&#95;web |", "| category | crash |", "| node | worker1 |",
                          "| exit code | 9 |", "| cure | It ended by itself"}) {
    EXPECT_NE(done.summary.find(row), std::string::npos) << row << "\n" << done.summary;
  }
  for (const std::string& text : {done.out, done.summary}) {
    EXPECT_NE(text.find("line 60."), std::string::npos) << text;
    EXPECT_NE(text.find("line 11."), std::string::npos) << text;
    EXPECT_EQ(text.find("line 10."), std::string::npos) << text;
  }
  const auto report = parse_json(step.folder().read(split(done.outputs.at("report"), '/').back()));
  ASSERT_TRUE(report);
  const Json* failed = report->find("failed");
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->text_of("reason"), "crash");
  EXPECT_NE(failed->text_of("cure"), "");
  ASSERT_NE(failed->find("exit-code"), nullptr);
  EXPECT_EQ(failed->find("exit-code")->dump(), "9");
}

}  // namespace
}  // namespace pca
