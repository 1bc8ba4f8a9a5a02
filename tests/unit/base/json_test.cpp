#include "base/json.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace pca {
namespace {

std::string problem_of(std::string_view text, JsonLimits limits = {}) {
  const auto result = parse_json(text, limits);
  return result ? "no error" : result.error().message;
}

TEST(Json, ReadsEveryKindOfValue) {
  const auto json =
      parse_json(R"( {"n":null,"t":true,"i":-3,"d":1.5,"s":"a\u00e4\n","a":[1,[]],"o":{}} )");
  ASSERT_TRUE(json);
  EXPECT_TRUE(json->find("n")->is_null());
  EXPECT_TRUE(*json->find("t")->as_bool());
  EXPECT_EQ(*json->find("i")->as_int(), -3);
  EXPECT_EQ(*json->find("d")->as_double(), 1.5);
  EXPECT_EQ(*json->find("s")->as_string(), "a\xC3\xA4\n");
  EXPECT_EQ(json->find("a")->as_array()->size(), 2U);
  EXPECT_TRUE(json->find("o")->as_object()->empty());
  EXPECT_EQ(json->find("absent"), nullptr);
  EXPECT_EQ(json->find("i")->find("x"), nullptr);
}

TEST(Json, KeepsTheOrderOfKeysAndWritesOneLine) {
  Json json;
  json.set("z", 1).set("a", "x\ny").set("z", Json::array());
  EXPECT_EQ(json.dump(), R"({"z":[],"a":"x\ny"})");
  json.set("z", Json().push(1).push(true));
  EXPECT_EQ(json.dump_pretty(), "{\n  \"z\": [\n    1,\n    true\n  ],\n  \"a\": \"x\\ny\"\n}");
}

TEST(Json, SetAndPushLeaveOtherKindsAlone) {
  Json text("x");
  text.set("a", 1).push(2);
  EXPECT_EQ(text.dump(), R"("x")");
}

TEST(Json, NumbersKeepTheirValue) {
  EXPECT_EQ(*parse_json("9223372036854775807")->as_int(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(*parse_json("-9223372036854775808")->as_int(),
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(*parse_json("9223372036854775808")->as_double(), 9223372036854775808.0);
  EXPECT_EQ(*parse_json("4294967295")->as_int(), 4294967295);
  EXPECT_EQ(*parse_json("0.1")->as_double(), 0.1);
  EXPECT_EQ(*parse_json("-0")->as_int(), 0);
  EXPECT_EQ(*parse_json("0e-40")->as_double(), 0);
  EXPECT_EQ(*parse_json("1E+2")->as_double(), 100);
  EXPECT_EQ(*parse_json("4.9e-324")->as_double(), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(Json(0.1).dump(), "0.1");
  EXPECT_EQ(Json(std::numeric_limits<double>::quiet_NaN()).dump(), "null");
}

TEST(Json, WritesBrokenUtf8AsReplacementCharacters) {
  EXPECT_EQ(Json("a\xFFz").dump(), "\"a\xEF\xBF\xBDz\"");
  EXPECT_EQ(Json(std::string("\0", 1)).dump(), R"("\u0000")");
}

TEST(Json, OfEqualKeysTheLastCounts) {
  EXPECT_EQ(parse_json(R"({"a":1,"b":2,"a":3,"a":4})")->dump(), R"({"b":2,"a":4})");
}

TEST(Json, ErrorsNameLineAndColumn) {
  EXPECT_EQ(problem_of("{\n  \"a\": 1,\n  b\n}"),
            "invalid JSON at line 3, column 3: Missing a name for object member.");
  EXPECT_EQ(problem_of(""), "invalid JSON: the text is empty");
}

TEST(Json, RefusesWhatIsNoJson) {
  for (const char* text : {" ", "{", "[1,]", "{\"a\":1,}", "nul", "NaN", "Infinity", "-", "01",
                           "1e999", "\"\x01\"", "'a'", "\"\\ud800\"", "\"\xC0\xAF\"",
                           "\"\xED\xA0\x80\"", "{} {}", "// c\n1", "\xEF\xBB\xBF{}"}) {
    EXPECT_FALSE(parse_json(text)) << text;
  }
  EXPECT_EQ(problem_of(std::string_view("{}\0x", 4)),
            "invalid JSON at line 1, column 3: text behind the value");
}

TEST(Json, DepthIsLimitedWithoutRecursion) {
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(problem_of(deep), "invalid JSON at line 1, column 65: more than 64 levels deep");
  const std::string allowed = std::string(64, '[') + std::string(64, ']');
  EXPECT_TRUE(parse_json(allowed));
  EXPECT_FALSE(parse_json("[" + allowed + "]"));
}

TEST(Json, SizeAndNumberOfValuesAreLimited) {
  EXPECT_EQ(problem_of("[1,2,3]", {.bytes = 6}),
            "JSON text of 7 bytes is larger than the limit of 6B");
  EXPECT_EQ(problem_of("[1,2,3]", {.values = 2}),
            "invalid JSON at line 1, column 6: more than 2 values");
  EXPECT_TRUE(parse_json("[1,2,3]", {.bytes = 7, .depth = 1, .values = 4}));
}

TEST(Json, WhatWasWrittenReadsBackTheSame) {
  const std::string text = R"({"a":[1,-2.5,"\u0000\"\\/\u2028",null,{"k":false}],"":[]})";
  const auto json = parse_json(text);
  ASSERT_TRUE(json);
  EXPECT_EQ(parse_json(json->dump())->dump(), json->dump());
  EXPECT_EQ(parse_json(json->dump_pretty())->dump(), json->dump());
}

}  // namespace
}  // namespace pca
