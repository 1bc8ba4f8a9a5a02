#include "base/slug.hpp"

#include <gtest/gtest.h>

#include <set>

namespace pca {
namespace {

constexpr const char* repository = "acme/shop";

std::string slug_of(std::string_view branch, std::size_t room = longest_label) {
  return make_slug(repository, branch, room).value_or("refused");
}

TEST(Slug, IsTheCleanedNameAndADigest) {
  // printf 'acme/shop\0feature/x' | sha256sum
  EXPECT_EQ(slug_of("feature/x"), "feature-x-3acf89d2");
  EXPECT_EQ(slug_of("Feature/A.B"), "feature-a-b-" + slug_digest(repository, "Feature/A.B"));
  EXPECT_EQ(slug_of("123-fix"), "b-123-fix-" + slug_digest(repository, "123-fix"));
  EXPECT_EQ(slug_of("xn--a"), "xn-a-" + slug_digest(repository, "xn--a"));
  EXPECT_EQ(slug_of("日本"), "b-" + slug_digest(repository, "日本"));
  EXPECT_EQ(slug_of("/-_-"), "b-" + slug_digest(repository, "/-_-"));
}

TEST(Slug, OfEachBranchIsItsOwn) {
  std::set<std::string> slugs;
  for (const char* branch : {"feature/a-b", "feature-a-b", "feature/a_b", "Feature/A.B"}) {
    slugs.insert(slug_of(branch));
  }
  EXPECT_EQ(slugs.size(), 4U);
  EXPECT_NE(slug_digest("acme/shop", "main"), slug_digest("acme/shop2", "main"));
  EXPECT_NE(slug_digest("acme/shop", "main"), slug_digest("acme/sho", "pmain"));
}

TEST(Slug, FitsIntoTheRoom) {
  const std::string digest = slug_digest(repository, "feature/abc");
  EXPECT_EQ(slug_of("feature/abc", 17), "feature-" + digest);
  EXPECT_EQ(slug_of("feature/abc", 10), "f-" + digest);
  EXPECT_EQ(slug_of("feature/abc", 9), "refused");
  EXPECT_EQ(slug_of(std::string(300, 'a')).size(), longest_label);
  for (std::size_t room = 10; room <= longest_label; ++room) {
    for (const char* branch : {"1", "a/b/c/d/e/f/g/h", "日本", "0-0-0-0-0-0"}) {
      const std::string slug = slug_of(branch, room);
      EXPECT_TRUE(is_slug(slug)) << slug;
      EXPECT_LE(slug.size(), room);
    }
  }
}

TEST(Slug, WhatIsNoneIsKnown) {
  for (const char* text : {"", "feature-x", "-12345678", "1-12345678", "a-1234567g", "a_b-12345678",
                           "a--b-12345678", "A-12345678", "a/../b-12345678", "a12345678"}) {
    EXPECT_FALSE(is_slug(text)) << text;
  }
  EXPECT_FALSE(is_slug(std::string(55, 'a') + "-12345678"));
  EXPECT_TRUE(is_slug(std::string(54, 'a') + "-12345678"));
}

}  // namespace
}  // namespace pca
