#include "commit-status/deployment.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

Deployment preview() {
  Deployment asked;
  asked.ref = std::string(40, 'a');
  asked.environment = "preview";
  asked.slug = "feature-cart-1a2b3c4d";
  asked.task = "deploy";
  asked.nonce = "7/deploy";
  asked.is_transient = true;
  return asked;
}

TEST(Deployments, MergeNothingAndWantNoStatusesUnlessAsked) {
  Deployment asked = preview();
  EXPECT_EQ(to_json(asked).dump(),
            R"({"ref":")" + asked.ref +
                R"(","task":"deploy","auto_merge":false,"required_contexts":[],)"
                R"("environment":"preview","description":"","transient_environment":true,)"
                R"("production_environment":false,)"
                R"("payload":{"nonce":"7/deploy","slug":"feature-cart-1a2b3c4d"}})");
  asked.auto_merge = true;
  asked.required_contexts = {"tests"};
  EXPECT_NE(to_json(asked).dump().find(R"("auto_merge":true,"required_contexts":["tests"])"),
            std::string::npos);
}

TEST(Deployments, OfTheSameNonceTaskAndPlaceAreTheSame) {
  const Deployment asked = preview();
  Json json = to_json(asked);
  json.set("id", 5);
  EXPECT_TRUE(is_same(asked, read_deployment(json)));
  for (const auto& change : {+[](Deployment& other) { other.nonce = "8/deploy"; },
                             +[](Deployment& other) { other.slug = "other-1a2b3c4d"; },
                             +[](Deployment& other) { other.task = "rollback"; },
                             +[](Deployment& other) { other.environment = "staging"; },
                             +[](Deployment& other) { other.nonce = ""; }}) {
    Deployment other = asked;
    change(other);
    EXPECT_FALSE(is_same(other, read_deployment(json)));
  }
  Deployment nameless = asked;
  nameless.nonce = "";
  Json of_others = to_json(nameless);
  EXPECT_FALSE(is_same(nameless, read_deployment(of_others.set("id", 6))));
}

TEST(Deployments, OfOthersAreReadAsFarAsTheyGo) {
  for (const char* text : {"null", "[]", "{}", R"({"id": "5", "payload": "text"})",
                           R"({"id": 1e99, "payload": {"nonce": 5}, "sha": null})"}) {
    const KnownDeployment known = read_deployment(*parse_json(text));
    EXPECT_EQ(known.id, 0) << text;
    EXPECT_EQ(known.nonce, "") << text;
  }
}

TEST(DeploymentStatuses, HoldOnlyTheAddressesThereAre) {
  EXPECT_EQ(to_json(DeploymentStatus{.state = "queued"}).dump(),
            R"({"state":"queued","description":""})");
  EXPECT_EQ(deployment_state("cancelled"), "error");
  EXPECT_EQ(deployment_state("success"), "success");
}

TEST(Payloads, AreObjectsThatLeaveTheToolsNamesAlone) {
  EXPECT_EQ(parse_payload(R"({"image": "shop:42"})")->dump(), R"({"image":"shop:42"})");
  for (const char* bad :
       {"", "[]", "5", "{", R"({"nonce": "x"})", R"({"slug": 1})", R"({"rolls-back": null})"}) {
    EXPECT_FALSE(parse_payload(bad)) << bad;
  }
  EXPECT_FALSE(parse_payload("{\"a\": \"" + std::string(40'000, 'x') + "\"}"));
}

TEST(Slugs, AreLabelsOfDns) {
  EXPECT_TRUE(check_slug("feature-cart-1a2b3c4d"));
  for (const std::string& bad : {std::string(""), std::string("-a"), std::string("a-"),
                                 std::string("A"), std::string("a_b"), std::string(64, 'a')}) {
    EXPECT_FALSE(check_slug(bad)) << bad;
  }
}

TEST(EnvironmentNames, AreOneLine) {
  EXPECT_TRUE(check_environment("production eu"));
  for (const std::string& bad :
       {std::string(""), std::string(" "), std::string("a\nb"), std::string(256, 'a')}) {
    EXPECT_FALSE(check_environment(bad)) << bad;
  }
}

}  // namespace
}  // namespace pca::commit_status
