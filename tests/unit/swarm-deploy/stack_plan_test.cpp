#include "swarm-deploy/stack_plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "base/text.hpp"
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

TEST(StackPlanTest, WhatANetworkCannotBecomeIsInThePlan) {
  StackSpec wanted;
  wanted.name = "shop";
  wanted.networks.push_back(
      {"shop_front", json(R"({"Name":"shop_front","Driver":"overlay","Attachable":true,
                              "Options":{"encrypted":"true"},
                              "IPAM":{"Config":[{"Subnet":"10.9.0.0/24"}]}})")});
  SwarmState state;
  state.networks["shop_front"] = {
      "n", json(R"({"Id":"n","Name":"shop_front","Scope":"swarm","Driver":"overlay",
                    "Attachable":false,"Internal":false,"EnableIPv6":false,
                    "Options":{"com.docker.network.driver.overlay.vxlanid_list":"4097"},
                    "IPAM":{"Config":[{"Subnet":"10.0.1.0/24","Gateway":"10.0.1.1"}]}})")};
  const StackPlan plan = make_plan(wanted, state, {});
  EXPECT_EQ(plan.staying, (std::vector<std::string>{
                              "network shop_front: Attachable stays null, not true",
                              R"(network shop_front: Options stays null, not {"encrypted":"true"})",
                              "network shop_front: IPAM stays 10.0.1.0/24, not 10.9.0.0/24"}));
  EXPECT_EQ(plan.warnings.size(), 3U);
  EXPECT_TRUE(plan.changes_nothing());
  // What the files do not say the swarm chooses.
  wanted.networks[0].body = json(R"({"Name":"shop_front","Driver":"overlay"})");
  EXPECT_TRUE(make_plan(wanted, state, {}).staying.empty());
}

TEST(StackPlanTest, TheLongestMonitorIsThatOfWhatIsWritten) {
  StackPlan plan;
  EXPECT_EQ(plan.longest_monitor().count(), 0);
  for (const auto& [action, monitor] :
       {std::pair{Action::update, "20000000000"}, std::pair{Action::create, "7000000000"},
        std::pair{Action::unchanged, "90000000000"}}) {
    ServicePlan service;
    service.action = action;
    service.spec = *parse_json(fmt::format(R"({{"UpdateConfig":{{"Monitor":{}}}}})", monitor));
    plan.services.push_back(std::move(service));
  }
  EXPECT_EQ(plan.longest_monitor(), std::chrono::seconds(20));
}

TEST(Differences, ShowNoValuesOfVariables) {
  const auto found =
      differences(json(R"json({"ContainerSpec":{"Env":["A=secret","B=1","C=2"]}})json"),
                  json(R"json({"ContainerSpec":{"Env":["A=other","C=2","D=3"]}})json"));
  EXPECT_EQ(found, (std::vector<std::string>{"variable A: changed", "variable B: removed",
                                             "variable D: added"}));
}

// By the ports of another service in the swarm, as JSON of /services.
std::string mistakes(const char* wanted, const char* theirs, const char* name = "t_web") {
  const Json spec = Json::object().set("Name", "s_web").set("EndpointSpec", json(wanted));
  StackSpec stack;
  stack.name = "s";
  stack.services.push_back(
      {.name = "s_web", .key = "web", .image = "app", .spec = spec, .after = {}});
  Json there = json(theirs);
  there.set(
      "Spec",
      Json(there.find("Spec") == nullptr ? Json::object() : *there.find("Spec")).set("Name", name));
  SwarmState state;
  state.ports = published_ports(Json::array().push(there));
  return join(make_plan(stack, state, {.resolve = ResolveImages::never}).mistakes, "\n");
}

TEST(StackPlan, APortThatAnotherServiceHasIsToldWithItsName) {
  const char* const swarm = R"({"Ports":[{"TargetPort":80,"PublishedPort":8080}]})";
  const char* const nodes = R"({"Ports":[{"PublishedPort":8080,"PublishMode":"host"}]})";
  const char* const theirs =
      R"({"Spec":{"EndpointSpec":{"Ports":[{"Protocol":"tcp","PublishedPort":8080}]}}})";
  const char* const of_nodes =
      R"({"Spec":{"EndpointSpec":{"Ports":[{"PublishedPort":8080,"PublishMode":"host"}]}}})";
  const char* const chosen =
      R"({"Spec":{"EndpointSpec":{"Ports":[{"TargetPort":80}]}},)"
      R"("Endpoint":{"Ports":[{"Protocol":"tcp","PublishedPort":8080,"PublishMode":"ingress"}]}})";
  const char* const udp =
      R"({"Spec":{"EndpointSpec":{"Ports":[{"Protocol":"udp","PublishedPort":8080}]}}})";
  for (const auto& [wanted, there] : {std::pair{swarm, theirs}, std::pair{swarm, of_nodes},
                                      std::pair{nodes, theirs}, std::pair{swarm, chosen}}) {
    EXPECT_TRUE(mistakes(wanted, there)
                    .starts_with("the port 8080/tcp of s_web is published by the service t_web "
                                 "already: "))
        << wanted << there << mistakes(wanted, there);
  }
  EXPECT_EQ(mistakes(nodes, of_nodes), "") << "they may be on different nodes";
  EXPECT_EQ(mistakes(swarm, udp), "");
  EXPECT_EQ(mistakes(swarm, theirs, "s_web"), "") << "its own";
  EXPECT_NE(mistakes(swarm, theirs, "s_old"), "") << "it stays until all is well";
  EXPECT_EQ(mistakes(R"({"Ports":[{"TargetPort":80}]})", theirs), "");
  for (const char* odd : {"{}", R"({"Spec":7})", R"({"Endpoint":{"Ports":{}}})"})
    EXPECT_EQ(published_ports(Json::array().push(json(odd))).size(), 0U);
  EXPECT_TRUE(published_ports(Json("x")).empty());
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
