#include "swarm-deploy/stack_plan.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "swarm-deploy/log_frames.hpp"
#include "swarm-deploy/service_health.hpp"

namespace pca::swarm_deploy {
namespace {

Json json(const char* text) { return *parse_json(text); }

Json canonical(const char* text) { return canonical_spec(json(text), {{"id1", "s_front"}}, 41); }

// What an Engine of API 1.41 gives back of a spec means the same.
TEST(CanonicalSpec, IsBlindForWhatTheEngineAdds) {
  const Json sent = canonical(
      R"json({"Name":"s_web","TaskTemplate":{"ContainerSpec":{"Image":"app","Privileges":{"CredentialSpec":null,
    "NoNewPrivileges":false},"Healthcheck":{"Test":["CMD","a"],"StartInterval":5}},"Resources":{},"Placement":{},
    "Networks":[{"Target":"s_front","Aliases":["web"]}],"ForceUpdate":0},"Mode":{"Replicated":{}},"EndpointSpec":{}})json");
  const Json there = canonical(
      R"json({"Name":"s_web","TaskTemplate":{"ContainerSpec":{"Image":"app","Privileges":{},"Isolation":"default",
    "Healthcheck":{"Test":["CMD","a"]}},"Networks":[{"Target":"id1","Aliases":["web"]}],"ForceUpdate":3,"Runtime":"container"},
    "Mode":{"Replicated":{"Replicas":1}}})json");
  EXPECT_EQ(differences(there, sent), std::vector<std::string>{});
}

TEST(CanonicalSpec, SeesWhatCounts) {
  const char* const base =
      R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app"}},"Mode":{"Replicated":{"Replicas":1}}})json";
  for (
      const char* other :
      {R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app"}},"Mode":{"Replicated":{"Replicas":0}}})json",
       R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app"}},"Mode":{"Global":{}}})json",
       R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app","Init":false}},"Mode":{"Replicated":{}}})json",
       R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app","StopGracePeriod":0}},"Mode":{"Replicated":{}}})json",
       R"json({"TaskTemplate":{"ContainerSpec":{"Image":"app"},"Networks":[{"Target":"x"}]},"Mode":{"Replicated":{}}})json"}) {
    EXPECT_EQ(differences(canonical(base), canonical(other)).size(),
              std::string_view(other).find("Global") == std::string_view::npos ? 1U : 2U)
        << other;
  }
}

TEST(Differences, ShowNoValuesOfVariables) {
  const auto found =
      differences(json(R"json({"ContainerSpec":{"Env":["A=secret","B=1","C=2"]}})json"),
                  json(R"json({"ContainerSpec":{"Env":["A=other","C=2","D=3"]}})json"));
  EXPECT_EQ(found, (std::vector<std::string>{"variable A: changed", "variable B: removed",
                                             "variable D: added"}));
}

TEST(LogFrames, GiveTheText) {
  using namespace std::string_literals;
  EXPECT_EQ(text_of_log("\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\4two\n"s), "onetwo\n");
  EXPECT_EQ(text_of_log("\1\0\0\0\xff\xff\xff\xff"
                        "cut"s),
            "cut");
  EXPECT_EQ(text_of_log("plain"), "plain");
  EXPECT_EQ(text_of_log(""), "");
}

class ServiceHealthTest : public ::testing::Test {
 protected:
  ServiceHealth look(const char* service, const char* tasks) {
    return watch.look(json(service), parse_tasks(json(tasks)), 3, now);
  }
  WatchedService watched{.name = "s_web", .id = "s", .replicas = 2};
  HealthWatch watch{watched, {}};
  std::chrono::steady_clock::time_point now{};
};

TEST_F(ServiceHealthTest, CountsRunningTasksOfEachPlaceOnce) {
  EXPECT_EQ(
      look("{}", R"json([{"ID":"a","Slot":1,"DesiredState":"running","Status":{"State":"running"}},
                           {"ID":"b","Slot":1,"DesiredState":"running","Status":{"State":"running"}}])json")
          .text,
      "1 of 2 tasks run");
  EXPECT_EQ(
      look("{}", R"json([{"ID":"a","Slot":1,"DesiredState":"running","Status":{"State":"running"}},
                           {"ID":"b","Slot":2,"DesiredState":"running","Status":{"State":"running"}}])json")
          .health,
      Health::well);
  // What is to end does not count, nor does an update that goes on.
  EXPECT_EQ(look(R"json({"UpdateStatus":{"State":"updating"}})json",
                 R"json([{"ID":"a","Slot":1,"DesiredState":"running","Status":{"State":"running"}},
                           {"ID":"b","Slot":2,"DesiredState":"running","Status":{"State":"running"}}])json")
                .health,
            Health::waiting);
  EXPECT_EQ(
      look("{}", R"json([{"ID":"a","Slot":1,"DesiredState":"running","Status":{"State":"running"}},
                           {"ID":"b","Slot":2,"DesiredState":"shutdown","Status":{"State":"running"}}])json")
          .health,
      Health::waiting);
}

TEST_F(ServiceHealthTest, FailsAfterThreeFailuresInOnePlaceEvenWhenTheyAreForgotten) {
  EXPECT_EQ(
      look("{}",
           R"json([{"ID":"a","Slot":1,"Status":{"State":"failed","Err":"task: non-zero exit (3)"
}
}])json")
          .health,
      Health::waiting);
  EXPECT_EQ(
      look(
          "{}",
          R"json([{"ID":"b","Slot":1,"Status":{"State":"failed"}},{"ID":"x","Slot":2,"Status":{"State":"failed"}}])json")
          .health,
      Health::waiting);
  const ServiceHealth failed = look(
      "{}",
      R"json([{"ID":"c","Slot":1,"Status":{"State":"rejected","Err":"No such image: x:v9"}}])json");
  EXPECT_EQ(failed.health, Health::failed);
  EXPECT_EQ(failed.reason, "image");
}

TEST_F(ServiceHealthTest, GivesATaskThatNoNodeTakesItsTime) {
  constexpr const char* pending =
      R"json([{"ID":"a","Slot":1,"DesiredState":"running","Status":{"State":"pending","Err":"no suitable node (insufficient resources on 3 nodes)"
}
}])json";
  EXPECT_EQ(look("{}", pending).health, Health::waiting);
  now += std::chrono::seconds(29);
  EXPECT_EQ(look("{}", pending).health, Health::waiting);
  now += std::chrono::seconds(1);
  EXPECT_EQ(look("{}", pending).reason, "unschedulable");
}

TEST_F(ServiceHealthTest, SeesWhatTheSwarmTakesBack) {
  EXPECT_EQ(look(R"json({"UpdateStatus":{"State":"paused","Message":"m"}})json", "[]").reason,
            "paused");
  EXPECT_EQ(
      look(R"json({"UpdateStatus":{"State":"rollback_started","Message":"m"}})json", "[]").reason,
      "rolled-back");
}

}  // namespace
}  // namespace pca::swarm_deploy
