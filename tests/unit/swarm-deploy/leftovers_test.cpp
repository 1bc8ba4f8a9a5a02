#include "swarm-deploy/leftovers.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace pca::swarm_deploy {
namespace {

using Names = std::vector<std::string>;

class Leftovers : public ::testing::Test {
 protected:
  Leftovers() { wanted.name = "shop"; }

  // As the swarm has it; a network has no spec.
  static SwarmObject object(const std::string& id, const std::string& name, int version,
                            const std::string& stack = "shop") {
    Json spec = Json::object();
    spec.set("Name", name).set("Labels", Json::object().set(stack_label, stack));
    Json json = Json::object();
    json.set("ID", id).set("Version", Json::object().set("Index", version)).set("Spec", spec);
    return {id, json};
  }
  void add_secret(const std::string& name, int version) {
    state.secrets[name] = object("id-" + name, name, version);
  }
  void add_network(const std::string& name, const std::string& stack = "shop") {
    Json json = Json::object();
    json.set("Id", "id-" + name).set("Name", name);
    state.networks[name] = {"id-" + name,
                            json.set("Labels", Json::object().set(stack_label, stack))};
  }
  static Json spec_with_secret(const std::string& name) {
    return *parse_json(fmt::format(
        R"({{"Name":"shop_web","TaskTemplate":{{"ContainerSpec":{{"Secrets":[)"
        R"({{"SecretID":"id-{0}","SecretName":"{0}"}}]}},"Networks":[{{"Target":"id-shop_front"}}]}}}})",
        name));
  }
  void add_service(const std::string& secret_before, const std::string& secret) {
    ServicePlan service;
    service.action = Action::update;
    service.name = "shop_web";
    service.before.spec = spec_with_secret(secret_before);
    service.spec = spec_with_secret(secret);
    state.services["shop_web"] = service.before;
    plan.services.push_back(std::move(service));
  }
  void keep_release(const Json& service) {
    StackRelease release{.id = "r", .result = "deployed"};
    release.data = *pack({.services = {service}, .networks = {}, .external_networks = {}});
    state.history.releases.push_back(std::move(release));
  }
  Names find(bool prune = false) {
    Names names;
    for (const NamedObject& one : find_leftovers(wanted, state, plan, prune))
      names.push_back(one.kind + " " + one.name);
    return names;
  }

  StackSpec wanted;
  SwarmState state;
  StackPlan plan;
};

TEST_F(Leftovers, AreOldGenerationsButTheTwoNewest) {
  wanted.secrets.push_back({"shop_s_00000000000f", {}, true});
  add_secret("shop_s_00000000000a", 40);
  add_secret("shop_s_00000000000b", 10);
  add_secret("shop_s_00000000000c", 20);
  add_secret("shop_s_00000000000d", 30);
  add_secret("shop_s_00000000000f", 50);
  add_secret("shop_other_00000000000b", 5);  // of something that the files do not have
  add_secret("shop_s", 1);
  EXPECT_EQ(find(), (Names{"secrets shop_s_00000000000c", "secrets shop_s_00000000000b"}));
}

TEST_F(Leftovers, AreNothingThatAServiceUsesOrUsed) {
  wanted.secrets.push_back({"shop_s_00000000000f", {}, true});
  for (int i = 1; i < 6; ++i) add_secret(fmt::format("shop_s_00000000000{}", i), i);
  add_service("shop_s_000000000001", "shop_s_000000000002");
  EXPECT_EQ(find(), Names{"secrets shop_s_000000000003"});
}

TEST_F(Leftovers, AreNothingThatAReleaseNeeds) {
  wanted.secrets.push_back({"shop_s_00000000000f", {}, true});
  for (int i = 1; i < 5; ++i) add_secret(fmt::format("shop_s_00000000000{}", i), i);
  keep_release(spec_with_secret("shop_s_000000000001"));
  EXPECT_EQ(find(), Names{"secrets shop_s_000000000002"});
  StackRelease unreadable{.id = "s", .result = "deployed"};
  unreadable.data = "bm90aGluZw==";
  state.history.releases.push_back(unreadable);
  EXPECT_EQ(find(), Names{});
}

TEST_F(Leftovers, WithPruneAreAllThatTheFilesHaveNoMore) {
  add_secret("shop_s_000000000001", 1);
  add_secret("shop_plain", 2);
  add_network("shop_front");
  add_network("shop_back");
  add_network("shop_wanted");
  add_network("elsewhere", "other");
  wanted.networks.push_back({"shop_wanted", {}});
  add_service("shop_x", "shop_y");
  EXPECT_EQ(find(), Names{});
  EXPECT_EQ(find(true),
            (Names{"networks shop_back", "secrets shop_plain", "secrets shop_s_000000000001"}));
  // A release keeps what its networks are made of, and of secrets no more than names.
  keep_release(spec_with_secret("shop_plain"));
  EXPECT_EQ(find(true), (Names{"networks shop_back", "secrets shop_s_000000000001"}));
}

TEST_F(Leftovers, OfARemovedServiceAreThere) {
  add_network("shop_front");
  ServicePlan service;
  service.action = Action::remove;
  service.name = "shop_web";
  service.before.spec = spec_with_secret("shop_x");
  state.services["shop_web"] = service.before;
  EXPECT_EQ(find(true), Names{});  // without prune of the service it stays in use
  plan.services.push_back(std::move(service));
  EXPECT_EQ(find(true), Names{"networks shop_front"});
}

}  // namespace
}  // namespace pca::swarm_deploy
