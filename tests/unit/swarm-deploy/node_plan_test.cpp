#include "swarm-deploy/node_plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/text.hpp"

namespace pca::swarm_deploy {
namespace {

Json json(const std::string& text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

struct NodeFacts {
  std::string labels = "{}";
  std::string availability = "active";
  std::string state = "ready";
  std::string more = {};
};

// Its ID is its hostname and "-id".
std::string node_text(const std::string& name, const NodeFacts& facts = {}) {
  return fmt::format(
      R"({{"ID":"{0}-id","Version":{{"Index":7}},"Spec":{{"Role":"worker","Availability":"{2}",)"
      R"("Labels":{1}}},"Description":{{"Hostname":"{0}","Platform":{{"Architecture":"x86_64",)"
      R"("OS":"linux"}},"Resources":{{"NanoCPUs":2000000000,"MemoryBytes":1073741824}}}},)"
      R"("Status":{{"State":"{3}"}}{4}}})",
      name, facts.labels, facts.availability, facts.state, facts.more);
}

std::vector<SwarmNode> nodes_of(const std::vector<std::string>& texts) {
  return parse_nodes(json("[" + join(texts, ",") + "]"));
}

std::string service_text(const std::string& name, const std::string& task = "{}",
                         const std::string& more = "") {
  return fmt::format(
      R"({{"ID":"{0}-id","Version":{{"Index":1}},"Spec":{{"Name":"{0}","TaskTemplate":{1}{2}}}}})",
      name, task, more.empty() ? std::string() : "," + more);
}

Task task(const std::string& service, const std::string& node, const std::string& state = "running",
          const std::string& desired = "running") {
  Task one;
  one.id = service + node;
  one.service_id = service + "-id";
  one.node_id = node + "-id";
  one.state = state;
  one.desired_state = desired;
  return one;
}

DrainPlan drained(const std::vector<SwarmNode>& nodes, const std::vector<std::string>& services,
                  const std::vector<Task>& tasks, const std::set<std::string>& which = {"n1-id"}) {
  return plan_drain(nodes, which, json("[" + join(services, ",") + "]"), tasks);
}

std::vector<std::string> found(const std::vector<std::string>& names,
                               const std::vector<SwarmNode>& nodes, BadInputs& bad) {
  return find_nodes(names, nodes, bad);
}

TEST(FindNodesTest, AHostnameAnIdOrItsBeginning) {
  const auto nodes = nodes_of({node_text("worker1"), node_text("worker2"), node_text("manager")});
  BadInputs bad;
  EXPECT_EQ(found({"worker2", "worker1-id", "man", "worker2-id"}, nodes, bad),
            (std::vector<std::string>{"worker2-id", "worker1-id", "manager-id"}));
  EXPECT_TRUE(bad.empty());
}

TEST(FindNodesTest, WhatIsUnknownOrMayBeSeveralIsToldTogether) {
  const auto nodes = nodes_of({node_text("worker1"), node_text("worker2"), node_text("twin"),
                               R"({"ID":"other","Spec":{},"Description":{"Hostname":"twin"},)"
                               R"("Status":{"State":"down"}})"});
  BadInputs bad;
  EXPECT_TRUE(found({"worke", "wroker1", "twin", "x"}, nodes, bad).empty());
  ASSERT_EQ(bad.items().size(), 4U);
  EXPECT_EQ(bad.items()[0].text(),
            "nodes: \"worke\" begins the IDs of several: worker1 (worker1-id, ready), worker2 "
            "(worker2-id, ready). Give more of the ID, or the hostname.");
  EXPECT_EQ(bad.items()[1].text(),
            "nodes: \"wroker1\" is no node of the swarm. Did you mean worker1?");
  EXPECT_EQ(bad.items()[2].text(),
            "nodes: \"twin\" are several nodes: twin (twin-id, ready), twin (other, down). Give "
            "the ID of the one that is meant.");
  EXPECT_EQ(bad.items()[3].text(),
            "nodes: \"x\" is no node of the swarm. The swarm has worker1, worker2, twin, twin.");
}

TEST(LabelChangesTest, AreSetAndRemoved) {
  BadInputs bad;
  const NodeChange change =
      parse_label_changes(std::vector<std::string>{"disk=ssd", "a.b/c = x=y", "old-", "n-=-"}, bad);
  EXPECT_TRUE(bad.empty());
  const Json spec = json(R"({"Labels":{"old":"1","disk":"ssd","kept":""},"Role":"worker"})");
  EXPECT_EQ(changed_spec(spec, change).dump(),
            R"({"Labels":{"a.b/c":"x=y","disk":"ssd","kept":"","n-":"-"},"Role":"worker"})");
  EXPECT_EQ(missing_of(change, spec).labels.count("disk"), 0U);
  EXPECT_TRUE(is_empty(missing_of(change, changed_spec(spec, change))));
  EXPECT_EQ(describe(missing_of(change, spec), spec),
            "label a.b/c: x=y, label n-: -, label old: removed");
  // And back, with what somebody else added meanwhile.
  const Json later = changed_spec(changed_spec(spec, change), {.labels = {{"theirs", "1"}}});
  EXPECT_EQ(changed_spec(later, undo_of(missing_of(change, spec), spec)).dump(),
            R"({"Labels":{"disk":"ssd","kept":"","old":"1","theirs":"1"},"Role":"worker"})");
}

TEST(LabelChangesTest, MistakesAreToldTogether) {
  BadInputs bad;
  (void)parse_label_changes(std::vector<std::string>{"disk", "=x", "a b=c", "-", "k=1", "k-"}, bad);
  ASSERT_EQ(bad.items().size(), 5U);
  EXPECT_EQ(bad.items()[0].text(),
            "labels: \"disk\" says neither what the label is to be nor that it goes. Write "
            "disk=VALUE to set it, or disk- to remove it.");
  EXPECT_EQ(bad.items()[1].text(),
            "labels: \"\" is no name of a label. Write letters, digits, ., _, - and /.");
  EXPECT_EQ(bad.items()[4].text(), "labels: \"k\" is named twice. Name each label once.");
}

TEST(NodeChangeTest, IsOvertakenByWhatIsNeitherAsBeforeNorAsWanted) {
  const Json before = json(R"({"Availability":"active","Labels":{"a":"1"}})");
  const NodeChange drain{.availability = "drain"};
  EXPECT_FALSE(is_overtaken(drain, before, before));
  EXPECT_FALSE(is_overtaken(drain, before, json(R"({"Availability":"drain"})")));
  EXPECT_FALSE(is_overtaken(drain, before, json(R"({"Availability":"active","Labels":{}})")));
  EXPECT_TRUE(is_overtaken(drain, before, json(R"({"Availability":"pause"})")));
  const NodeChange label{.labels = {{"a", "2"}}};
  EXPECT_FALSE(is_overtaken(label, before, json(R"({"Availability":"drain","Labels":{"a":"1"}})")));
  EXPECT_TRUE(is_overtaken(label, before, json(R"({"Labels":{"a":"3"}})")));
  EXPECT_TRUE(is_overtaken(label, before, json(R"({"Labels":{}})")));
}

TEST(DrainPlanTest, WhatMayRunElsewhereIsNoProblem) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2")});
  const DrainPlan plan = drained(nodes, {service_text("web"), service_text("db")},
                                 {task("web", "n1"), task("web", "n2"), task("db", "n2"),
                                  task("db", "n1", "shutdown", "shutdown")});
  ASSERT_EQ(plan.services.size(), 1U);
  EXPECT_EQ(plan.services[0].service, "web");
  EXPECT_EQ(plan.services[0].tasks, 1);
  EXPECT_TRUE(plan.problems.empty());
}

std::vector<std::string> problems(const std::vector<SwarmNode>& nodes, const std::string& service,
                                  std::vector<Task> tasks = {}) {
  tasks.push_back(task("web", "n1"));
  return drained(nodes, {service}, tasks).problems;
}

std::string placed(const std::string& placement) {
  return service_text("web", R"({"Placement":)" + placement + "}");
}

TEST(DrainPlanTest, ConstraintsAreJudgedAsASwarmDoes) {
  const auto nodes =
      nodes_of({node_text("n1"), node_text("n2", {.labels = R"({"disk":"SSD","Zone":"b"})"}),
                node_text("n3", {.more = R"(,"Extra":1)"})});
  for (const char* met :
       {"node.labels.disk == ssd", "node.labels.disk==SSD", "node.labels.zone != b",
        "node.labels.absent != x", "node.role == worker", "node.hostname==N2", "node.id != n1-id",
        "node.platform.os == linux", "node.platform.arch == x86_64", "node.platform.arch == amd64",
        "node.ip == 10.0.0.0/8", "nonsense"}) {
    EXPECT_EQ(problems(nodes, placed(fmt::format(R"({{"Constraints":["{}"]}})", met))),
              std::vector<std::string>{})
        << met;
  }
  for (const char* unmet :
       {"node.labels.disk == hdd", "node.labels.absent == x", "node.labels.zone == b",
        "node.role == manager", "node.hostname == n1", "node.platform.arch == arm64",
        "engine.labels.gpu == 1", "node.platform.os != linux"}) {
    EXPECT_EQ(problems(nodes, placed(fmt::format(R"({{"Constraints":["{}"]}})", unmet))),
              std::vector<std::string>{fmt::format(
                  "web: 1 of 1 tasks: no other node that is ready and active meets {}", unmet)})
        << unmet;
  }
}

TEST(DrainPlanTest, OnlyNodesThatAreReadyAndActiveCount) {
  const auto nodes =
      nodes_of({node_text("n1"), node_text("n2", {.availability = "pause"}),
                node_text("n3", {.state = "down"}), node_text("n4", {.availability = "drain"})});
  EXPECT_EQ(problems(nodes, service_text("web")),
            std::vector<std::string>{"web: 1 of 1 tasks: no other node is ready and active"});
}

TEST(DrainPlanTest, WhatANodeMayHoldIsCounted) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2")});
  const auto on_n2 = std::vector<Task>{task("web", "n2")};
  EXPECT_EQ(problems(nodes, placed(R"({"MaxReplicas":2})"), on_n2), std::vector<std::string>{});
  EXPECT_EQ(problems(nodes, placed(R"({"MaxReplicas":1})"), on_n2),
            std::vector<std::string>{"web: 1 of 1 tasks: each other node has 1 of its tasks "
                                     "already, and more it may not have"});
  EXPECT_EQ(
      problems(nodes, placed(R"({"Platforms":[{"Architecture":"arm64","OS":"linux"}]})")),
      std::vector<std::string>{"web: 1 of 1 tasks: no other node has the platform of its image"});
  EXPECT_EQ(problems(nodes, placed(R"({"Platforms":[{"OS":"linux"},{"Architecture":"s390x"}]})")),
            std::vector<std::string>{});
  const std::string port = service_text(
      "web", "{}",
      R"("EndpointSpec":{"Ports":[{"PublishMode":"host","PublishedPort":80,"Protocol":"tcp"}]})");
  EXPECT_EQ(problems(nodes, port), std::vector<std::string>{});
  EXPECT_EQ(problems(nodes, port, on_n2),
            std::vector<std::string>{"web: 1 of 1 tasks: port 80 is taken on each other node"});
  const std::string large = service_text(
      "web", R"({"Resources":{"Reservations":{"NanoCPUs":1500000000,"MemoryBytes":67108864}}})");
  EXPECT_EQ(problems(nodes, large), std::vector<std::string>{});
  EXPECT_EQ(
      problems(nodes, large, on_n2),
      std::vector<std::string>{"web: 1 of 1 tasks: no other node has 1.5 CPUs and 64.0 MiB of "
                               "memory left to reserve"});
}

// Each may find room alone, not both.
TEST(DrainPlanTest, TasksTakeTheRoomOfEachOther) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2"), node_text("n3")});
  const auto large = [](const std::string& name) {
    return service_text(name,
                        R"({"Resources":{"Reservations":{"MemoryBytes":805306368}}})");  // 768 MiB
  };
  const DrainPlan two =
      drained(nodes, {large("a"), large("b")}, {task("a", "n1"), task("b", "n1")});
  EXPECT_TRUE(two.problems.empty());
  const DrainPlan three = drained(nodes, {large("a"), large("b"), large("c")},
                                  {task("a", "n1"), task("b", "n1"), task("c", "n1")});
  ASSERT_EQ(three.problems.size(), 1U);
  EXPECT_EQ(three.problems[0],
            "c: 1 of 1 tasks: no other node has 0 CPUs and 768.0 MiB of memory left to reserve");
}

TEST(DrainPlanTest, AGlobalServiceNeedsOneOtherNode) {
  const auto nodes = nodes_of({node_text("n1", {.labels = R"({"edge":"1"})"}), node_text("n2")});
  const auto global = [](const std::string& constraint) {
    return service_text("web", fmt::format(R"({{"Placement":{{"Constraints":[{}]}}}})", constraint),
                        R"("Mode":{"Global":{}})");
  };
  EXPECT_TRUE(problems(nodes, global("")).empty());
  EXPECT_EQ(problems(nodes, global(R"("node.labels.edge == 1")")),
            std::vector<std::string>{"web: 1 of 1 tasks: no other node that is ready and active "
                                     "meets node.labels.edge == 1"});
}

TEST(DrainPlanTest, WhatIsNotStartedAgainIsAProblem) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2")});
  EXPECT_EQ(problems(nodes, service_text("web", R"({"RestartPolicy":{"Condition":"none"}})")),
            std::vector<std::string>{"web: 1 of 1 tasks: it is not started again elsewhere, "
                                     "because its restart condition is none"});
}

TEST(LabelPlanTest, WhatATaskNeedsIsMissed) {
  const auto nodes = nodes_of({node_text("n1", {.labels = R"({"disk":"ssd","a":"b"})"}),
                               node_text("n2"), node_text("n3", {.labels = R"({"disk":"hdd"})"})});
  const std::string db =
      service_text("db", R"({"Placement":{"Constraints":["node.labels.disk==ssd"]}})");
  const auto plan = [&](const NodeChange& change, const std::set<std::string>& which) {
    return plan_labels(nodes, which, change, json("[" + db + "]"), {task("db", "n1")});
  };
  const NodeChange gone{.availability = {}, .labels = {{"disk", std::nullopt}}};
  EXPECT_EQ(plan(gone, {"n1-id"}).problems,
            (std::vector<std::string>{"db: 1 of 1 tasks: no other node that is ready and active "
                                      "meets node.labels.disk==ssd"}));
  EXPECT_TRUE(plan(gone, {"n3-id"}).services.empty());
  EXPECT_TRUE(plan({.availability = {}, .labels = {{"a", "c"}}}, {"n1-id"}).services.empty());
  // With another node that has it the task goes there.
  const NodeChange both{.availability = {}, .labels = {{"disk", "ssd"}}};
  EXPECT_TRUE(plan(both, {"n2-id"}).services.empty());
  EXPECT_FALSE(plan({.availability = {}, .labels = {{"disk", "hdd"}}}, {"n1-id"}).problems.empty());
}

TEST(DrainPlanTest, AJobThatRunsIsAProblem) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2")});
  for (const char* mode : {"ReplicatedJob", "GlobalJob"}) {
    const std::string job =
        service_text("migrate", "{}", fmt::format(R"("Mode":{{"{}":{{}}}})", mode));
    EXPECT_EQ(drained(nodes, {job}, {task("migrate", "n1", "running", "complete")}).problems,
              (std::vector<std::string>{
                  "migrate: 1 of 1 tasks: it is a job, and would be stopped in the middle"}));
    EXPECT_TRUE(
        drained(nodes, {job}, {task("migrate", "n1", "complete", "complete")}).problems.empty());
    EXPECT_TRUE(
        drained(nodes, {job}, {task("migrate", "n2", "running", "complete")}).problems.empty());
  }
}

TEST(DrainPlanTest, TasksOfANodeThatIsDownHaveGoneAlready) {
  const auto nodes = nodes_of({node_text("n1", {.state = "down"}), node_text("n2")});
  EXPECT_TRUE(
      drained(nodes, {placed(R"({"Constraints":["node.hostname == n1"]})")}, {task("web", "n1")})
          .services.empty());
}

TEST(DrainPlanTest, DataThatStaysBehindIsTold) {
  const auto nodes = nodes_of({node_text("n1"), node_text("n2")});
  const auto with = [](const std::string& mount) {
    return service_text("web", fmt::format(R"({{"ContainerSpec":{{"Mounts":[{}]}}}})", mount));
  };
  const auto warned = [&](const std::string& mount) {
    return drained(nodes, {with(mount)}, {task("web", "n1")}).warnings;
  };
  EXPECT_EQ(warned(R"({"Type":"volume","Source":"data","Target":"/d"})"),
            std::vector<std::string>{"web: what is in its volume data stays on n1; elsewhere it "
                                     "begins empty or as it was there"});
  for (const char* shared :
       {R"({"Type":"bind","Source":"/d","Target":"/d"})", R"({"Type":"volume","Target":"/d"})",
        R"({"Type":"volume","Source":"d","VolumeOptions":{"DriverConfig":{"Name":"ceph"}}})",
        R"({"Type":"volume","Source":"d","VolumeOptions":{"DriverConfig":{"Name":"local",)"
        R"("Options":{"type":"nfs"}}}})"}) {
    EXPECT_TRUE(warned(shared).empty()) << shared;
  }
}

}  // namespace
}  // namespace pca::swarm_deploy
