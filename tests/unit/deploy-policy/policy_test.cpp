#include "deploy-policy/policy.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"

namespace pca::deploy_policy {
namespace {

std::vector<std::string> texts(const std::vector<BranchPattern>& patterns) {
  std::vector<std::string> all;
  for (const BranchPattern& pattern : patterns) all.push_back(pattern.text());
  return all;
}

// "line: problem" of each mistake.
std::vector<std::string> mistakes_in(std::string_view yaml) {
  std::vector<std::string> all;
  for (const PolicyMistake& mistake : parse_policy(yaml).mistakes) {
    EXPECT_FALSE(mistake.cure.empty()) << mistake.problem;
    all.push_back(std::to_string(mistake.line) + ": " + mistake.problem);
  }
  return all;
}

using Texts = std::vector<std::string>;

TEST(Policy, TheDefaultIsTheStrategysTable) {
  const Policy policy;
  EXPECT_EQ(texts(policy.production), Texts{"main"});
  EXPECT_EQ(texts(policy.staging), Texts{});
  EXPECT_EQ(texts(policy.preview), (Texts{"feature/*", "bugfix/*"}));
  EXPECT_EQ(texts(policy.exclude), (Texts{"dependabot/*", "renovate/*"}));
  EXPECT_EQ(format_duration(policy.preview_ttl), "7d");
  EXPECT_EQ(policy.preview_cap, 10);
}

TEST(Policy, AFileOverridesWhatItNames) {
  const ReadPolicy read = parse_policy(R"(version: 1
production: [main, live]
staging: [develop]
preview: ["feature/*"]
exclude: []
dispatch-environments: [staging]
customer: acme
project: shop
components: [web, worker]
domain: example.com
hostname:
  preview: "{slug}-{project}.{domain}"
environment-name:
  production: live
preview-ttl: 12h
preview-cap: 3
)");
  ASSERT_TRUE(read.mistakes.empty()) << read.mistakes.front().problem;
  const Policy& policy = read.policy;
  EXPECT_EQ(texts(policy.production), (Texts{"main", "live"}));
  EXPECT_EQ(texts(policy.staging), Texts{"develop"});
  EXPECT_EQ(texts(policy.exclude), Texts{});
  EXPECT_EQ(policy.dispatch_environments, Texts{"staging"});
  EXPECT_EQ(policy.customer, "acme");
  EXPECT_EQ(policy.components, (Texts{"web", "worker"}));
  EXPECT_EQ(policy.hostnames.at("preview"), "{slug}-{project}.{domain}");
  EXPECT_EQ(policy.environment_names.at("production"), "live");
  EXPECT_EQ(format_duration(policy.preview_ttl), "12h");
  EXPECT_EQ(policy.preview_cap, 3);
}

TEST(Policy, AllMistakesComeTogetherEachWithItsLine) {
  EXPECT_EQ(
      mistakes_in("version: 2\nprodution: main\nproduction: release/*\npreview:\n"
                  "  - feature/**\n  - fix/*/x\ncustomer: Acme\npreview-ttl: 7\n"),
      (Texts{"1: version is not 1, the only one there is", "2: \"prodution\" is no key of a policy",
             "3: production: \"release/*\" is a pattern", "5: preview: \"feature/**\" holds \"**\"",
             "6: preview: \"fix/*/x\" has a * in the middle",
             "7: customer: \"Acme\" is no segment of a name",
             "8: preview-ttl: \"7\" is no time to live"}));
}

TEST(Policy, AnUnknownKeyIsToldWithTheNearest) {
  const auto mistakes = parse_policy("version: 1\nprodution: main\n").mistakes;
  ASSERT_EQ(mistakes.size(), 1U);
  EXPECT_NE(mistakes.front().cure.find("Did you mean production?"), std::string::npos);
}

TEST(Policy, OnePatternStandsInOneList) {
  EXPECT_EQ(mistakes_in("version: 1\nstaging: [x]\npreview: [x]\n"),
            Texts{"3: preview: \"x\" stands under staging too"});
}

TEST(Policy, RefusesWhatIsNoPolicy) {
  EXPECT_EQ(mistakes_in(""), Texts{"1: the file is empty"});
  EXPECT_EQ(mistakes_in("- a\n"), Texts{"1: the file is no map of keys"});
  EXPECT_EQ(mistakes_in("version: 1\nversion: 1\n"),
            Texts{"2: the key \"version\" stands here a second time, after line 1"});
  EXPECT_EQ(mistakes_in("version: 1\npreview: {a: b}\n"), Texts{"2: preview is no list"});
  EXPECT_EQ(mistakes_in("version: \"1\"\n"), Texts{"1: version is not 1, the only one there is"});
  EXPECT_EQ(mistakes_in("version: 1\nhostname:\n  preview: \"{project}.{domain}\"\n"),
            Texts{"3: hostname: \"{project}.{domain}\" has no {slug}, so previews would share it"});
  EXPECT_EQ(mistakes_in("version: 1\ndispatch-environments: [preview]\n"),
            Texts{"2: dispatch-environments: \"preview\" cannot be asked for"});
}

TEST(BranchPattern, TheStarCrossesSlashesAtTheStartOrTheEnd) {
  const auto prefix = BranchPattern::parse("feature/*");
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->matches("feature/x"));
  EXPECT_TRUE(prefix->matches("feature/team/x"));
  EXPECT_FALSE(prefix->matches("features/x"));
  EXPECT_FALSE(prefix->matches("Feature/x"));
  const auto suffix = BranchPattern::parse("*-preview");
  ASSERT_TRUE(suffix);
  EXPECT_TRUE(suffix->matches("a/b-preview"));
  EXPECT_FALSE(suffix->matches("a-previews"));
  EXPECT_TRUE(BranchPattern::parse("*")->matches("anything/at/all"));
  EXPECT_FALSE(BranchPattern::parse("main")->matches("maintenance"));
}

TEST(BranchPattern, IsSpelledForGitHubsFiltersAndEnvironments) {
  EXPECT_EQ(BranchPattern::parse("feature/*")->github_filter(), "feature/**");
  EXPECT_EQ(BranchPattern::parse("c++")->github_filter(), "c\\+\\+");
  EXPECT_EQ(BranchPattern::parse("feature/*")->environment_patterns(),
            (Texts{"feature/*", "feature/**/*"}));
  EXPECT_EQ(BranchPattern::parse("main")->environment_patterns(), Texts{"main"});
}

}  // namespace
}  // namespace pca::deploy_policy
