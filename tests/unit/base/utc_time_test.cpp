#include "base/utc_time.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

using namespace std::chrono_literals;

TEST(UtcTimes, AreWrittenWithTheDecimalsThatTheyHave) {
  EXPECT_EQ(utc_text(UtcTime(0ms)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text(UtcTime(1'769'860'800'000ms)), "2026-01-31T12:00:00Z");
  EXPECT_EQ(utc_text(UtcTime(1'769'860'800'007ms)), "2026-01-31T12:00:00.007Z");
}

TEST(UtcTimes, AreReadWithAnyOffset) {
  for (const char* text :
       {"2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T13:00:00+0100",
        "2026-01-30T22:00:00-14:00", "2026-01-31T12:00:00.000Z"}) {
    const auto time = parse_utc(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(*time, UtcTime(1'769'860'800'000ms)) << text;
  }
  EXPECT_EQ(*parse_utc("2026-01-31T13:00:00.25+01:00"), UtcTime(1'769'860'800'250ms));
  EXPECT_EQ(*parse_utc("2026-01-31T12:00:00.0079999Z"), UtcTime(1'769'860'800'007ms));
  EXPECT_EQ(*parse_utc("9999-12-31T23:59:59.999Z"), UtcTime(253'402'300'799'999ms));
}

TEST(UtcTimes, NothingElseIsOne) {
  for (const char* text :
       {"", "now", "1769860800", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z",
        "2026-1-31T12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:00:60Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00Z ",
        "2026-01-31T12:00:00+24:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01",
        " 2026-01-31T12:00:00Z"}) {
    const auto time = parse_utc(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().kind, ErrorKind::bad_input);
    EXPECT_NE(time.error().hint.find("2026-01-31T12:00:00Z"), std::string::npos);
  }
}

}  // namespace
}  // namespace pca
