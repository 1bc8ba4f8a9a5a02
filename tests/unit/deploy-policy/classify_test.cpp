#include "deploy-policy/classify.hpp"
#include "base/slug.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace pca::deploy_policy {
namespace {

Event push_to(const std::string& branch) {
  return {.name = "push", .ref = "refs/heads/" + branch, .repository = "acme/shop"};
}

Event pull_request(const std::string& action, const std::string& branch,
                   const std::string& head_repository = "acme/shop") {
  return {.name = "pull_request",
          .ref = "refs/pull/7/merge",
          .repository = "acme/shop",
          .action = action,
          .head_branch = branch,
          .head_repository = head_repository};
}

std::string class_of(const Event& event, const Policy& policy = {}) {
  const auto found = classify(policy, event);
  return found ? std::string(class_name(found->value)) : found.error().text();
}

Policy named_policy() {
  Policy policy;
  policy.customer = "acme";
  policy.project = "shop";
  policy.domain = "example.com";
  return policy;
}

TEST(Classify, KnowsTheBranchesOfTheStrategy) {
  const std::pair<const char*, const char*> table[] = {
      {"dependabot/npm_and_yarn/lodash-4.17.21", "none"},
      {"renovate/lodash-4.x", "none"},
      {"feature/x", "preview"},
      {"feature/team/x", "preview"},
      {"bugfix/7", "preview"},
      {"features/x", "none"},
      {"main", "production"},
      {"maintenance", "none"},
      {"Feature/x", "none"},
      {"hotfix/x", "none"},
      {"gh-readonly-queue/main/pr-1-abc", "none"},
  };
  for (const auto& [branch, expected] : table)
    EXPECT_EQ(class_of(push_to(branch)), expected) << branch;
  // By the rule a preview, but git has no such branch.
  EXPECT_EQ(classify_branch(Policy(), "feature/").value, DeployClass::preview);
}

TEST(Classify, ProductionComesFirstThenStagingThenExcludes) {
  const ReadPolicy read = parse_policy(
      "version: 1\nproduction: [release/live]\nstaging: [release/*]\nexclude: [release/old/*, "
      "x/*]\n"
      "preview: ['*']\n");
  ASSERT_TRUE(read.mistakes.empty());
  EXPECT_EQ(class_of(push_to("release/live"), read.policy), "production");
  EXPECT_EQ(class_of(push_to("release/old/1"), read.policy), "staging");
  EXPECT_EQ(class_of(push_to("x/1"), read.policy), "none");
  EXPECT_EQ(class_of(push_to("y"), read.policy), "preview");
  EXPECT_EQ(class_of(push_to("gh-readonly-queue/main/pr-1"), read.policy), "none");
}

TEST(Classify, EveryEventOutsideTheClosedListIsNone) {
  for (const char* name :
       {"schedule", "workflow_run", "issue_comment", "pull_request_review", "repository_dispatch",
        "release", "merge_group", "deployment", "deployment_status", "create", "page_build"}) {
    Event event = push_to("main");
    event.name = name;
    EXPECT_EQ(class_of(event), "none") << name;
  }
}

TEST(Classify, TagsAndPullRefsAreNone) {
  for (const char* ref : {"refs/tags/main", "refs/pull/1/merge", "refs/notes/x"}) {
    EXPECT_EQ(class_of({.name = "push", .ref = ref, .repository = "acme/shop"}), "none") << ref;
  }
}

TEST(Classify, APushThatDeletesABranchIsNone) {
  Event event = push_to("main");
  event.deleted_by_push = true;
  EXPECT_EQ(class_of(event), "none");
}

TEST(Classify, PullRequestsCountByTheirHeadAndAction) {
  for (const char* action : {"opened", "reopened", "synchronize"}) {
    EXPECT_EQ(class_of(pull_request(action, "feature/x")), "preview") << action;
  }
  EXPECT_EQ(class_of(pull_request("labeled", "feature/x")), "none");
  EXPECT_EQ(class_of(pull_request("closed", "feature/x")), "cleanup");
  EXPECT_EQ(class_of(pull_request("closed", "renovate/x")), "none");
  EXPECT_EQ(class_of(pull_request("opened", "main")), "none");
  EXPECT_EQ(class_of(pull_request("opened", "feature/x", "stranger/shop")), "none");
  EXPECT_EQ(class_of(pull_request("closed", "feature/x", "stranger/shop")), "none");
  EXPECT_EQ(class_of(pull_request("opened", "feature/x", "")), "none");  // the fork is gone
  EXPECT_EQ(class_of(pull_request("opened", "feature/x", "Acme/Shop")), "preview");
}

TEST(Classify, ADeletedPreviewBranchIsCleanup) {
  Event event{.name = "delete", .ref = "refs/heads/main", .repository = "acme/shop"};
  event.deleted_ref = "feature/x";
  event.deleted_ref_type = "branch";
  EXPECT_EQ(class_of(event), "cleanup");
  event.deleted_ref = "main";
  EXPECT_EQ(class_of(event), "none");
  event.deleted_ref = "feature/x";
  event.deleted_ref_type = "tag";
  EXPECT_EQ(class_of(event), "none");
}

TEST(Classify, DependabotDeploysNothingButWhatItPushesToProduction) {
  Event event = push_to("main");
  event.actor = "dependabot[bot]";
  const auto production = classify(Policy(), event);
  ASSERT_TRUE(production);
  EXPECT_EQ(production->value, DeployClass::production);
  EXPECT_EQ(production->warnings.size(), 1U);
  event.ref = "refs/heads/feature/renamed";
  EXPECT_EQ(class_of(event), "none");
  Event closed = pull_request("closed", "feature/x");
  closed.actor = "dependabot[bot]";
  EXPECT_EQ(class_of(closed), "none");
}

TEST(Classify, ADispatchGoesByItsBranchOrByWhatThePolicyAllows) {
  Event event = push_to("feature/x");
  event.name = "workflow_dispatch";
  EXPECT_EQ(class_of(event), "preview");
  event.requested_environment = "production";
  EXPECT_EQ(class_of(event), "none");
  event.requested_environment = "preview";
  EXPECT_EQ(class_of(event), "preview");
  Policy policy;
  policy.dispatch_environments = {"staging"};
  event.requested_environment = "staging";
  EXPECT_EQ(class_of(event, policy), "staging");
  event.requested_environment = "production";
  EXPECT_EQ(class_of(event, policy), "none");
  event.ref = "refs/tags/v1";
  event.requested_environment = "staging";
  EXPECT_EQ(class_of(event, policy), "none");
}

TEST(Classify, NamesEverythingWhereThePolicyNamesItsParts) {
  const auto preview = classify(named_policy(), push_to("feature/login"));
  ASSERT_TRUE(preview) << preview.error().text();
  // printf 'acme/shop\0feature/login' | sha256sum
  EXPECT_EQ(preview->slug, "feature-login-459dbe8f");
  EXPECT_EQ(preview->environment, "preview");
  EXPECT_EQ(preview->hostname, "shop-" + preview->slug + ".example.com");
  EXPECT_EQ(preview->url, "https://" + preview->hostname);
  EXPECT_EQ(preview->stack, "acme-shop-preview-" + preview->slug);
  EXPECT_EQ(preview->reason, "push to feature/login: rule preview: feature/*");
  EXPECT_TRUE(preview->notices.empty());
  const auto production = classify(named_policy(), push_to("main"));
  ASSERT_TRUE(production);
  EXPECT_EQ(production->hostname, "shop.example.com");
  EXPECT_EQ(production->stack, "acme-shop-prod");
  EXPECT_EQ(production->slug, "");
}

TEST(Classify, WithoutThemTheyAreEmptyAndANoticeSaysSo) {
  const auto preview = classify(Policy(), push_to("feature/login"));
  ASSERT_TRUE(preview);
  EXPECT_EQ(preview->hostname, "");
  EXPECT_EQ(preview->url, "");
  EXPECT_EQ(preview->stack, "");
  EXPECT_EQ(preview->notices.size(), 2U);
}

TEST(Classify, RefusesNamesThatLeaveNoRoomForTheSlug) {
  Policy policy = named_policy();
  policy.customer = std::string(20, 'c');
  policy.project = std::string(20, 'p');
  EXPECT_EQ(
      class_of(push_to("feature/x"), policy),
      "policy: beside the rest of the stack's name there is room for 3 characters of a slug only. "
      "Shorten customer, project, the longest component or the hostname's template.");
}

TEST(Classify, RefusesANameThatIsTooLongForWhatItNames) {
  Policy policy = named_policy();
  policy.customer = std::string(32, 'c');
  policy.project = std::string(32, 'p');
  EXPECT_EQ(class_of(push_to("main"), policy),
            "policy: the stack's name is \"" + policy.customer + "-" + policy.project +
                "-prod\", but it has 70 characters, and a stack has 1 to 53, as \"_\" and a "
                "service's name of 9 stand behind it. Shorten customer, project or the longest "
                "component.");
  policy.customer.clear();
  policy.project = std::string(61, 'p');
  EXPECT_EQ(class_of(push_to("main"), policy), "production");
  policy.staging = {*BranchPattern::parse("develop")};
  EXPECT_EQ(class_of(push_to("develop"), policy),
            "policy: hostname: \"" + policy.project +
                "-staging.example.com\" has 69 characters between two dots, where 63 fit. "
                "Shorten project, domain or the hostname's template.");
}

// What git allows, more or less, and now and then what it does not.
std::string random_branch(std::mt19937& random) {
  static const std::vector<std::string> pieces{
      "feature/", "bugfix/", "-", "--", "/", "a",  "Z",  "9", "_", ".",    "xn--",
      "日",       "é",       "#", "'",  "%", "++", "00", "b", "x", "main", "\xF0\x9F\x98\x80"};
  std::string out;
  const std::size_t count = 1 + random() % 40;
  for (std::size_t i = 0; i < count; ++i) out += pieces[random() % pieces.size()];
  return out;
}

// Two branches share a slug only where their digests meet, for any branch, in any room.
TEST(Classify, ASlugIsALegalLabelForAnyBranchAndMeetsAnotherOnlyByItsDigest) {
  std::mt19937 random(20261129);  // NOLINT: the same names in every run
  std::map<std::string, std::string> branch_of_digest;
  for (int i = 0; i < 20'000; ++i) {
    const std::string branch = random_branch(random);
    const std::size_t room = 10 + random() % 54;
    const std::string slug = make_slug("acme/shop", branch, room).value_or("refused");
    ASSERT_TRUE(is_slug(slug)) << branch << " -> " << slug;
    ASSERT_LE(slug.size(), room) << branch;
    const std::string digest = slug.substr(slug.size() - 8);
    const auto [known, is_new] = branch_of_digest.emplace(digest, branch);
    ASSERT_TRUE(is_new || known->second == branch) << branch << " meets " << known->second;
  }
}

TEST(Classify, AnyPreviewBranchGivesAHostnameAndAStackOfLegalLabels) {
  std::mt19937 random(7);  // NOLINT
  for (int i = 0; i < 5'000; ++i) {
    const std::string branch = "feature/" + random_branch(random);
    const auto found = classify(named_policy(), push_to(branch));
    if (!check_branch_name(branch)) {
      ASSERT_FALSE(found) << branch;
      continue;
    }
    ASSERT_TRUE(found) << branch << ": " << found.error().text();
    ASSERT_EQ(found->value, DeployClass::preview) << branch;
    ASSERT_LE(found->stack.size() + 1 + 9, 63U) << found->stack;
    ASSERT_LE(found->hostname.find('.'), 63U) << found->hostname;
  }
}

}  // namespace
}  // namespace pca::deploy_policy
