#include "base/glob.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

PathPatterns patterns(const std::vector<std::string>& lines) {
  auto parsed = PathPatterns::parse(lines);
  if (!parsed) ADD_FAILURE() << parsed.error().message;
  return *std::move(parsed);
}

struct GlobCase {
  std::vector<std::string> lines;
  std::string path;
  bool is_folder;
  bool taken;
};

// What `git check-ignore` says of the same.
TEST(PathPatterns, ReadAsGitReadsThem) {
  const std::vector<GlobCase> cases{
      {{"*.map"}, "app.map", false, true},
      {{"*.map"}, "deep/down/app.map", false, true},
      {{"*.map"}, "app.mapx", false, false},
      {{"/build"}, "build", true, true},
      {{"/build"}, "src/build", true, false},
      {{"src/build"}, "src/build", true, true},
      {{"src/build"}, "lib/src/build", true, false},
      {{"tmp/"}, "tmp", true, true},
      {{"tmp/"}, "tmp", false, false},
      {{"tmp/"}, "a/tmp/file", false, true},
      {{"a/**/z"}, "a/z", false, true},
      {{"a/**/z"}, "a/b/c/z", false, true},
      {{"a/**"}, "a", true, false},
      {{"a/**"}, "a/b", false, true},
      {{"**/node_modules"}, "x/y/node_modules", true, true},
      {{"*.log", "!keep.log"}, "keep.log", false, false},
      {{"!keep.log", "*.log"}, "keep.log", false, true},
      {{"logs/", "!logs/keep"}, "logs/keep", false, true},
      {{"a*b"}, "a/b", false, false},
      {{"fil?.[ch]"}, "file.c", false, true},
      {{"[!a]x"}, "ax", false, false},
      {{"[!a]x"}, "bx", false, true},
      {{"\\!important"}, "!important", false, true},
      {{"\\#x"}, "#x", false, true},
      {{"# a comment", ""}, "# a comment", false, false},
      {{"trailing   "}, "trailing", false, true},
      {{"Case"}, "case", false, false},
      {{".*"}, ".env", false, true},
      {{"*"}, ".env", false, true},
      {{"caf\xC3\xA9"}, "caf\xC3\xA9", false, true},
      {{"bad\xFF"}, "bad\xFF", false, true},
  };
  for (const GlobCase& one : cases) {
    EXPECT_EQ(patterns(one.lines).takes(one.path, one.is_folder), one.taken)
        << one.lines.front() << " on " << one.path;
  }
}

TEST(PathPatterns, ManyStarsCostLittle) {
  std::string pattern = "**";
  std::string path = "a";
  for (int i = 0; i < 200; ++i) {
    pattern += "/**/a";
    path += "/a";
  }
  EXPECT_TRUE(patterns({pattern}).takes(path, false));
  EXPECT_FALSE(patterns({pattern + "/b"}).takes(path, false));
}

TEST(PathPatterns, MistakesAreToldWithTheirCure) {
  const auto unclosed = PathPatterns::parse(std::vector<std::string>{"a[b"});
  ASSERT_FALSE(unclosed);
  EXPECT_EQ(unclosed.error().message, "the pattern \"a[b\" has a [ without a ]");
  const auto ends = PathPatterns::parse(std::vector<std::string>{"a\\"});
  ASSERT_FALSE(ends);
  EXPECT_EQ(ends.error().message, "the pattern \"a\\\" ends with a backslash");
  EXPECT_FALSE(PathPatterns::parse(std::vector<std::string>{"a//b"}));
  EXPECT_FALSE(PathPatterns::parse(std::vector<std::string>{"/"}));
}

}  // namespace
}  // namespace pca
