#include "base/text.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

using std::chrono::milliseconds;

TEST(Text, TrimTakesAsciiBlanksOnly) {
  EXPECT_EQ(trim(" \t\r\n a b \v\f"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim("\xC2\xA0x"), "\xC2\xA0x");  // a no-break space stays, to be reported
}

TEST(Text, CaseIsFoldedInAsciiOnly) {
  EXPECT_EQ(to_lower("AZ\xC3\x84"), "az\xC3\x84");
  EXPECT_EQ(to_upper("az\xC3\xA4"), "AZ\xC3\xA4");
  EXPECT_TRUE(equals_ignoring_case("Content-Type", "content-type"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
}

TEST(Text, LinesEndAtNewlineWithOrWithoutCarriageReturn) {
  EXPECT_EQ(split_lines("a\r\nb\n\nc"), (std::vector<std::string>{"a", "b", "", "c"}));
  EXPECT_EQ(split_lines("a\n"), (std::vector<std::string>{"a"}));
  EXPECT_TRUE(split_lines("").empty());
}

TEST(Text, ListsDropBlankLinesAndTrimItems) {
  EXPECT_EQ(split_list(" a \n\n\tb\r\n"), (std::vector<std::string>{"a", "b"}));
}

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  const std::vector<std::string> parts{"a", "b", "c"};
  EXPECT_EQ(join(parts, ", "), "a, b, c");
}

TEST(Text, DurationsNeedAUnit) {
  EXPECT_EQ(parse_duration("90s"), milliseconds(90'000));
  EXPECT_EQ(parse_duration("15m"), milliseconds(900'000));
  EXPECT_EQ(parse_duration("6h"), milliseconds(21'600'000));
  EXPECT_EQ(parse_duration("7d"), milliseconds(604'800'000));
  EXPECT_EQ(parse_duration("250ms"), milliseconds(250));
  EXPECT_EQ(parse_duration("0s"), milliseconds(0));

  const auto bare = parse_duration("90");
  ASSERT_FALSE(bare);
  EXPECT_EQ(bare.error().kind, ErrorKind::bad_input);
  EXPECT_EQ(bare.error().message, "\"90\" has no unit");
  EXPECT_EQ(bare.error().hint, "Write a whole number and a unit: 90s, 15m, 6h, 7d or 250ms.");
}

TEST(Text, WrongDurationsAreRefused) {
  for (const char* text :
       {"", "s", "-1s", "+1s", "1.5s", " 1s", "1s ", "1 s", "1S", "1sec", "0x1s"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
  EXPECT_EQ(parse_duration("99999999999999999999s").error().message,
            "\"99999999999999999999s\" is too large");
  EXPECT_EQ(parse_duration("9999999999999d").error().message, "\"9999999999999d\" is too large");
  EXPECT_EQ(parse_duration("x\x1b[31m").error().message, "\"x\\x1B[31m\" is not a duration");
}

TEST(Text, FormattedDurationsReadBackTheSame) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(format_duration(milliseconds(90'000)), "90s");
  EXPECT_EQ(format_duration(milliseconds(1'800'000)), "30m");
  EXPECT_EQ(format_duration(milliseconds(-2000)), "-2s");
  for (const char* text : {"250ms", "90s", "15m", "6h", "7d", "0s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
}

TEST(Text, SizesNeedAUnit) {
  EXPECT_EQ(parse_size("512B"), 512U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("2MiB"), 2U << 20);
  EXPECT_EQ(parse_size("1GiB"), 1U << 30);
  EXPECT_EQ(parse_size("384GiB"), 384ULL << 30);
  EXPECT_EQ(parse_size("8192TiB"), 1ULL << 53);
  EXPECT_EQ(parse_size("8193TiB").error().message, "\"8193TiB\" is too large");
  EXPECT_EQ(format_size(65536), "64KiB");
  EXPECT_EQ(format_size(1000), "1000B");
  EXPECT_EQ(format_size(0), "0B");
  EXPECT_EQ(parse_size("64").error().message, "\"64\" has no unit");
  EXPECT_EQ(parse_size("64KB").error().message, "\"64KB\" is not a size");
  EXPECT_EQ(parse_size("64KB").error().hint,
            "Write a whole number and a unit: 64KiB, 2MiB, 1GiB or 512B.");
  EXPECT_FALSE(parse_size("18446744073709551615GiB"));
}

TEST(Text, IntegersStayWithinTheirBounds) {
  EXPECT_EQ(parse_integer("16", 1, 16), 16);
  EXPECT_EQ(parse_integer("-3", -5, 5), -3);
  for (const char* text : {"", "0", "17", "1.0", "1x", " 1", "+1", "99999999999999999999"}) {
    EXPECT_FALSE(parse_integer(text, 1, 16)) << text;
  }
  EXPECT_EQ(parse_integer("17", 1, 16).error().message,
            "\"17\" is not a whole number from 1 to 16");
}

TEST(Text, NearestFindsTypingMistakesOnly) {
  const std::vector<std::string> names{"host", "host-key", "jump", "known-hosts"};
  EXPECT_EQ(nearest("hosst", names), "host");
  EXPECT_EQ(nearest("known-host", names), "known-hosts");
  EXPECT_EQ(nearest("banana", names), "");
  EXPECT_EQ(nearest("", names), "");
  EXPECT_EQ(nearest(std::string(100'000, 'x'), names), "");
}

TEST(Text, BrokenUtf8AndNulBecomeReplacementCharacters) {
  const std::string r = "\xEF\xBF\xBD";
  EXPECT_EQ(to_valid_utf8("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"),
            "a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(to_valid_utf8(std::string_view("a\0b", 3)), "a" + r + "b");
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), r + r);          // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), r + r + r);  // surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), r + r + r + r);
  EXPECT_EQ(to_valid_utf8("\xE2\x82z"), r + "z");  // a cut sequence is one mistake
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), r);
}

TEST(Text, EveryCodePointIsReadAsItWasWritten) {
  for (char32_t c = 1; c < 0x110000; c += (c < 0x3000 ? 1 : 97)) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(text, c);
    const CodePoint read = next_code_point(text);
    ASSERT_TRUE(read.valid && read.value == c && read.size == text.size()) << std::uint32_t{c};
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      ASSERT_TRUE(next_code_point(std::string_view(text).substr(0, cut)).incomplete);
    }
  }
}

TEST(Text, CutsBetweenCodePoints) {
  EXPECT_EQ(cut_utf8("a\xE2\x82\xAC", 3), "a");
  EXPECT_EQ(cut_utf8("a\xE2\x82\xAC", 4), "a\xE2\x82\xAC");
  EXPECT_EQ(cut_utf8("abc", 2), "ab");
  EXPECT_EQ(cut_utf8("\xE2\x82\xAC", 0), "");
}

TEST(Text, ShellQuotedWordsKeepTheirValue) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's $(id)"), "'it'\\''s $(id)'");
}

TEST(Text, HiddenCharactersBecomeVisible) {
  EXPECT_EQ(visible("a\tb"), "a\tb");
  EXPECT_EQ(visible("\x1b[31m\r\n\x7f"), "\\x1B[31m\\x0D\\x0A\\x7F");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(visible("\xC2\x85"), "\\u{0085}");
  EXPECT_EQ(visible("\xE2\x80\xAE"
                    "abc"),
            "\\u{202E}abc");
  EXPECT_EQ(visible("\xE2\x81\xA6\xE2\x80\xA8"), "\\u{2066}\\u{2028}");
  EXPECT_EQ(visible("gr\xC3\xBC\xC3\x9F \xFF"), "gr\xC3\xBC\xC3\x9F \xEF\xBF\xBD");
}

}  // namespace
}  // namespace pca
