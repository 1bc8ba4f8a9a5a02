#include "swarm-deploy/interpolation.hpp"

#include <gtest/gtest.h>

namespace pca::swarm_deploy {
namespace {

const Variables variables{{"A", "one"}, {"B_2", "two"}, {"EMPTY", ""}};

std::string text_of(std::string_view text) {
  const auto done = interpolate(text, variables);
  return done ? done->text : "error: " + done.error().message;
}

TEST(Interpolation, ReplacesVariables) {
  EXPECT_EQ(text_of("x${A}y$B_2/z"), "xoneytwo/z");
  EXPECT_EQ(text_of("$$A $$${A}"), "$A $one");
  EXPECT_EQ(text_of("[$MISSING]"), "[]");
}

TEST(Interpolation, HasDefaults) {
  EXPECT_EQ(text_of("${MISSING:-d}${MISSING-d}${EMPTY:-d}${EMPTY-d}${A:-d}"), "dddone");
  EXPECT_EQ(text_of("${MISSING:-${EMPTY:-${A}}}"), "one");
  EXPECT_EQ(text_of("${MISSING:-a}b}"), "ab}");
}

TEST(Interpolation, HasReplacements) {
  EXPECT_EQ(text_of("${A:+set}${EMPTY:+set}${EMPTY+there}${MISSING+no}"), "setthere");
}

TEST(Interpolation, RequiresWhatIsNeeded) {
  EXPECT_EQ(text_of("${A:?why}"), "one");
  EXPECT_EQ(text_of("${EMPTY:?say - which}"), "error: the variable EMPTY is empty: say - which");
  EXPECT_EQ(text_of("${MISSING?}"), "error: the variable MISSING is not set");
}

TEST(Interpolation, SaysWhichAreUnset) {
  EXPECT_EQ(interpolate("$MISSING ${OTHER} ${GIVEN:-x} $A", variables)->unset,
            (std::vector<std::string>{"MISSING", "OTHER"}));
}

TEST(Interpolation, SaysWhatADefaultSwallows) {
  const auto done = interpolate("$A-tail", variables);
  EXPECT_EQ(done->text, "one");
  EXPECT_EQ(done->swallowed, std::vector<std::string>{"$A-tail"});
}

TEST(Interpolation, SaysWhatTheDockerCommandMisreads) {
  for (const char* text : {"${A:?b-c}", "${A?b-c}", "${A-b:-c}", "${MISSING-b:-c}", "${A?b:?c}"}) {
    const auto done = interpolate(text, variables);
    EXPECT_EQ(done->misread, std::vector<std::string>{text});
  }
  for (const char* text : {"${A}", "$A", "${A:-b-c}", "${A-b-c}", "${A:?b}", "${A:-b:?c}",
                           "${A:+b-c}", "${MISSING:-${B_2}-c}"}) {
    EXPECT_TRUE(interpolate(text, variables)->misread.empty()) << text;
  }
}

TEST(Interpolation, RefusesWhatIsNone) {
  for (const char* bad : {"$", "a$ b", "${", "${}", "${1}", "${A", "${A!x}", "$-"}) {
    EXPECT_TRUE(text_of(bad).starts_with("error: ")) << bad;
  }
  std::string deep = "x";
  for (int i = 0; i < 50; ++i) deep = "${M:-" + deep + "}";
  EXPECT_TRUE(text_of(deep).starts_with("error: "));
}

}  // namespace
}  // namespace pca::swarm_deploy
