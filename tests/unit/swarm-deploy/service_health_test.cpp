#include "swarm-deploy/service_health.hpp"

#include <gtest/gtest.h>

namespace pca::swarm_deploy {
namespace {

using std::chrono::seconds;
using Time = std::chrono::steady_clock::time_point;

Json json(const std::string& text) {
  auto parsed = parse_json(text);
  EXPECT_TRUE(parsed) << text;
  return parsed ? *parsed : Json();
}

Task task(const std::string& id, std::int64_t slot, const std::string& state,
          const std::string& desired = "running") {
  Task one;
  one.id = id;
  one.node_id = "node-of-" + id;
  one.slot = slot;
  one.state = state;
  one.desired_state = desired;
  return one;
}

Task pending(const std::string& error) {
  Task one = task("p", 1, "pending");
  one.error = error;
  return one;
}

TEST(HealthWatchTest, WhyNoNodeTakesATaskHasACategoryAndACure) {
  const auto kind = [](const std::string& error) { return kind_of_pending(error); };
  EXPECT_EQ(kind("host-mode port already in use on 1 node").name, "port");
  EXPECT_EQ(kind("no suitable node (scheduling constraints not satisfied on 2 nodes; host-mode "
                 "port already in use on 1 node)")
                .name,
            "port");
  const auto room = kind("no suitable node (insufficient resources on 3 nodes)");
  EXPECT_EQ(room.name, "unschedulable");
  EXPECT_EQ(room.cure,
            "No node has so much CPU and memory left to reserve: reserve less, or add a node.");
  const auto constraints =
      kind("no suitable node (scheduling constraints not satisfied on 3 nodes)");
  EXPECT_EQ(constraints.name, "unschedulable");
  EXPECT_NE(constraints.cure.find("placement constraints"), std::string::npos);
  EXPECT_EQ(
      kind_of_refusal("port '80' is already in use by service 'web' (x) as an ingress port").name,
      "port");
  EXPECT_EQ(kind_of_refusal("name conflicts").name, "refused");

  HealthWatch watch({.name = "web", .id = "id"}, {.scheduling_timeout = seconds(10)});
  const std::vector<Task> tasks{pending("host-mode port already in use on 1 node")};
  EXPECT_EQ(watch.look(Json::object(), tasks, 3, Time(seconds(1))).health, Health::waiting);
  const ServiceHealth failed = watch.look(Json::object(), tasks, 3, Time(seconds(11)));
  EXPECT_EQ(failed.health, Health::failed);
  EXPECT_EQ(failed.reason, "port");
}

TEST(HealthWatchTest, AGlobalServiceNeedsNoTaskOfANodeThatIsDownOrDrained) {
  const Json service = json(R"({"ServiceStatus":{"RunningTasks":2,"DesiredTasks":2}})");
  std::vector<Task> tasks{task("a", 0, "running"), task("b", 0, "running"),
                          task("c", 0, "running", "shutdown"),
                          task("d", 0, "shutdown", "shutdown")};
  HealthWatch watch({.name = "web", .id = "id", .mode = "Global"}, {});
  const ServiceHealth well = watch.look(service, tasks, 3, {});
  EXPECT_EQ(well.health, Health::well) << well.text;
  EXPECT_EQ(well.text, "2 of 2 tasks run");
  tasks.push_back(task("e", 0, "starting"));
  EXPECT_EQ(watch.look(service, tasks, 3, {}).text, "2 of 3 tasks run");
}

TEST(HealthWatchTest, AnUpdateThatWaitsForALostNodeFails) {
  const Json updating = json(R"({"UpdateStatus":{"State":"updating"}})");
  const std::vector<Task> tasks{task("new", 1, "running"), task("lost", 2, "ready", "shutdown")};
  HealthWatch watch({.name = "web", .id = "id", .replicas = 3},
                    {.scheduling_timeout = seconds(10)});
  EXPECT_EQ(watch.look(updating, tasks, 3, Time(seconds(1))).health, Health::waiting);
  // What still moves is no reason to give up,
  auto moving = tasks;
  moving.push_back(task("next", 3, "starting"));
  EXPECT_EQ(watch.look(updating, moving, 3, Time(seconds(20))).health, Health::waiting);
  EXPECT_EQ(watch.look(updating, tasks, 3, Time(seconds(21))).health, Health::waiting);
  // nor is one more that runs.
  auto more = tasks;
  more.push_back(task("next", 3, "running"));
  EXPECT_EQ(watch.look(updating, more, 3, Time(seconds(32))).health, Health::waiting);
  EXPECT_EQ(watch.look(Json::object(), more, 3, Time(seconds(50))).health, Health::waiting);
  EXPECT_EQ(watch.look(updating, more, 3, Time(seconds(60))).health, Health::waiting);
  const ServiceHealth failed = watch.look(updating, more, 3, Time(seconds(70)));
  EXPECT_EQ(failed.health, Health::failed);
  EXPECT_EQ(failed.reason, "node");
  EXPECT_EQ(failed.node, "node-of-lost");
}

Task failed_task(const std::string& id, std::int64_t slot, const std::string& time) {
  Task one = task(id, slot, "failed", "shutdown");
  one.time = time;
  one.error = "task: non-zero exit (" + id + ")";
  one.exit_code = 1;
  return one;
}

// Their names are by chance, and the Engine writes as many decimals as it needs.
TEST(HealthWatchTest, FailuresAreInTheOrderOfTime) {
  HealthWatch watch({.name = "web", .id = "id"}, {});
  const std::vector<Task> tasks{failed_task("a", 1, "2026-11-29T17:00:00.25Z"),
                                failed_task("b", 1, "2026-11-29T17:00:00Z"),
                                failed_task("c", 1, "2026-11-29T17:00:00.2Z")};
  const ServiceHealth failed = watch.look(Json::object(), tasks, 3, {});
  EXPECT_EQ(failed.health, Health::failed);
  EXPECT_EQ(failed.task, "a");
  EXPECT_EQ(failed.text, "3 of its tasks failed, the last: task: non-zero exit (a)");
  std::string order;
  for (const Task& one : watch.take_new_failures()) order += one.id;
  EXPECT_EQ(order, "bca");
  // Of an update that is paused the first says why.
  HealthWatch paused({.name = "web", .id = "id"}, {});
  const Json service = json(R"({"UpdateStatus":{"State":"paused","Message":"m"}})");
  EXPECT_EQ(paused.look(service, tasks, 3, {}).task, "b");
  HealthWatch later({.name = "web", .id = "id"}, {});
  later.note_earlier({"b"});
  EXPECT_EQ(later.look(service, tasks, 3, {}).task, "c");
}

// A node refuses tasks so while it hears of a new network, whatever else is wrong with the service.
TEST(HealthWatchTest, AMissingNetworkIsToldOnlyWhereNothingElseIs) {
  const auto refused = [](const std::string& id, const std::string& time,
                          const std::string& error) {
    Task one = failed_task(id, 1, time);
    one.state = "rejected";
    one.exit_code = 0;
    one.error = error;
    return one;
  };
  const std::string network = "node is missing network attachments, ip addresses may be exhausted";
  std::vector<Task> tasks{refused("a", "1", network),
                          refused("b", "2", "No such image: app:absent"),
                          refused("c", "3", network)};
  HealthWatch watch({.name = "web", .id = "id"}, {});
  const ServiceHealth image = watch.look(Json::object(), tasks, 1, {});
  EXPECT_EQ(image.reason, "image");
  EXPECT_EQ(image.task, "b");
  EXPECT_NE(image.text.find("3 of its tasks failed, among them: No such image: app:absent"),
            std::string::npos)
      << image.text;
  tasks[1].error = network;
  HealthWatch another({.name = "web", .id = "id"}, {});
  const ServiceHealth exhausted = another.look(Json::object(), tasks, 1, {});
  EXPECT_EQ(exhausted.reason, "network");
  EXPECT_EQ(exhausted.task, "c");
  EXPECT_NE(exhausted.cure.find("larger subnet"), std::string::npos);
}

TEST(HealthWatchTest, AfterItsLastAttemptNothingComes) {
  const WatchedService service = watched_service(
      "web", "id",
      json(R"({"TaskTemplate":{"RestartPolicy":{"Condition":"on-failure","MaxAttempts":1}}})"));
  EXPECT_EQ(service.max_attempts, 1);
  std::vector<Task> tasks{failed_task("a", 1, "2026-11-29T17:00:00Z")};
  HealthWatch watch(service, {});
  EXPECT_EQ(watch.look(Json::object(), tasks, 3, {}).health, Health::waiting);
  tasks.push_back(failed_task("b", 1, "2026-11-29T17:00:05Z"));
  tasks.push_back(task("c", 1, "starting"));
  EXPECT_EQ(watch.look(Json::object(), tasks, 3, {}).health, Health::waiting);
  tasks.pop_back();
  const ServiceHealth failed = watch.look(Json::object(), tasks, 3, {});
  EXPECT_EQ(failed.health, Health::failed);
  EXPECT_EQ(failed.text, "2 of its tasks failed, the last: task: non-zero exit (b)");
  EXPECT_EQ(failed.exit_code, 1);
  // Attempts that were longer ago count no more.
  WatchedService with_window = service;
  with_window.restart_window = seconds(5);
  EXPECT_EQ(HealthWatch(with_window, {}).look(Json::object(), tasks, 3, {}).health,
            Health::waiting);
  with_window.restart_window = seconds(6);
  EXPECT_EQ(HealthWatch(with_window, {}).look(Json::object(), tasks, 3, {}).health, Health::failed);
}

TEST(HealthWatchTest, WhatFailedEarlierCountsOnlyWhereNothingComesAfterIt) {
  const std::vector<Task> tasks{failed_task("a", 1, "1"), failed_task("b", 1, "2"),
                                failed_task("c", 1, "3")};
  WatchedService service{.name = "web", .id = "id"};
  for (const char* condition : {"any", "none"}) {
    service.restart_condition = condition;
    service.is_unchanged = true;
    HealthWatch watch(service, {});
    watch.note_earlier({"a", "b", "c"});
    const bool is_last = service.restart_condition == "none";
    EXPECT_EQ(watch.look(Json::object(), tasks, 3, {}).health,
              is_last ? Health::failed : Health::waiting);
    EXPECT_TRUE(watch.take_new_failures().empty());
    // One that was written is about to get another task.
    service.is_unchanged = false;
    HealthWatch written(service, {});
    written.note_earlier({"a", "b", "c"});
    EXPECT_EQ(written.look(Json::object(), tasks, 3, {}).health, Health::waiting);
  }
}

TEST(HealthWatchTest, WithoutReplicasItIsWellOnceNothingRuns) {
  const WatchedService none{.name = "web", .id = "id", .replicas = 0, .stop_grace = seconds(20)};
  HealthWatch watch(none, {});
  const std::vector<Task> stopping{task("a", 1, "running", "remove")};
  const ServiceHealth waiting = watch.look(Json::object(), stopping, 3, Time(seconds(1)));
  EXPECT_EQ(waiting.health, Health::waiting);
  EXPECT_EQ(waiting.text, "its tasks stop");
  const std::vector<Task> stopped{task("a", 1, "shutdown", "remove")};
  EXPECT_EQ(watch.look(Json::object(), stopped, 3, Time(seconds(2))).health, Health::well);
  // Of an older spec than the tasks that are asked for.
  const Json service = json(R"({"ServiceStatus":{"RunningTasks":1}})");
  EXPECT_EQ(watch.look(service, {}, 3, Time(seconds(3))).health, Health::waiting);
  // A node that does not answer stops nothing.
  EXPECT_EQ(watch.look(service, {}, 3, Time(seconds(42))).health, Health::waiting);
  EXPECT_EQ(watch.look(service, {}, 3, Time(seconds(43))).health, Health::well);
}

}  // namespace
}  // namespace pca::swarm_deploy
