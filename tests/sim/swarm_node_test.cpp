// Nodes of a swarm on an Engine that only remembers: what is written when a write fails, its answer
// is lost, or somebody else writes too.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>

#include "support/comes_true.hpp"
#include "support/fake_engine.hpp"
#include "support/swarm_step.hpp"

namespace pca {
namespace {

using namespace test;

class SwarmNode : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"node1", "node2", "node3"}) put(name);
  }

  static Json spec_of(const std::string& availability, Json labels = Json::object()) {
    return Json::object()
        .set("Role", "worker")
        .set("Availability", availability)
        .set("Labels", std::move(labels));
  }
  void put(const std::string& name, const Json& spec = spec_of("active"), int version = 5,
           const std::string& state = "ready") {
    Json node = Json::object();
    node.set("ID", name + "-id")
        .set("Version", Json::object().set("Index", version))
        .set("Spec", spec)
        .set("Description", Json::object().set("Hostname", name))
        .set("Status", Json::object().set("State", state));
    fake.put("nodes", node);
  }
  // A task of a service that the fake knows.
  void put_task(const std::string& id, const std::string& node, const std::string& state,
                const std::string& desired = "running", int slot = 1) {
    Json task = Json::object();
    task.set("ID", id)
        .set("ServiceID", "web-id")
        .set("NodeID", node + "-id")
        .set("Slot", slot)
        .set("DesiredState", desired)
        .set("Status", Json::object().set("State", state));
    fake.put("tasks", task);
  }
  void put_service(int replicas = 1, const std::string& constraint = "") {
    const Json mode = Json::object().set("Replicated", Json::object().set("Replicas", replicas));
    Json constraints = Json::array();
    if (!constraint.empty()) constraints.push(constraint);
    const Json task =
        Json::object().set("Placement", Json::object().set("Constraints", std::move(constraints)));
    fake.put("services", Json::object()
                             .set("ID", "web-id")
                             .set("Version", Json::object().set("Index", 1))
                             .set("Spec", Json::object()
                                              .set("Name", "shop_web")
                                              .set("Mode", mode)
                                              .set("TaskTemplate", task)));
  }
  SwarmStep::Result node(const std::vector<std::string>& arguments) const {
    return step.run("node", arguments);
  }
  [[nodiscard]] std::string picture() const {
    std::string text;
    for (const char* name : {"node1", "node2", "node3"}) {
      const Json spec = *find(name).find("Spec");
      text += fmt::format("{} {} {}\n", name, spec.text_of("Availability"),
                          spec.find("Labels")->dump());
    }
    return text;
  }
  [[nodiscard]] Json find(const std::string& name) const {
    return fake.all("nodes").at(name + "-id");
  }
  static bool is_write(const FakeEngine::Request& request, const std::string& name) {
    return request.method == "POST" && request.path == "/nodes/" + name + "-id/update";
  }
  // The first write of that node meets what somebody else did to it a moment before.
  void overtake(const std::string& name, const Json& theirs) {
    fake.set_answer([this, name, theirs, done = std::make_shared<std::atomic<bool>>(false)](
                        const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
      if (is_write(request, name) && !done->exchange(true)) put(name, theirs, 9);
      return std::nullopt;
    });
  }

  FakeEngine fake;
  SwarmStep step{fake.socket()};
};

TEST_F(SwarmNode, WhatOthersWriteElsewhereOnTheNodeStays) {
  overtake("node2", spec_of("active", Json::object().set("theirs", "1")));
  const auto drained = node({"drain", "node2"});
  EXPECT_EQ(drained.code, 0) << drained.out << drained.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 drain {\"theirs\":\"1\"}\nnode3 active {}\n");
}

TEST_F(SwarmNode, WhatOthersMakeOfTheSameIsAConflict) {
  overtake("node2", spec_of("pause"));
  const auto drained = node({"drain", "node1", "node2"});
  EXPECT_EQ(drained.code, 3) << drained.out << drained.err;
  EXPECT_NE(drained.err.find("node2 could not be changed: somebody else changes the same of it"),
            std::string::npos)
      << drained.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 pause {}\nnode3 active {}\n");
  overtake("node3", spec_of("pause"));
  const auto alone = node({"drain", "node3"});
  EXPECT_EQ(alone.code, 7) << alone.out << alone.err;
}

TEST_F(SwarmNode, ALostAnswerIsNoFailure) {
  std::atomic<int> count = 0;
  fake.lose_answers([&](const FakeEngine::Request& request) {
    return is_write(request, "node2") && count++ == 0;
  });
  const auto labelled = node({"labels", "node2", "--labels", "a=b"});
  EXPECT_EQ(labelled.code, 0) << labelled.out << labelled.err;
  EXPECT_EQ(labelled.outputs.at("changed"), "1");
  EXPECT_EQ(picture(), "node1 active {}\nnode2 active {\"a\":\"b\"}\nnode3 active {}\n");
  EXPECT_EQ(find("node2").find("Version")->dump(), R"({"Index":1})") << "it is written once";
  EXPECT_EQ(node({"labels", "node2", "--labels", "a=b"}).outputs.at("outcome"), "unchanged");
  EXPECT_EQ(find("node2").find("Version")->dump(), R"({"Index":1})");
}

TEST_F(SwarmNode, AWriteThatFailsBringsBackTheOnesBefore) {
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (!is_write(request, "node2")) return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  put("node1", spec_of("active", Json::object().set("a", "0").set("kept", "1")));
  const std::string before = picture();
  const auto labelled = node({"labels", "node1", "node2", "--labels", "a=b", "--labels", "c=d"});
  EXPECT_EQ(labelled.code, 3) << labelled.out << labelled.err;
  EXPECT_EQ(labelled.outputs.at("outcome"), "rolled-back");
  EXPECT_NE(labelled.err.find("the disk is full"), std::string::npos) << labelled.err;
  EXPECT_EQ(picture(), before);
  const auto first = node({"labels", "node2", "--labels", "a=b"});
  EXPECT_EQ(first.code, 1) << first.out << first.err;  // nothing was written
}

TEST_F(SwarmNode, WhatCannotBeBroughtBackIsToldAsUnknown) {
  fake.set_answer([](const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    const bool is_undo =
        is_write(request, "node1") && request.body.text_of("Availability") == "active";
    if (!is_undo && !is_write(request, "node2")) return std::nullopt;
    return FakeEngine::Answer{500, R"({"message":"the disk is full"})"};
  });
  const auto drained = node({"drain", "node1", "node2"});
  EXPECT_EQ(drained.code, 4) << drained.out << drained.err;
  EXPECT_EQ(drained.outputs.at("outcome"), "unknown");
  EXPECT_EQ(drained.outputs.at("changed"), "1");
  EXPECT_NE(drained.err.find("restoring node1"), std::string::npos) << drained.err;
  EXPECT_NE(drained.err.find("swarm-deploy node list"), std::string::npos) << drained.err;
}

TEST_F(SwarmNode, ANodeThatIsNotReadyIsNotTakenIntoService) {
  put("node2", spec_of("drain"), 5, "down");
  const auto active = node({"active", "node2", "--timeout", "1s"});
  EXPECT_EQ(active.code, 3) << active.out << active.err;
  EXPECT_NE(active.err.find("timed out while waiting: node2: down"), std::string::npos)
      << active.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 drain {}\nnode3 active {}\n");
}

// Which of the two is to win nobody can say.
TEST_F(SwarmNode, ANodeThatSomebodyMakesActiveMeanwhileIsLeftToThem) {
  put_service();
  put_task("one", "node2", "running");
  Process process = step.start("node", {"drain", "node2"});
  ASSERT_TRUE(process.wait_for("node2: 1 task is still there", std::chrono::seconds(20)))
      << process.out() << process.err();
  put("node2", spec_of("pause"), 20);
  const auto drained = step.result_of(process);
  EXPECT_EQ(drained.code, 3) << drained.out << drained.err;
  EXPECT_NE(drained.err.find("node2 was made pause meanwhile"), std::string::npos) << drained.err;
  EXPECT_NE(drained.err.find("node2 stays as somebody else made it meanwhile"), std::string::npos)
      << drained.err;
  EXPECT_EQ(drained.err.find("The nodes are as they were"), std::string::npos) << drained.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 pause {}\nnode3 active {}\n");
}

TEST_F(SwarmNode, ADrainIsOverWhenItsTasksRunElsewhere) {
  put_service();
  put_task("one", "node2", "running");
  Process process = step.start("node", {"drain", "node2", "--settle", "0s"});
  ASSERT_TRUE(process.wait_for("node2: 1 task is still there", std::chrono::seconds(20)))
      << process.out() << process.err();
  ASSERT_TRUE(process.wait_for("shop_web: 0 of 1 tasks run", std::chrono::seconds(20)));
  put_task("one", "node2", "running", "shutdown");
  put_task("two", "node3", "running");
  ASSERT_TRUE(process.wait_for("shop_web: 1 of 1 tasks run", std::chrono::seconds(20)));
  const std::size_t looks = fake.requests().size();
  ASSERT_TRUE(comes_true([&] { return fake.requests().size() > looks + 4; }));
  put_task("one", "node2", "shutdown", "shutdown");
  const auto drained = step.result_of(process);
  EXPECT_EQ(drained.code, 0) << drained.out << drained.err;
  EXPECT_NE(drained.out.find("node2: no task is left"), std::string::npos) << drained.out;
}

TEST_F(SwarmNode, AServiceThatIsScaledDownMeanwhileKeepsNoDrainWaiting) {
  put_service(2);
  put_task("one", "node1", "running");
  put_task("two", "node2", "running", "running", 2);
  Process process = step.start("node", {"drain", "node2", "--settle", "0s"});
  ASSERT_TRUE(process.wait_for("shop_web: 1 of 2 tasks run", std::chrono::seconds(20)))
      << process.out() << process.err();
  put_service(1);
  put_task("two", "node2", "shutdown", "shutdown", 2);
  const auto drained = step.result_of(process);
  EXPECT_EQ(drained.code, 0) << drained.out << drained.err;
}

// Each of them has seen the other node active.
TEST_F(SwarmNode, TwoDrainsAtOnceDoNotEmptyTheSwarm) {
  fake.set_answer([this, done = std::make_shared<std::atomic<bool>>(false)](
                      const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (is_write(request, "node1") && !done->exchange(true)) {
      put("node2", spec_of("drain"), 9);
      put("node3", spec_of("drain"), 9);
    }
    return std::nullopt;
  });
  const auto drained = node({"drain", "node1"});
  EXPECT_EQ(drained.code, 3) << drained.out << drained.err;
  EXPECT_NE(drained.err.find("no node takes tasks any more"), std::string::npos) << drained.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 drain {}\nnode3 drain {}\n");
}

TEST_F(SwarmNode, PauseRefusesTheLastNode) {
  put("node1", spec_of("drain"));
  put("node3", spec_of("active"), 5, "down");
  const auto refused = node({"pause", "node2"});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("no other node is ready and active"), std::string::npos)
      << refused.err;
  EXPECT_EQ(node({"pause", "node2", "--force"}).code, 0);
  EXPECT_EQ(fake.writes().size(), 1U);
}

TEST_F(SwarmNode, ATableShowsTheNodesThatWereNamed) {
  const auto one = node({"list", "node2"});
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  for (const std::string& text : {one.out, one.summary, one.outputs.at("nodes")}) {
    EXPECT_NE(text.find("node2"), std::string::npos) << text;
    EXPECT_EQ(text.find("node1"), std::string::npos) << text;
    EXPECT_EQ(text.find("node3"), std::string::npos) << text;
  }
  const auto all = node({"list"});
  EXPECT_NE(all.out.find("node1"), std::string::npos) << all.out;
}

TEST_F(SwarmNode, LabelsAreReadAgainAndToldAsTheyAreNow) {
  put("node2", spec_of("active", Json::object().set("kept", "1").set("old", "x")));
  overtake("node2",
           spec_of("active", Json::object().set("kept", "1").set("old", "x").set("theirs", "2")));
  const auto labelled = node({"labels", "node2", "--labels", "a=b", "--labels", "old-"});
  EXPECT_EQ(labelled.code, 0) << labelled.out << labelled.err;
  EXPECT_NE(labelled.out.find("node2 is active now, labels a=b, kept=1, theirs=2"),
            std::string::npos)
      << labelled.out;
}

// The write was answered, and yet the node is not as asked for.
TEST_F(SwarmNode, LabelsThatSomebodyElseChangesRightAfterAreAConflict) {
  const std::string before = picture();
  fake.set_answer([this, is_written = std::make_shared<std::atomic<bool>>(false),
                   is_theirs = std::make_shared<std::atomic<bool>>(false)](
                      const FakeEngine::Request& request) -> std::optional<FakeEngine::Answer> {
    if (is_write(request, "node3")) *is_written = true;
    const bool is_look = request.method == "GET" && request.path.starts_with("/nodes");
    if (is_look && *is_written && !is_theirs->exchange(true))
      put("node2", spec_of("active", Json::object().set("a", "theirs")), 20);
    return std::nullopt;
  });
  const auto labelled = node({"labels", "node2", "node3", "--labels", "a=b"});
  EXPECT_EQ(labelled.code, 3) << labelled.out << labelled.err;
  EXPECT_NE(labelled.err.find("node2 was changed meanwhile: label a: theirs"), std::string::npos)
      << labelled.err;
  EXPECT_NE(labelled.err.find("node2 stays as somebody else made it meanwhile"), std::string::npos)
      << labelled.err;
  EXPECT_EQ(picture(), "node1 active {}\nnode2 active {\"a\":\"theirs\"}\nnode3 active {}\n");
}

TEST_F(SwarmNode, TasksThatOtherLabelsSendAwayAreWaitedFor) {
  const Json ssd = Json::object().set("disk", "ssd");
  put("node1", spec_of("active", ssd));
  put("node3", spec_of("active", ssd));
  put_service(1, "node.labels.disk==ssd");
  put_task("one", "node1", "running");
  Process process =
      step.start("node", {"labels", "node1", "--labels", "disk=hdd", "--settle", "0s"});
  ASSERT_TRUE(process.wait_for("shop_web: 0 of 1 tasks run", std::chrono::seconds(20)))
      << process.out() << process.err();
  put_task("one", "node1", "rejected", "shutdown");
  put_task("two", "node3", "running");
  const auto labelled = step.result_of(process);
  EXPECT_EQ(labelled.code, 0) << labelled.out << labelled.err;
  EXPECT_NE(labelled.out.find("shop_web: 1 of 1 tasks run"), std::string::npos) << labelled.out;
  EXPECT_NE(labelled.out.find("node1 is active now, labels disk=hdd"), std::string::npos)
      << labelled.out;
}

}  // namespace
}  // namespace pca
