#include "base/gzip.hpp"

#include <gtest/gtest.h>

#include "support/noise.hpp"

namespace pca {
namespace {

constexpr std::size_t plenty = std::size_t{8} << 20U;

using test::noise;

TEST(Gzip, GivesBackWhatWasCompressed) {
  for (const std::string& text :
       {std::string(), std::string("abc"), std::string(1'000'000, 'a'), noise(1'000'000)}) {
    for (const int level : {1, 9}) EXPECT_TRUE(gunzip(gzip(text, level), plenty) == text);
  }
  EXPECT_LT(gzip(std::string(1'000'000, 'a'), 1).size(), 10'000U);
}

TEST(Gzip, PiecesMakeOneStream) {
  GzipStream stream(6);
  std::string out;
  for (int i = 0; i < 1000; ++i) stream.feed("piece " + std::to_string(i) + "\n", out);
  stream.finish(out);
  const auto text = gunzip(out, plenty);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->starts_with("piece 0\npiece 1\n"));
  EXPECT_TRUE(text->ends_with("piece 999\n"));
}

TEST(Gzip, WhatIsBrokenIsRefused) {
  const std::string whole = gzip(noise(1000), 6);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(gunzip(whole.substr(0, size), plenty)) << size;
  }
  EXPECT_FALSE(gunzip("hello", plenty));
  EXPECT_EQ(gunzip("hello", plenty).error().message, "what was compressed is broken or cut short");
}

TEST(Gzip, ABombIsRefused) {
  const auto text = gunzip(gzip(std::string(1'000'000, '\0'), 9), 999'999);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().message, "what was compressed is longer than it may be");
}

}  // namespace
}  // namespace pca
