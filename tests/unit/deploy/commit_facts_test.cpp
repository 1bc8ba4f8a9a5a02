#include "deploy/commit_facts.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

const std::string sha(40, 'a');

std::string event_of(const std::string& time, const std::string& message = "m") {
  return R"({"head_commit":{"id":")" + sha + R"(","timestamp":")" + time + R"(","message":")" +
         message + "\"}}";
}

TEST(CommitFactsTest, OfGitAreReadInUtc) {
  const CommitFacts facts =
      parse_git_answer("1769860800\nFix it\n\nThis reverts commit 0123456789abcdef.\n");
  EXPECT_EQ(facts.time, "2026-01-31T12:00:00Z");
  EXPECT_EQ(facts.revert_of, "0123456789abcdef");
  EXPECT_EQ(parse_git_answer("0\n").time, "1970-01-01T00:00:00Z");
  for (const char* text : {"", "x\n", "-1\n", "99999999999999999999\n", "253402300800\n", " 1\n"}) {
    EXPECT_EQ(parse_git_answer(text).time, "") << text;
  }
}

TEST(CommitFactsTest, OfAnEventAreReadInUtc) {
  EXPECT_EQ(parse_event(event_of("2026-01-31T13:00:00+01:00"), sha).time, "2026-01-31T12:00:00Z");
  EXPECT_EQ(parse_event(event_of("2026-01-31T06:30:00-05:30"), sha).time, "2026-01-31T12:00:00Z");
  EXPECT_EQ(parse_event(event_of("2026-01-31T12:00:00Z"), sha).time, "2026-01-31T12:00:00Z");
  EXPECT_EQ(parse_event(event_of("2026-01-31T12:00:00Z"), std::string(40, 'b')).time, "")
      << "of another commit";
  for (const char* time : {"", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31T12:00:00+1",
                           "2026-01-31T12:00:00+99:00", "2026-01-31t12:00:00Z"}) {
    EXPECT_EQ(parse_event(event_of(time), sha).time, "") << time;
  }
  for (const char* json : {"", "[]", "{}", R"({"head_commit":null})", R"({"head_commit":[1]})"}) {
    EXPECT_EQ(parse_event(json, sha).time, "") << json;
  }
}

TEST(CommitFactsTest, OnlyAWholeNameIsAReverted) {
  const auto reverted = [](const std::string& message) {
    return parse_event(event_of("2026-01-31T12:00:00Z", message), sha).revert_of;
  };
  EXPECT_EQ(reverted("This reverts commit 0123456, reversing changes"), "0123456");
  EXPECT_EQ(reverted("This reverts commit 012345."), "");
  EXPECT_EQ(reverted("This reverts commit $(id)."), "");
  EXPECT_EQ(reverted("This reverts commit " + std::string(65, 'a')), "");
  EXPECT_EQ(reverted("That reverts commit 0123456"), "");
}

}  // namespace
}  // namespace pca
