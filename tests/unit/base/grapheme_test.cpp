#include "base/grapheme.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pca {
namespace {

// What people see as one character each, with how many code points it has.
struct Character {
  const char* name;
  std::string text;
  std::size_t code_points;
};

const std::vector<Character> characters{
    {"a letter and its accent", "e\u0301", 2},
    {"a family", "\U0001F468\u200D\U0001F469\u200D\U0001F467", 5},
    {"a skin tone", "\U0001F44D\U0001F3FD", 2},
    {"a flag", "\U0001F1E9\U0001F1EA", 2},
    {"a flag of tags", "\U0001F3F4\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F", 7},
    {"a keycap", "1\uFE0F\u20E3", 3},
    {"a syllable of Hangul letters", "\u1112\u1161\u11AB", 3},
    {"Devanagari with its vowel", "\u0928\u093F", 2},
    {"Thai with its vowel", "\u0E01\u0E33", 2},
    {"what stands in front of a number", "\u06001", 2},
    {"CR LF", "\r\n", 2},
};

TEST(CutCharacters, KeepsEachWholeOrLeavesItOut) {
  for (const Character& c : characters) {
    ASSERT_EQ(count_code_points(c.text), c.code_points) << c.name;
    const std::string text = "x" + c.text + "y";
    for (std::size_t most = 1; most <= c.code_points; ++most) {
      EXPECT_EQ(cut_characters(text, most), "x") << c.name << ", " << most;
    }
    EXPECT_EQ(cut_characters(text, c.code_points + 1), "x" + c.text) << c.name;
    EXPECT_EQ(cut_characters(text, c.code_points + 2), text) << c.name;
  }
}

TEST(CutCharacters, TakesFlagsByTwoLetters) {
  const std::string flags =
      "\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7\U0001F1EE\U0001F1F9";  // three
  EXPECT_EQ(count_code_points(cut_characters(flags, 5)), 4U);
  EXPECT_EQ(count_code_points(cut_characters(flags, 3)), 2U);
}

TEST(CutCharacters, CutsOnlyACharacterThatIsLongerThanAll) {
  std::string marks = "a";
  for (int i = 0; i < 500; ++i) marks += "\u0301";
  EXPECT_EQ(count_code_points(cut_characters(marks, 10)), 10U);
  EXPECT_EQ(cut_characters("", 0), "");
  EXPECT_EQ(cut_characters("ab", 0), "");
}

}  // namespace
}  // namespace pca
