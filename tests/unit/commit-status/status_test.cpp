#include "commit-status/status.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

std::string times(int count, const std::string& text) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

const std::string more = "…";

TEST(Descriptions, OfTheLongestLengthStayWhole) {
  EXPECT_EQ(fit_description(times(140, "é")), times(140, "é"));
  EXPECT_EQ(fit_description(times(141, "é")), times(139, "é") + more);
  EXPECT_FALSE(is_too_long(times(140, "é")));
  EXPECT_TRUE(is_too_long(times(141, "é")));
}

TEST(Descriptions, AreCutBetweenWhatPeopleSeeAsCharacters) {
  const std::string accent = "e\u0301";                                     // 2 code points
  const std::string family = "\U0001F468\u200D\U0001F469\u200D\U0001F467";  // 5, joined
  const std::string thumb = "\U0001F44D\U0001F3FD";                         // with a skin tone
  const std::string flag = "\U0001F1E9\U0001F1EA";                          // two letters
  EXPECT_EQ(fit_description(times(138, "x") + accent + "yy"), times(138, "x") + more);
  EXPECT_EQ(fit_description(times(137, "x") + accent + "yy"), times(137, "x") + accent + more);
  EXPECT_EQ(fit_description(times(136, "x") + family), times(136, "x") + more);
  EXPECT_EQ(fit_description(times(138, "x") + thumb + "y"), times(138, "x") + more);
  EXPECT_EQ(fit_description("x" + times(80, flag)), "x" + times(69, flag) + more);
  EXPECT_EQ(fit_description(times(80, flag)), times(69, flag) + more);
}

TEST(Descriptions, AreOneLineOfValidUtf8) {
  EXPECT_EQ(fit_description(" a\r\nb\tc\x1b "), "a  b c");
  EXPECT_EQ(fit_description("a\xFF"
                            "b"),
            "a\uFFFD"
            "b");
  const std::string marks = fit_description("a" + times(500, "\u0301"));
  EXPECT_TRUE(marks.ends_with(more));
}

TEST(States, AreThoseOfJobsToo) {
  EXPECT_EQ(*parse_state("cancelled"), "error");
  EXPECT_EQ(*parse_state("skipped"), "success");
  EXPECT_EQ(*parse_state("pending"), "pending");
  EXPECT_FALSE(parse_state("done"));
  EXPECT_FALSE(parse_state(""));
}

TEST(Contexts, AreOneLineOfAtMost255Characters) {
  EXPECT_TRUE(check_context(times(255, "é")));
  EXPECT_FALSE(check_context(times(256, "x")));
  EXPECT_FALSE(check_context(" "));
  EXPECT_FALSE(check_context("a\tb"));
  EXPECT_FALSE(check_context("a\u202Eb"));
}

TEST(TargetUrls, AreWebAddressesWithoutSecrets) {
  EXPECT_TRUE(check_target_url("https://shop.example.com/a?b=c@d#e"));
  EXPECT_TRUE(check_target_url("http://localhost:8080"));
  for (const std::string& bad :
       {std::string("ftp://x"), std::string("javascript:alert(1)"), std::string("https://"),
        std::string("https://user:canary@x/"), std::string("https://x/ y"), std::string("//x"),
        std::string("https://x/\n"), "https://x/" + times(2048, "y")}) {
    const auto good = check_target_url(bad);
    ASSERT_FALSE(good) << bad;
    EXPECT_EQ(good.error().message.find("canary"), std::string::npos);
  }
}

TEST(Batches, TellAllMistakesTogether) {
  const Batch batch = parse_batch(
      R"([{"context": "a", "state": "success", "description": null},
          {"context": "b", "state": "done"}, {"state": "success"}, {"context": "c", "stat": "x"}, 5,
          {"context": "d", "state": "success", "target_url": "ftp://x"}])",
      false);
  ASSERT_EQ(batch.statuses.size(), 1U);
  EXPECT_EQ(batch.statuses[0].context, "a");
  ASSERT_EQ(batch.mistakes.size(), 5U);
  EXPECT_EQ(batch.mistakes[0].message, "entry 2: \"done\" is no state");
  EXPECT_EQ(batch.mistakes[2].hint, "Did you mean state?");
}

TEST(Batches, AreArraysOfAHundredAtMost) {
  for (const std::string& bad : {std::string("{}"), std::string("[]"), std::string("["),
                                 "[" + times(100, "{\"context\":\"a\",\"state\":\"error\"},") +
                                     "{\"context\":\"a\",\"state\":\"error\"}]"}) {
    EXPECT_EQ(parse_batch(bad, false).mistakes.size(), 1U) << bad.substr(0, 20);
  }
}

TEST(Batches, AreStrictWhenAsked) {
  const std::string json =
      R"([{"context": "a", "state": "success", "description": ")" + times(141, "x") + "\"}]";
  EXPECT_EQ(parse_batch(json, true).mistakes.size(), 1U);
  EXPECT_EQ(parse_batch(json, false).statuses.size(), 1U);
}

TEST(Statuses, OfOneNameAreMergedInAnyCase) {
  int doubles = 0;
  const auto kept = without_doubles(
      {{"error", "Deploy", "", ""}, {"success", "test", "", ""}, {"success", "deploy", "", ""}},
      doubles);
  EXPECT_EQ(doubles, 1);
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].context, "test");
  EXPECT_EQ(kept[1].state, "success");
}

}  // namespace
}  // namespace pca::commit_status
