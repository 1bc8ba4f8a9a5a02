#include "tunnel-ssh/preview.hpp"

#include <gtest/gtest.h>

#include "base/slug.hpp"

namespace pca::tunnel_ssh {
namespace {

using namespace std::string_literals;

std::string slug_of(const std::string& branch) { return *make_slug("acme/shop", branch); }

Preview preview_of(const std::string& branch, const std::string& deployed = "2026-01-05",
                   const std::string& expires = "2026-02-01") {
  return {.slug = slug_of(branch),
          .repository = "acme/shop",
          .branch = branch,
          .commit = "abc",
          .deployed = deployed,
          .expires = expires};
}

std::string text_of(const Preview& preview) {
  Json label = label_of(preview);
  label.set("deployed", preview.deployed);
  label.set("expires", preview.expires);
  return preview.slug + '\0' + label.dump() + "\n" + '\0';
}

std::string reasons(const std::vector<Doomed>& doomed) {
  std::string text;
  for (const Doomed& one : doomed) text += one.preview.branch + ": " + one.why + "\n";
  return text;
}

TEST(PreviewTest, AreReadFromTheOldest) {
  const auto previews = parse_previews(
      "2026-01-10\0"s + "2026-01-03\0"s + "8081 ../releases/r1\n9001 ../previews/" + slug_of("b") +
      "/current\n99999 ../previews/x/current\nx\n9002 ../previews/\0"s +
      text_of(preview_of("b", "2026-01-02")) + text_of(preview_of("a", "2026-01-01")));
  ASSERT_TRUE(previews) << previews.error().message;
  EXPECT_EQ(previews->now, "2026-01-10");
  EXPECT_EQ(previews->long_ago, "2026-01-03");
  ASSERT_EQ(previews->all.size(), 2U);
  EXPECT_EQ(previews->all[0].branch, "a");
  EXPECT_EQ(previews->all[0].port, 0);
  EXPECT_EQ(previews->all[1].port, 9001);
  EXPECT_EQ(previews->all[1].expires, "2026-02-01");
}

TEST(PreviewTest, WhatIsNoneIsLeftOut) {
  const std::string other = text_of(preview_of("a"));
  const auto previews =
      parse_previews("n\0l\0\0"s + "made-by-hand\0{}\0"s + slug_of("b") + "\0no json\0"s +
                     slug_of("c") + "\0[]\0"s + slug_of("d") + other.substr(other.find('\0')));
  ASSERT_TRUE(previews) << previews.error().message;
  EXPECT_TRUE(previews->all.empty()) << "a label of another folder is none either";
  EXPECT_FALSE(parse_previews("n\0l\0"s));
  EXPECT_FALSE(parse_previews("n\0l\0\0a"s));
}

TEST(PreviewTest, OnlyWhatIsAskedForIsDoomed) {
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

TEST(PreviewTest, ThoseOfAnotherRepositoryAreAnotherMatter) {
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

TEST(PreviewTest, WithoutATimeNothingIsOld) {
  const Previews previews{"2026-01-10", "2026-01-03", {preview_of("a", "", "")}};
  EXPECT_EQ(reasons(choose_doomed(previews, {.expired = true, .old = true})), "");
}

}  // namespace
}  // namespace pca::tunnel_ssh
