#include "runner/remote_text.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

std::string filtered(std::string_view text) {
  RemoteTextFilter filter;
  std::string out = filter.feed(text);
  out += filter.finish();
  return out;
}

std::string filtered_by_byte(std::string_view text) {
  RemoteTextFilter filter;
  std::string out;
  for (const char c : text) out += filter.feed({&c, 1});
  return out + filter.finish();
}

TEST(RemoteText, EveryKindOfLineEndBecomesANewline) {
  EXPECT_EQ(filtered("a\nb\r\nc\rd"), "a\nb\nc\nd\n");
  EXPECT_EQ(filtered("\r\r\n\n"), "\n\n\n");
  EXPECT_EQ(filtered(""), "");
}

TEST(RemoteText, TheLastLineIsEndedEvenWithoutANewline) { EXPECT_EQ(filtered("abc"), "abc\n"); }

TEST(RemoteText, OnlyCompleteLinesAreGivenBeforeTheEnd) {
  RemoteTextFilter filter;
  EXPECT_EQ(filter.feed("one\ntw"), "one\n");
  EXPECT_EQ(filter.feed("o\r"), "two\n");
  EXPECT_EQ(filter.feed("\nthree"), "");
  EXPECT_EQ(filter.finish(), "three\n");
  EXPECT_EQ(filter.finish(), "");
}

TEST(RemoteText, HashHashBracketIsBrokenUpAnywhere) {
  EXPECT_EQ(filtered("x ##[error]y"), "x ## [error]y\n");
  EXPECT_EQ(filtered("####[[x"), "#### [[x\n");
  EXPECT_EQ(filtered("#[x] ## [y]"), "#[x] ## [y]\n");
  // .NET's search skips characters without width.
  EXPECT_EQ(filtered("#\xE2\x80\x8B#\xEF\xBB\xBF[x]"), "#\xE2\x80\x8B#\xEF\xBB\xBF [x]\n");
  EXPECT_EQ(filtered("##\n[x]"), "##\n[x]\n");
}

TEST(RemoteText, ColonColonStaysReadable) { EXPECT_EQ(filtered("::error::x\n"), "::error::x\n"); }

TEST(RemoteText, HiddenCharactersAreShown) {
  EXPECT_EQ(filtered(std::string_view("\x1b[31m\0\x07\t\x7f", 9)), "\\x1B[31m\\x00\\x07\t\\x7F\n");
  EXPECT_EQ(filtered("\xC2\x9B\xE2\x80\xAE"), "\\u{009B}\\u{202E}\n");
}

TEST(RemoteText, BrokenUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(filtered("\xFF\xE2\x82"), "\xEF\xBF\xBD\xEF\xBF\xBD\n");
  EXPECT_EQ(filtered("\xE2\x82\xAC\xF0\x9F\x98\x80"), "\xE2\x82\xAC\xF0\x9F\x98\x80\n");
}

TEST(RemoteText, ChunkBordersChangeNothing) {
  using namespace std::string_view_literals;  // with the NUL inside
  constexpr std::string_view text =
      "a\r\nb\rc ##[x] \xE2\x82\xAC \xF0\x9F\x98 \xE2\x80\xAE #\xE2\x82\xAC#[ \0 ::x::\r"sv;
  EXPECT_EQ(filtered_by_byte(text), filtered(text));
}

TEST(RemoteText, ALongLineIsCutOnceAndTheNextOneIsWhole) {
  const std::string limit(RemoteTextFilter::line_limit, 'x');
  EXPECT_EQ(filtered(limit + "\nnext\n"), limit + "\nnext\n");
  EXPECT_EQ(filtered(limit + "y" + limit + "\nnext\n"), limit + " [line cut at 64 KiB]\nnext\n");
}

TEST(RemoteText, ALineIsNotCutInsideACharacterOrAnEscape) {
  const std::string almost(RemoteTextFilter::line_limit - 1, 'x');
  EXPECT_EQ(filtered(almost + "\xE2\x82\xAC"), almost + " [line cut at 64 KiB]\n");
  EXPECT_EQ(filtered(almost + "\x1b"), almost + " [line cut at 64 KiB]\n");
}

TEST(RemoteText, AHundredMegabytesWithoutANewlineGiveOneLine) {
  RemoteTextFilter filter;
  const std::string chunk(32768, 'x');
  std::size_t given = 0;
  for (int i = 0; i < 3200; ++i) given += filter.feed(chunk).size();
  given += filter.finish().size();
  EXPECT_EQ(given, RemoteTextFilter::line_limit + std::string(" [line cut at 64 KiB]\n").size());
}

}  // namespace
}  // namespace pca
