// Nodes of a real swarm: drained, active again, labelled.

#include <gtest/gtest.h>

#include <csignal>

#include "support/comes_true.hpp"
#include "support/swarm_test.hpp"

namespace pca {
namespace {

using namespace test;

class SwarmNodes : public SwarmTest {
 protected:
  void TearDown() override {
    if (!engine_) return;
    SwarmTest::TearDown();
    for (const auto& [name, one] : nodes()) {
      if (set(one, "active")) continue;
      ADD_FAILURE() << name << " stays " << one.find("Spec")->dump();
    }
  }

  [[nodiscard]] SwarmStep::Result node(std::vector<std::string> arguments) const {
    return step_->run("node", arguments);
  }
  // By hostname.
  [[nodiscard]] std::map<std::string, Json> nodes() const {
    const auto list = engine_->json(budget(), {.path = "/nodes"});
    std::map<std::string, Json> found;
    if (!list) return found;
    for (const Json& one : *list->as_array())
      found[one.find("Description")->text_of("Hostname")] = one;
    return found;
  }
  [[nodiscard]] bool set(const Json& one, const std::string& availability) const {
    Json spec = *one.find("Spec");
    spec.set("Availability", availability).set("Labels", Json::object());
    return engine_
        ->json(budget(), {.method = "POST",
                          .path = fmt::format("/nodes/{}/update?version={}", one.text_of("ID"),
                                              *one.find("Version")->find("Index")->as_int()),
                          .body = spec.dump()})
        .has_value();
  }
  [[nodiscard]] std::string availability(const std::string& name) const {
    return nodes().at(name).find("Spec")->text_of("Availability");
  }
  // Of the stack's running tasks.
  [[nodiscard]] std::map<std::string, int> places() const {
    std::map<std::string, std::string> names;
    for (const auto& [name, one] : nodes()) names[one.text_of("ID")] = name;
    const std::vector<std::pair<std::string, std::string>> terms{
        {"label", "com.docker.stack.namespace=" + stack()}};
    const auto tasks = engine_->json(budget(), {.path = "/tasks?" + engine_filter(terms)});
    std::map<std::string, int> found;
    if (!tasks) return found;
    for (const Json& task : *tasks->as_array()) {
      if (task.find("Status")->text_of("State") == "running")
        ++found[names[task.text_of("NodeID")]];
    }
    return found;
  }
  // Deploys what then runs on that node only, as the others take nothing meanwhile.
  void deploy_to(const std::string& name, const std::string& services) {
    std::vector<std::string> others;
    for (const auto& [other, one] : nodes()) {
      if (other != name) others.push_back(other);
    }
    others.insert(others.begin(), "pause");
    const auto paused = node(others);
    ASSERT_EQ(paused.code, 0) << paused.out << paused.err;
    const auto deployed = deploy(services);
    ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
    others.front() = "active";
    ASSERT_EQ(node(others).code, 0);
    ASSERT_EQ(places().size(), 1U);
  }
};

// It takes its time to stop.
const std::string slow =
    "  slow:\n    image: app:v1\n    command: [sh, -c, \"trap '' TERM; while :; do sleep 0.2; "
    "done\"]\n    stop_grace_period: 8s\n    deploy: {endpoint_mode: dnsrr}\n";

TEST_F(SwarmNodes, ADrainWaitsUntilTheTasksRunElsewhere) {
  const std::string files = service("web", serve, "      replicas: 3\n") +
                            service("every", serve, "      mode: global\n");
  ASSERT_EQ(deploy(files).code, 0);
  ASSERT_EQ(places(), (std::map<std::string, int>{{"node1", 2}, {"node2", 2}, {"node3", 2}}));
  const auto planned = node({"drain", "node3", "--dry-run"});
  EXPECT_EQ(planned.code, 0) << planned.out << planned.err;
  EXPECT_EQ(planned.outputs.at("outcome"), "planned");
  EXPECT_NE(planned.out.find(named("web") + ": 1 tasks leave"), std::string::npos) << planned.out;
  EXPECT_EQ(availability("node3"), "active");

  const auto drained = node({"drain", "node3", "--settle", "1s"});
  ASSERT_EQ(drained.code, 0) << drained.out << drained.err;
  const auto after = places();
  EXPECT_EQ(after.count("node3"), 0U);
  EXPECT_EQ(after.at("node1") + after.at("node2"), 5);
  EXPECT_EQ(availability("node3"), "drain");
  EXPECT_EQ(drained.outputs.at("outcome"), "changed");
  EXPECT_EQ(drained.outputs.at("changed"), "1");
  for (const std::string& line :
       {std::string("node3: availability active -> drain"), std::string("node3: no task is left"),
        named("web") + ": 3 of 3 tasks run"}) {
    EXPECT_NE(drained.out.find(line), std::string::npos) << line << "\n" << drained.out;
  }
  EXPECT_NE(drained.summary.find("| node3 | worker | drain | ready |  | 0 |"), std::string::npos)
      << drained.summary;

  const auto unchanged = deploy(files);  // of a node less nothing is missing
  EXPECT_EQ(unchanged.code, 0) << unchanged.out << unchanged.err;
  EXPECT_EQ(unchanged.outputs.at("outcome"), "unchanged");

  const auto again = node({"drain", "node3"});
  EXPECT_EQ(again.code, 0) << again.out << again.err;
  EXPECT_EQ(again.outputs.at("outcome"), "unchanged");

  const auto active = node({"active", "node3"});
  EXPECT_EQ(active.code, 0) << active.out << active.err;
  EXPECT_EQ(active.outputs.at("changed"), "1");
  EXPECT_TRUE(comes_true([this] { return places()["node3"] == 1; }));
}

TEST_F(SwarmNodes, WhatWouldBeAnOutageIsRefusedUnlessForced) {
  ASSERT_EQ(deploy(service("pinned", serve,
                           "      placement: {constraints: [node.hostname == node2]}\n") +
                   service("web", serve))
                .code,
            0);
  const auto refused = node({"drain", "node2"});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find(named("pinned") + ": 1 of 1 tasks: no other node that is ready and "
                                               "active meets node.hostname == node2"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ(availability("node2"), "active");
  const auto all = node({"drain", "node1", "node2", "node3"});
  EXPECT_EQ(all.code, 1) << all.out << all.err;
  EXPECT_NE(all.err.find("no other node is ready and active"), std::string::npos) << all.err;

  const auto forced = node({"drain", "node2", "--force", "--settle", "1s"});
  EXPECT_EQ(forced.code, 0) << forced.out << forced.err;
  EXPECT_NE(forced.err.find(named("pinned")), std::string::npos) << forced.err;
  EXPECT_EQ(places().count("node2"), 0U);
  ASSERT_EQ(node({"active", "node2"}).code, 0);
  EXPECT_TRUE(comes_true([this] { return places()["node2"] == 1; }));
}

// As a swarm does it: whoever is not started again is not started elsewhere either.
TEST_F(SwarmNodes, AOneShotThatRunsIsNotCutOff) {
  std::string once = service("once", serve);
  once.replace(once.find("{delay: 300ms}"), 14, "{condition: none}");
  deploy_to("node2", once);
  const auto refused = node({"drain", "node2"});
  EXPECT_EQ(refused.code, 1) << refused.out << refused.err;
  EXPECT_NE(refused.err.find("its restart condition is none"), std::string::npos) << refused.err;
  const auto forced = node({"drain", "node2", "--force", "--settle", "1s"});
  EXPECT_EQ(forced.code, 0) << forced.out << forced.err;
  EXPECT_TRUE(places().empty()) << "it came elsewhere after all";
}

// Its container is well on node2 only.
TEST_F(SwarmNodes, ADrainThatFailsMakesTheNodeActiveAgain) {
  deploy_to("node2", service("picky",
                             "[ $$(cat /proc/sys/kernel/hostname) = node2 ] || exit 3; trap 'exit "
                             "0' TERM; while :; do "
                             "sleep 0.2; done",
                             "", "    hostname: '{{.Node.Hostname}}'\n"));
  const auto failed = node({"drain", "node2"});
  EXPECT_EQ(failed.code, 3) << failed.out << failed.err;
  EXPECT_EQ(failed.outputs.at("outcome"), "rolled-back");
  EXPECT_EQ(failed.outputs.at("failed-service"), named("picky"));
  EXPECT_EQ(failed.outputs.at("failure-reason"), "crash");
  EXPECT_NE(failed.err.find("The nodes are as they were before"), std::string::npos) << failed.err;
  EXPECT_EQ(availability("node2"), "active");
}

TEST_F(SwarmNodes, OnFailureLeaveLeavesItDrained) {
  deploy_to("node2", slow);
  const auto failed = node({"drain", "node2", "--on-failure", "leave", "--timeout", "2s"});
  EXPECT_EQ(failed.code, 6) << failed.out << failed.err;
  EXPECT_EQ(failed.outputs.at("outcome"), "failed");
  EXPECT_NE(failed.err.find("node2: 1 task is still there"), std::string::npos) << failed.err;
  EXPECT_EQ(availability("node2"), "drain");
}

TEST_F(SwarmNodes, ACancelAndATimeoutMakeTheNodeActiveAgain) {
  deploy_to("node2", slow);
  Process process = step_->start("node", {"drain", "node2"});
  ASSERT_TRUE(process.wait_for("node2: 1 task is still there", std::chrono::seconds(20)))
      << process.out() << process.err();
  const auto sent = Clock::now();
  process.send(SIGTERM);
  const auto cancelled = step_->result_of(process);
  EXPECT_EQ(cancelled.code, 128 + SIGTERM) << cancelled.out << cancelled.err;
  EXPECT_LT(ms_since(sent), 7000);
  EXPECT_EQ(cancelled.outputs.at("outcome"), "rolled-back");
  EXPECT_EQ(availability("node2"), "active");

  const auto late = node({"drain", "node2", "--timeout", "2s"});
  EXPECT_EQ(late.code, 3) << late.out << late.err;
  EXPECT_NE(late.err.find("timed out while waiting"), std::string::npos) << late.err;
  EXPECT_EQ(availability("node2"), "active");
}

TEST_F(SwarmNodes, LabelsAreChangedAndOnlyWhatDiffersIsWritten) {
  const auto labels = [this](const std::string& name) {
    return nodes().at(name).find("Spec")->find("Labels")->dump();
  };
  const auto set = node({"labels", "node1", "node2", "--labels", "disk=ssd", "--labels", "old=1"});
  ASSERT_EQ(set.code, 0) << set.out << set.err;
  EXPECT_EQ(set.outputs.at("changed"), "2");
  EXPECT_EQ(labels("node2"), R"({"disk":"ssd","old":"1"})");
  EXPECT_NE(set.summary.find("disk=ssd, old=1"), std::string::npos) << set.summary;

  const std::string before = nodes().at("node1").find("Version")->dump();
  const auto one = node({"labels", "node1", nodes().at("node2").text_of("ID").substr(0, 12),
                         "--labels", "old-", "--labels", "disk=ssd"});
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  EXPECT_EQ(one.outputs.at("changed"), "2");
  EXPECT_NE(nodes().at("node1").find("Version")->dump(), before);
  // The swarm itself writes of its nodes as well, but not each time.
  EXPECT_TRUE(comes_true([&] {
    const std::string later = nodes().at("node1").find("Version")->dump();
    const auto none = node({"labels", "node1", "--labels", "old-", "--labels", "disk=ssd"});
    EXPECT_EQ(none.outputs.at("outcome"), "unchanged");
    return nodes().at("node1").find("Version")->dump() == later;
  }));

  // A service goes where the label says.
  ASSERT_EQ(deploy(service("web", serve,
                           "      replicas: 2\n      placement: {constraints: "
                           "[node.labels.disk == ssd]}\n"))
                .code,
            0);
  EXPECT_EQ(places().count("node3"), 0U);
}

TEST_F(SwarmNodes, ANameThatIsNoneIsBadInput) {
  const auto bad = node({"drain", "nodde2", "elsewhere"});
  EXPECT_EQ(bad.code, 2) << bad.out << bad.err;
  EXPECT_NE(bad.err.find("\"nodde2\" is no node of the swarm. Did you mean node2?"),
            std::string::npos)
      << bad.err;
  EXPECT_NE(bad.err.find("\"elsewhere\" is no node of the swarm. The swarm has "),
            std::string::npos)
      << bad.err;
  const auto list = node({});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("node1  leader  active"), std::string::npos) << list.out;
  EXPECT_NE(list.outputs.at("nodes").find(R"("hostname":"node3")"), std::string::npos);
}

}  // namespace
}  // namespace pca
