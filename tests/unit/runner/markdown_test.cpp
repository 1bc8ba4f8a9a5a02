#include "runner/markdown.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

TEST(Markdown, ALinkLeavesNeitherItsTextNorItsTarget) {
  EXPECT_EQ(markdown_link("lint", "https://example.com/a?b=c&d#e"),
            "[lint](https://example.com/a?b=c&d#e)");
  EXPECT_EQ(markdown_link("a]b|c", "https://example.com/a)b|c d\"<>"),
            "[a&#93;b&#124;c](https://example.com/a%29b%7Cc%20d%22%3C%3E)");
  EXPECT_EQ(markdown_link("\n", "https://example.com/\xC3\xA9"),
            "[&#92;x0A](https://example.com/%C3%A9)");
}

}  // namespace
}  // namespace pca
