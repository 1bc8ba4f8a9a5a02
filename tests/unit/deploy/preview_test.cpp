#include "deploy/preview.hpp"

#include <gtest/gtest.h>

#include "support/previews.hpp"

namespace pca {
namespace {

using test::preview_of;
using test::slug_of;

std::string reasons(const std::vector<Doomed>& doomed) {
  std::string text;
  for (const Doomed& one : doomed) text += one.preview.branch + ": " + one.why + "\n";
  return text;
}

TEST(PreviewRules, OnlyWhatIsAskedForIsDoomed) {
  Previews previews{"2026-01-10", "2026-01-03", {}};
  previews.all = {preview_of("old", "2026-01-01"),
                  preview_of("expired", "2026-01-04", "2026-01-09"), preview_of("a"),
                  preview_of("b")};
  EXPECT_EQ(reasons(choose_doomed(previews, {})), "");
  EXPECT_EQ(reasons(choose_doomed(previews, {.expired = true})), "expired: expired 2026-01-09\n");
  EXPECT_EQ(reasons(choose_doomed(previews, {.old = true})), "old: deployed 2026-01-01\n");
  EXPECT_EQ(reasons(choose_doomed(previews, {.branches = {"a", "c"}})), "a: of branch a\n");
  EXPECT_EQ(reasons(choose_doomed(previews, {.slugs = {slug_of("b")}})), "b: asked for\n");
  EXPECT_EQ(reasons(choose_doomed(previews, {.live = {"main", "a", "b", "old"}})),
            "expired: branch expired is gone\n");
  EXPECT_EQ(reasons(choose_doomed(previews, {.cap = 4})), "");
  EXPECT_EQ(reasons(choose_doomed(previews, {.expired = true, .cap = 2})),
            "expired: expired 2026-01-09\nold: more than 2\n");
}

TEST(PreviewRules, ThoseOfAnotherRepositoryAreAnotherMatter) {
  Previews previews{"2026-01-10", "2026-01-03", {preview_of("a")}};
  const auto is_doomed = [&](const ReapRules& rules) {
    return !choose_doomed(previews, rules).empty();
  };
  EXPECT_FALSE(is_doomed({.repository = "acme/other", .branches = {"a"}}));
  EXPECT_FALSE(is_doomed({.repository = "acme/other", .live = {"main"}}));
  EXPECT_TRUE(is_doomed({.repository = "acme/shop", .branches = {"a"}}));
  EXPECT_TRUE(is_doomed({.branches = {"a"}})) << "nobody says which repository is meant";
  previews.all[0].expires = "2026-01-01";
  EXPECT_TRUE(is_doomed({.repository = "acme/other", .expired = true}));
}

TEST(PreviewRules, WithoutATimeNothingIsOld) {
  const Previews previews{"2026-01-10", "2026-01-03", {preview_of("a", "", "")}};
  EXPECT_EQ(reasons(choose_doomed(previews, {.expired = true, .old = true})), "");
}

// In a swarm others have theirs, too: only what has expired goes, whosever it is.
TEST(PreviewRules, WhereOthersHaveTheirsAgeAndCapAreAboutOnesOwn) {
  Previews previews{"2026-01-10", "2026-01-03", {}};
  previews.all = {preview_of("theirs", "2026-01-01"), preview_of("a", "2026-01-02"),
                  preview_of("b")};
  previews.all[0].repository = "acme/other";
  ReapRules rules{.repository = "acme/shop", .is_shared_place = true};
  rules.old = true;
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "a: deployed 2026-01-02\n");
  rules.old = false;
  rules.cap = 2;
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "");
  rules.cap = 1;
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "a: more than 1\n");
  previews.all[0].expires = "2026-01-01";
  EXPECT_EQ(reasons(choose_doomed(
                previews, {.repository = "acme/shop", .expired = true, .is_shared_place = true})),
            "theirs: expired 2026-01-01\n");
}

TEST(PreviewRules, WhatIsGoneButForVolumesGoesOnAndCountsNoMore) {
  Previews previews{"2026-01-10", "2026-01-03", {preview_of("gone"), preview_of("a")}};
  previews.all[0].is_gone = true;
  ReapRules rules{.repository = "acme/shop", .cap = 1, .remains = true, .is_shared_place = true};
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "gone: only volumes are left\n");
  rules.remains = false;
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "");
  rules.remains = true;
  rules.repository = "acme/other";
  EXPECT_EQ(reasons(choose_doomed(previews, rules)), "");
}

TEST(PreviewRules, ALabelComesBackAndWhatIsNoneDoesNot) {
  Json label = label_of(preview_of("a"));
  label.set("deployed", "yesterday").set("expires", "2026-02-01T00:00:00Z");
  const auto preview = preview_of(label);
  ASSERT_TRUE(preview);
  EXPECT_TRUE(preview->is_of("acme/shop", "a"));
  EXPECT_EQ(preview->expires, "2026-02-01T00:00:00Z");
  EXPECT_EQ(preview->deployed, "") << "what is no time is neither old nor young";
  EXPECT_FALSE(preview_of(Json::object()));
  EXPECT_FALSE(preview_of(Json::object().set("slug", "../x-1a2b3c4d")));
  EXPECT_FALSE(preview_of(Json()));
}

TEST(PreviewRules, AForksBranchAndATagAreStrangers) {
  const auto stranger = [](const char* json) {
    return stranger_in_event(json, "acme/shop", "feature/x");
  };
  EXPECT_EQ(
      stranger(R"({"pull_request":{"head":{"ref":"feature/x","repo":{"full_name":"me/shop"}}}})"),
      "the pull request comes from me/shop");
  EXPECT_NE(stranger(R"({"pull_request":{"head":{"ref":"feature/x","repo":null}}})"), "");
  EXPECT_NE(stranger(R"({"ref":"feature/x","ref_type":"tag"})"), "");
  for (const char* own :
       {R"({"pull_request":{"head":{"ref":"feature/x","repo":{"full_name":"acme/shop"}}}})",
        R"({"pull_request":{"head":{"ref":"other","repo":{"full_name":"me/shop"}}}})",
        R"({"ref":"feature/x","ref_type":"branch"})", R"({"ref":"v1","ref_type":"tag"})", "{}",
        "no JSON", R"({"pull_request":7})"}) {
    EXPECT_EQ(stranger(own), "") << own;
  }
}

}  // namespace
}  // namespace pca
