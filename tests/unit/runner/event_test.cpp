#include "runner/event.hpp"

#include <gtest/gtest.h>

namespace pca {
namespace {

Json event() {
  return *parse_event(R"({"a": {"b": "text", "number": 5, "nothing": null}, "gone": null})");
}

TEST(Events, AreObjects) {
  for (const char* text : {"", "[]", "5", "null", "{", "\"a\""}) {
    const auto parsed = parse_event(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::bad_input);
  }
}

TEST(Events, GiveTheTextAtAPath) {
  EXPECT_EQ(*event_text(event(), {"a", "b"}), "text");
  EXPECT_EQ(*required_event_text(event(), {"a", "b"}), "text");
}

void expect_nothing_at(EventPath path) {
  EXPECT_EQ(*event_text(event(), path), "");
  EXPECT_FALSE(required_event_text(event(), path));
}

TEST(Events, GiveNothingWhereAPartIsAbsentOrNull) {
  expect_nothing_at({"x"});
  expect_nothing_at({"x", "y"});
  expect_nothing_at({"gone", "y"});
  expect_nothing_at({"a", "nothing"});
  expect_nothing_at({"a", "c"});
}

TEST(Events, SayWhatIsOfAnotherKind) {
  EXPECT_EQ(event_text(event(), {"a", "number"}).error().message,
            "the event's a.number is no text");
  EXPECT_EQ(event_text(event(), {"a", "b", "c"}).error().message, "the event's a.b is no object");
  Json longer = Json::object();
  longer.set("a", std::string(4097, 'x'));
  EXPECT_EQ(event_text(longer, {"a"}).error().message, "the event's a is longer than 4096 bytes");
}

}  // namespace
}  // namespace pca
