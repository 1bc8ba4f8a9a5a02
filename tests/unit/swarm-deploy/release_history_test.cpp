#include "swarm-deploy/release_history.hpp"

#include <gtest/gtest.h>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {
namespace {

Json json(const char* text) { return *parse_json(text); }

StackRelease release(const std::string& id, const std::string& result = "deployed") {
  return {.id = id, .config = "config-" + id, .result = result};
}

StackHistory history_of(std::vector<StackRelease> releases, const std::string& current,
                        const std::string& unfinished = "") {
  StackHistory history;
  history.releases = std::move(releases);
  history.current = current;
  history.unfinished = unfinished;
  return history;
}

TEST(RecordName, IsNeverLongerThanAConfigsAndTellsStacksApart) {
  EXPECT_EQ(record_name("shop", "lock"), "shop.lock");
  const std::string id = "release-20261124T093000Z-1a2b3c4";
  const std::string one = record_name(std::string(62, 's') + "a", id);
  const std::string other = record_name(std::string(62, 's') + "b", id);
  EXPECT_EQ(one.size(), 64U);
  EXPECT_NE(one, other);
  EXPECT_TRUE(one.ends_with("." + id));
}

TEST(RecordName, BeginsWithThePrefixOfItsStack) {
  for (const std::size_t size : {1U, 30U, 31U, 32U, 40U, 50U, 63U}) {
    const std::string stack(size, 's');
    for (const char* what : {"state", "lock", "preview", "release-20261124T093000Z-1a2b3c4"})
      EXPECT_TRUE(record_name(stack, what).starts_with(record_prefix(stack))) << size << what;
  }
  EXPECT_EQ(record_prefix("shop"), "shop.");
}

TEST(StackHistoryTest, GoesBackToTheNewestGoodOneBefore) {
  const auto history =
      history_of({release("r1"), release("r2"), release("r3", "rolled-back"), release("r4")}, "r4");
  EXPECT_EQ(rollback_target(history, "shop", "")->id, "r2");
  EXPECT_EQ(rollback_target(history, "shop", "r1")->id, "r1");
  EXPECT_NE(rollback_target(history, "shop", "r9").error().message.find("no release r9"),
            std::string::npos);
  EXPECT_FALSE(rollback_target(history_of({release("r1")}, "r1"), "shop", ""));
}

TEST(StackHistoryTest, GoesBackToWhatNobodyWaitedForOnlyWhenThereIsNothingElse) {
  const auto some = history_of({release("r1"), release("r2", "unverified"), release("r3")}, "r3");
  EXPECT_EQ(rollback_target(some, "shop", "")->id, "r1");
  const auto none = history_of({release("r1", "unverified"), release("r2", "unverified"),
                                release("r3", "failed"), release("r4", "unverified")},
                               "r4");
  EXPECT_EQ(rollback_target(none, "shop", "")->id, "r2");
}

TEST(StackHistoryTest, GoesBackToWhatIsCurrentWhenADeployDidNotEnd) {
  EXPECT_EQ(rollback_target(history_of({release("r1"), release("r2")}, "r2", "r3"), "shop", "")->id,
            "r2");
  const auto known =
      history_of({release("r1"), release("r2"), release("r3", "unknown")}, "r2", "r3");
  EXPECT_EQ(rollback_target(known, "shop", "")->id, "r2");
  // A rollback that did not end goes on.
  EXPECT_EQ(rollback_target(history_of({release("r1"), release("r2")}, "r2", "r1"), "shop", "")->id,
            "r1");
  EXPECT_FALSE(rollback_target(history_of({}, "", "r1"), "shop", ""));
}

TEST(StackHistoryTest, KeepsTenAndNeverLosesTheCurrentOneOrTheOneBefore) {
  std::vector<StackRelease> all{release("a0"), release("a1")};
  for (char c = 'a'; c < 'o'; ++c) all.push_back(release(std::string("b") + c, "failed"));
  const StackHistory without_good = history_of(all, "a1");
  const auto no_good = without_good.dispensable();
  ASSERT_EQ(no_good.size(), 4U);  // of 14 failed ones
  EXPECT_EQ(no_good.front()->id, "bd");
  for (char c = 'a'; c < 'o'; ++c) all.push_back(release(std::string("c") + c));
  std::vector<std::string> gone;
  const StackHistory with_good = history_of(all, "a1");
  for (const StackRelease* one : with_good.dispensable()) {
    if (one->is_good()) gone.push_back(one->id);
  }
  EXPECT_EQ(gone, (std::vector<std::string>{"cd", "cc", "cb", "ca", "a0"}));
}

TEST(ParseHistory, ReadsWhatRecordConfigMade) {
  Json record = Json::object();
  record.set("release", "r1").set("result", "deployed").set("actor", "octocat").set("branch", "");
  const Json spec = record_config("shop", "release", "release-r1", record, "ZGF0YQ==");
  EXPECT_EQ(spec.text_of("Name"), "shop.release-r1");
  Json config = Json::object();
  config.set("ID", "x").set("Version", Json::object().set("Index", 7)).set("Spec", spec);
  Json list = Json::array();
  list.push(config);
  const StackHistory history = parse_history(list, "shop");
  ASSERT_EQ(history.releases.size(), 1U);
  EXPECT_EQ(history.releases[0].id, "r1");
  EXPECT_EQ(history.releases[0].config, "x");
  EXPECT_EQ(history.releases[0].version, 7);
  EXPECT_EQ(history.releases[0].record.text_of("actor"), "octocat");
  EXPECT_TRUE(history.releases[0].is_good());
  EXPECT_TRUE(parse_history(list, "other").releases.empty());
  // A config that says it is one has its labels from somebody else.
  Json forged = spec;
  Json other = Json::array();
  other.push(Json(config).set("Spec", forged.set("Name", "shop_c")));
  EXPECT_TRUE(parse_history(other, "shop").releases.empty());
  // Nothing of it is the stack's own for anybody.
  EXPECT_EQ(spec.find("Labels")->find(stack_label), nullptr);
}

TEST(ParseHistory, LeavesOutWhatIsNone) {
  const char* labels = R"("Labels":{"private-cloud-actions.stack":"shop",)";
  const std::string text =
      std::string(R"([{"ID":"a","Spec":{"Name":"shop.release-../x",)") + labels +
      R"("private-cloud-actions.kind":"release","private-cloud-actions.release":"../x"}}},)" +
      R"({"ID":"b","Spec":{"Name":"shop.state",)" + labels +
      R"("private-cloud-actions.kind":"state","private-cloud-actions.hold":"no json"}}},{"ID":"c"},3,)" +
      R"({"Spec":{"Labels":7}}])";
  const StackHistory history = parse_history(json(text.c_str()), "shop");
  EXPECT_TRUE(history.releases.empty());
  EXPECT_EQ(history.state.config, "b");
  EXPECT_TRUE(history.hold);  // what cannot be read holds
  EXPECT_TRUE(parse_history(json("{}"), "shop").releases.empty());
}

TEST(StackPartsTest, NameNetworksAndComeBackAsTheyWere) {
  const Json services = json(
      R"json([{"ID":"1","Spec":{"Name":"shop_web","TaskTemplate":{"ContainerSpec":{"Image":"app@sha256:1"},
      "Networks":[{"Target":"n1"},{"Target":"n2"},{"Target":"of-node"}]}}}])json");
  const Json networks = json(
      R"json([{"Id":"n1","Name":"shop_front","Driver":"overlay","Labels":{"com.docker.stack.namespace":"shop"},
      "Options":{"a":"b","com.docker.network.driver.overlay.vxlanid_list":"4097"},"Created":"x"},
      {"Id":"n2","Name":"public","Driver":"overlay"},{"Id":"n3","Name":"other","Labels":null}])json");
  const auto packed = pack(parts_of("shop", services, networks, {}));
  ASSERT_TRUE(packed);
  const auto parts = unpack(*packed);
  ASSERT_TRUE(parts) << parts.error().message;
  const StackSpec spec = spec_of("shop", *parts);
  ASSERT_EQ(spec.services.size(), 1U);
  EXPECT_EQ(spec.services[0].image, "app@sha256:1");
  EXPECT_EQ(targets_of(spec.services[0].spec),
            (std::vector<std::string>{"shop_front", "public", "of-node"}));
  ASSERT_EQ(spec.networks.size(), 1U);
  EXPECT_EQ(
      spec.networks[0].body.dump(),
      R"({"Name":"shop_front","Driver":"overlay","Labels":{"com.docker.stack.namespace":"shop"},"Options":{"a":"b"}})");
  EXPECT_EQ(spec.external_networks, std::vector<std::string>{"public"});
}

TEST(StackPartsTest, WavesAreKeptAndOlderReleasesHaveNone) {
  StackParts parts;
  parts.services.push_back(json(R"({"Name":"shop_db"})"));
  parts.services.push_back(json(R"({"Name":"shop_web"})"));
  parts.waves["shop_web"] = 2;
  const auto back = unpack(*pack(parts));
  ASSERT_TRUE(back) << back.error().message;
  const StackSpec spec = spec_of("shop", *back);
  ASSERT_EQ(spec.services.size(), 2U);
  EXPECT_EQ(spec.services[0].wave, 0U);
  EXPECT_EQ(spec.services[1].wave, 2U);
  const auto packed = [](const std::string& text) {
    const std::string data = gzip(text, 9);
    return base64_encode(std::vector<std::uint8_t>(data.begin(), data.end()));
  };
  const std::string old = R"({"version":1,"services":[],"networks":[],"external-networks":[])";
  EXPECT_TRUE(unpack(packed(old + "}")));
  EXPECT_FALSE(unpack(packed(old + R"(,"waves":{"shop_web":-1}})")));
  EXPECT_FALSE(unpack(packed(old + R"(,"waves":[]})")));
}

TEST(StackPartsTest, WhatAFileSaysOfANetworkIsKept) {
  const Json networks = json(
      R"json([{"Id":"n1","Name":"shop_front","Labels":{"com.docker.stack.namespace":"shop"}}])json");
  const std::vector<StackNetwork> wanted{
      {"shop_front", json(R"({"Name":"shop_front","IPAM":{}})")}};
  const StackParts parts = parts_of("shop", Json::array(), networks, wanted);
  ASSERT_EQ(parts.networks.size(), 1U);
  EXPECT_NE(parts.networks[0].find("IPAM"), nullptr);
}

TEST(StackPartsTest, AreRefusedWhenNoConfigHoldsThem) {
  std::string noise;  // what cannot be compressed
  for (int i = 0; i < 20'000; ++i) noise += random_hex(32);
  StackParts parts;
  parts.services.push_back(Json::object().set("Name", noise));
  const auto packed = pack(parts);
  ASSERT_FALSE(packed);
  EXPECT_NE(packed.error().message.find("a config of a swarm holds 488.3 KiB"), std::string::npos)
      << packed.error().message;
}

TEST(StackPartsTest, HostileDataIsRefused) {
  for (const char* data : {"", "e30=", "not base64!", "H4sIAAAAAAAAAwMAAAAAAAAAAAA="}) {
    EXPECT_FALSE(unpack(data)) << data;
  }
}

}  // namespace
}  // namespace pca::swarm_deploy
