#include "tunnel-ssh/preview.hpp"

#include <gtest/gtest.h>

#include "support/previews.hpp"

namespace pca::tunnel_ssh {
namespace {

using namespace std::string_literals;

using test::preview_of;
using test::slug_of;

std::string text_of(const Preview& preview) {
  Json label = label_of(preview);
  label.set("deployed", preview.deployed);
  label.set("expires", preview.expires);
  return preview.slug + '\0' + label.dump() + "\n" + '\0';
}

TEST(PreviewTest, AreReadFromTheOldest) {
  const auto previews = parse_previews(
      "2026-01-10\0"s + "2026-01-03\0"s + "8081 ../releases/r1\n9001 ../previews/" + slug_of("b") +
      "/current\n99999 ../previews/x/current\nx\n9002 ../previews/\0"s +
      text_of(preview_of("b", "2026-01-02T00:00:00Z")) +
      text_of(preview_of("a", "2026-01-01T00:00:00Z")));
  ASSERT_TRUE(previews) << previews.error().message;
  EXPECT_EQ(previews->now, "2026-01-10");
  EXPECT_EQ(previews->long_ago, "2026-01-03");
  ASSERT_EQ(previews->all.size(), 2U);
  EXPECT_EQ(previews->all[0].branch, "a");
  EXPECT_EQ(previews->all[0].port, 0);
  EXPECT_EQ(previews->all[1].port, 9001);
  EXPECT_EQ(previews->all[1].expires, "2026-02-01T00:00:00Z");
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

}  // namespace
}  // namespace pca::tunnel_ssh
