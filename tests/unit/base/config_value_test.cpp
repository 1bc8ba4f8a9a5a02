// YAML, TOML and JSON with comments as ConfigValues: the same tree of texts, each with its line,
// and the same limits.

#include "base/config_value.hpp"

#include <gtest/gtest.h>

#include "base/jsonc.hpp"
#include "base/toml.hpp"
#include "base/yaml.hpp"

namespace pca {
namespace {

using Parser = Result<ConfigValue, ConfigProblem> (*)(std::string_view, const ConfigLimits&);

std::string problem_of(Parser parse, std::string_view text, const ConfigLimits& limits = {}) {
  const auto value = parse(text, limits);
  if (value) return "no error";
  return "line " + std::to_string(value.error().line) + ": " + value.error().text;
}

TEST(Yaml, KnowsTheLineOfEveryKeyAndValue) {
  const auto root = parse_yaml("a: 1\n# comment\nb:\n  - x\n  - \"y\"\nc: {d: e}\n");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->find_member("b")->line, 3);
  EXPECT_EQ(root->find("b")->items.at(1).line, 5);
  EXPECT_TRUE(root->find("b")->items.at(1).is_quoted);
  EXPECT_FALSE(root->find("a")->is_quoted);
  EXPECT_EQ(root->find("c")->text_of("d"), "e");
  EXPECT_EQ(root->find("c")->find("d")->line, 6);
  EXPECT_EQ(root->find("absent"), nullptr);
}

TEST(Yaml, KeepsTheWordOnAndNoOthersAsTexts) {
  const auto root = parse_yaml("on: push\nnothing:\nempty: ''\ntilde: ~\n");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->text_of("on"), "push");
  EXPECT_EQ(root->find("nothing")->kind, ConfigValue::Kind::null);
  EXPECT_EQ(root->find("tilde")->kind, ConfigValue::Kind::null);
  EXPECT_TRUE(root->find("empty")->is_text());
}

TEST(Yaml, FindsTheLinesOfALiteralBlockAndTheFirstOfAFoldedOne) {
  const auto root =
      parse_yaml("run: |\n  one\n\n  three\nother: >-\n  folded\n  text\nlast: 'a |'\n");
  ASSERT_TRUE(root) << root.error().text;
  const ConfigValue& run = *root->find("run");
  EXPECT_EQ(run.text, "one\n\nthree\n");
  EXPECT_EQ(run.line_at(0), 2);
  EXPECT_EQ(run.line_at(run.text.find("three")), 4);
  EXPECT_EQ(root->find("other")->line_at(5), 5);
  EXPECT_EQ(root->find("last")->line_at(2), 8);
}

TEST(Yaml, ReadsAliasesAndRefusesThoseThatGrowOrContainThemselves) {
  const auto root = parse_yaml("a: &x [1, 2]\nb: *x\n");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->find("b")->items.size(), 2U);
  EXPECT_EQ(root->find("b")->items.at(0).line, 1);
  EXPECT_EQ(problem_of(parse_yaml, "a: &x\n  - *x\n"),
            "line 2: an alias stands inside of what it refers to");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 8; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 1; j < 10; ++j) bomb += ", " + last;
    bomb += "]\n";
  }
  EXPECT_EQ(problem_of(parse_yaml, bomb), "line 5: more than 100000 values");
  const std::string text(1000, 'x');
  EXPECT_EQ(problem_of(parse_yaml, "a: &x " + text + "\nb: [*x, *x]\nc: *x\n", {.expanded = 3500}),
            "line 3: texts of more than 3500B altogether");
}

TEST(Yaml, RefusesWhatIsDeepTwofoldOrSecond) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "- ";
  EXPECT_EQ(problem_of(parse_yaml, deep + "x"), "line 1: more than 40 levels deep");
  EXPECT_NE(problem_of(parse_yaml, std::string(5000, '[')), "no error");
  EXPECT_EQ(problem_of(parse_yaml, "a: 1\nb: 2\na: 3\n"),
            "line 3: the key \"a\" stands here a second time, after line 1");
  EXPECT_EQ(problem_of(parse_yaml, "a: 1\n---\nb: 2\n"), "line 2: a second document begins");
  EXPECT_EQ(problem_of(parse_yaml, "? [a]\n: b\n"), "line 1: a key that is no text");
  EXPECT_EQ(problem_of(parse_yaml, "a: [1\nb: 2\n").substr(0, 5), "line ");
}

TEST(Yaml, AnEmptyTextIsNull) {
  for (const char* text : {"", "# only a comment\n", "\n\n"}) {
    const auto root = parse_yaml(text);
    ASSERT_TRUE(root) << text;
    EXPECT_EQ(root->kind, ConfigValue::Kind::null);
  }
}

TEST(Toml, KnowsTheLineOfEveryKeyAndKeepsTheOrderOfTheFile) {
  const auto root = parse_toml("name = \"z\"\n[env.staging]\nname = \"a\"\ncount = 3\non = true\n");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->members.at(0).key, "name");
  const ConfigValue* staging = root->find("env")->find("staging");
  EXPECT_EQ(root->find("env")->find_member("staging")->line, 2);
  EXPECT_EQ(staging->text_of("name"), "a");
  EXPECT_EQ(staging->find_member("name")->line, 3);
  EXPECT_EQ(staging->text_of("count"), "3");
  EXPECT_EQ(staging->text_of("on"), "true");
}

TEST(Toml, ReadsListsOfTables) {
  const auto root =
      parse_toml("[[d1_databases]]\nbinding = \"DB\"\n[[d1_databases]]\nbinding = \"B\"\n");
  ASSERT_TRUE(root) << root.error().text;
  ASSERT_EQ(root->find("d1_databases")->items.size(), 2U);
  EXPECT_EQ(root->find("d1_databases")->items.at(1).find_member("binding")->line, 4);
}

TEST(Toml, RefusesWhatIsBrokenOrDeep) {
  EXPECT_EQ(problem_of(parse_toml, "a = 1\nb = \n").substr(0, 7), "line 2:");
  EXPECT_EQ(problem_of(parse_toml, "a = 1\nb = [}\n"),
            "line 1: somewhere in the file a value begins with what none begins with");
  std::string key = "a";
  for (int i = 0; i < 100'000; ++i) key += ".a";
  EXPECT_EQ(problem_of(parse_toml, key + " = 1\n"), "line 1: a key of more than 100 parts");
  EXPECT_EQ(problem_of(parse_toml, "x = { " + key + " = 1 }\n"),
            "line 1: a key of more than 100 parts");
  EXPECT_NE(problem_of(parse_toml, "x = " + std::string(100'000, '[')), "no error");
  EXPECT_EQ(problem_of(parse_toml, "x = " + std::string(50, '[') + std::string(50, ']')),
            "line 1: more than 40 levels deep");
}

TEST(Jsonc, ReadsCommentsAndTrailingCommas) {
  const auto root = parse_jsonc(
      "// first\n{\n  /* a\n  b */ \"name\": \"x\", // why\n  \"list\": [1, true, null,],\n}\n// "
      "last\n");
  ASSERT_TRUE(root) << root.error().text;
  EXPECT_EQ(root->text_of("name"), "x");
  EXPECT_EQ(root->find_member("name")->line, 4);
  EXPECT_EQ(root->find("list")->items.size(), 3U);
  EXPECT_EQ(root->find("list")->items.at(0).text, "1");
  EXPECT_FALSE(root->find("list")->items.at(0).is_quoted);
}

TEST(Jsonc, NamesTheLineOfAMistake) {
  EXPECT_EQ(problem_of(parse_jsonc, "{\n\"a\": 1\n\"b\": 2}").substr(0, 8), "line 3: ");
  EXPECT_EQ(problem_of(parse_jsonc, ""), "line 1: the file is empty");
  EXPECT_EQ(problem_of(parse_jsonc, "{} {}").substr(0, 8), "line 1: ");
  EXPECT_EQ(problem_of(parse_jsonc, "{\"a\": 1,\n \"a\": 2}"),
            "line 2: the key \"a\" stands here a second time, after line 1");
  EXPECT_EQ(problem_of(parse_jsonc, std::string(100'000, '[')), "line 1: more than 40 levels deep");
}

TEST(ConfigText, IsUtf8WithoutNulAndNotTooLarge) {
  for (const Parser parse : {Parser(parse_yaml), Parser(parse_toml), Parser(parse_jsonc)}) {
    EXPECT_EQ(problem_of(parse, "\n\xFF"), "line 2: the text is no UTF-8");
    EXPECT_EQ(problem_of(parse, std::string_view("a\0b", 3)), "line 1: the text holds a NUL byte");
    EXPECT_EQ(problem_of(parse, "0123456789", {.bytes = 4}),
              "line 1: the file holds 10 B, more than the 4B that it may");
  }
  EXPECT_TRUE(
      parse_yaml("\xEF\xBB\xBF"
                 "a: 1\n"));
}

}  // namespace
}  // namespace pca
