#include "tunnel-ssh/host_output.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace pca::tunnel_ssh {
namespace {

class HostOutputTest : public testing::Test {
 protected:
  HostOutputTest() {
    ReporterSettings settings;
    settings.out = [this](std::string_view text) { log_ += text; };
    settings.err = [this](std::string_view text) { log_ += text; };
    reporter_.emplace(std::move(settings), redactor_);
  }

  HostOutput make(bool is_only_host) {
    return HostOutput(*reporter_, redactor_, settings_, "web1", is_only_host, turn_);
  }

  std::string log_;
  Redactor redactor_;
  std::optional<Reporter> reporter_;
  OutputSettings settings_;
  std::mutex turn_;
};

TEST_F(HostOutputTest, AnOnlyHostIsShownPlain) {
  HostOutput output = make(true);
  output.sinks().out("one\ntwo");
  output.sinks().err("bad\n");
  output.finish();
  EXPECT_EQ(log_, "one\nbad\ntwo\n");
  EXPECT_EQ(output.out(), "one\ntwo");
  EXPECT_EQ(output.err(), "bad\n");
}

TEST_F(HostOutputTest, OneOfManyHasItsNameBeforeEachLine) {
  HostOutput output = make(false);
  output.sinks().noise("motd\n");
  output.sinks().out("one\n");
  output.finish();
  EXPECT_EQ(log_, "web1: motd\nweb1: one\n");
  EXPECT_EQ(output.out(), "one\n");
  EXPECT_EQ(output.err(), "");
}

TEST_F(HostOutputTest, AGroupComesAsOneBlockAtTheEnd) {
  settings_.grouped = true;
  HostOutput output = make(false);
  output.sinks().out("one\n");
  reporter_->info("meanwhile");
  output.sinks().err("two\n");
  EXPECT_EQ(log_, "meanwhile\n");
  output.finish();
  EXPECT_EQ(log_, "meanwhile\nweb1\none\ntwo\n");
}

TEST_F(HostOutputTest, SecretsAreBlankedEverywhere) {
  const Secret secret = redactor_.protect("hunter2hunter2");
  for (const bool grouped : {false, true}) {
    settings_.grouped = grouped;
    HostOutput output = make(false);
    output.sinks().out("a hunter2");
    output.sinks().out("hunter2 b\n");
    output.finish();
    EXPECT_EQ(output.out(), "a *** b\n");
    EXPECT_EQ(output.last_words(), "a *** b");
  }
  EXPECT_EQ(log_, "web1: a *** b\nweb1\na *** b\n");
}

TEST_F(HostOutputTest, CapturesOnlyWhatIsWanted) {
  settings_.capture_out = false;
  settings_.capture_limit = 3;
  HostOutput output = make(true);
  output.sinks().out("one\n");
  output.sinks().err("two\n");
  output.finish();
  EXPECT_EQ(output.out(), "");
  EXPECT_EQ(output.err(), "two\n[cut at 3B]");
}

TEST_F(HostOutputTest, TheLastWordsAreAtMostTwentyLines) {
  HostOutput output = make(true);
  for (int i = 1; i <= 100; ++i) output.sinks().out("line " + std::to_string(i) + "\n");
  output.finish();
  const std::string words = output.last_words();
  EXPECT_TRUE(words.starts_with("line 81\n")) << words;
  EXPECT_TRUE(words.ends_with("\nline 100")) << words;
}

}  // namespace
}  // namespace pca::tunnel_ssh
