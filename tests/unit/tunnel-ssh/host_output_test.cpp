#include "tunnel-ssh/host_output.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <optional>

namespace pca::tunnel_ssh {
namespace {

class HostOutputTest : public testing::Test {
 protected:
  HostOutputTest() {
    ReporterSettings settings;
    settings.out = [this](std::string_view text) {
      log_ += text;
      return 0;
    };
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

TEST_F(HostOutputTest, NoLineOfAGroupLandsInTheMiddleOfAnother) {
  settings_.grouped = true;
  HostOutput output = make(false);
  output.sinks().out("start-1");
  output.sinks().err("err-1\n");
  output.sinks().out("-end-1\r");
  output.sinks().err("no end");
  output.sinks().out("\nlast");
  output.finish();
  EXPECT_EQ(log_, "web1\nerr-1\nstart-1-end-1\nlast\nno end\n");
}

TEST_F(HostOutputTest, AnEndlessLineOfAGroupIsCutOnceAndHeldInBoundedMemory) {
  settings_.grouped = true;
  settings_.capture_out = false;
  HostOutput output = make(false);
  const std::string chunk(std::size_t{32} * 1024, 'x');
  for (int i = 0; i < 64; ++i) output.sinks().out(chunk);
  output.sinks().out("\nnext\n");
  output.finish();
  EXPECT_EQ(log_, "web1\n" + std::string(std::size_t{64} * 1024 - 64, 'x') +
                      " [line cut at 64 KiB]\nnext\n");
}

TEST_F(HostOutputTest, AGroupSaysHowMuchOfItIsLeftOut) {
  settings_.grouped = true;
  settings_.group_limit = 10;
  HostOutput output = make(false);
  output.sinks().out("one\ntwo\nthree\n");
  output.sinks().out("4\n");  // would fit, but would then seem to follow on two
  output.finish();
  EXPECT_EQ(log_,
            "web1\none\ntwo\n[8B more are left out: a group holds 10B; the last lines were:]\n"
            "one\ntwo\nthree\n4\n");
}

// A limit of this process's files stands for a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

TEST_F(HostOutputTest, AGroupThatCannotBeKeptIsTold) {
  settings_.grouped = true;
  {
    const FileSizeLimit full_disk(6);
    HostOutput output = make(false);
    output.sinks().out("one\n");
    output.sinks().out("two\n");
    output.sinks().out("three\n");
    output.finish();
  }
  EXPECT_EQ(
      log_,
      "web1\none\ntw\n[8B more are left out: file too large; the last lines were:]\n"
      "one\ntwo\nthree\n"
      "warning: web1: 8B of its output are missing from the log: they could not be kept until "
      "its end: file too large. Make room in the folder for temporary files, or use `output: "
      "interleaved`.\n");
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

TEST_F(HostOutputTest, TheOtherStreamTearsNoSecret) {
  const Secret secret = redactor_.protect("hunter2hunter2");
  HostOutput output = make(true);
  output.sinks().out("a hunter2");
  output.sinks().err("meanwhile\nand hunter2");
  output.sinks().out("hunter2 b\nnot yet");
  output.sinks().err("hunter2 c\n");
  output.finish();
  EXPECT_EQ(output.last_words(), "meanwhile\na *** b\nand *** c\nnot yet");
}

TEST_F(HostOutputTest, TheLastWordsHoldNoRestOfASecretThatGoesOnOverLines) {
  const Secret secret = redactor_.protect("correct horse");
  HostOutput output = make(true);
  output.sinks().out("Y29ycmVj\n");
  output.sinks().err("meanwhile\n");
  output.sinks().out("dCBob3Jz\nZQ\n");
  output.finish();
  EXPECT_EQ(output.last_words(), "meanwhile\n***Q");
  EXPECT_EQ(log_, "meanwhile\n***Q\n");
}

TEST_F(HostOutputTest, NoPartOfALongLineIsKept) {
  const Secret secret = redactor_.protect("hunter2hunter2");
  for (const std::size_t first : {8180U, 8190U, 20'000U}) {
    const std::string line = std::string(8185, 'x') + "hunter2hunter2" + std::string(9000, 'y');
    HostOutput output = make(true);
    output.sinks().out(line.substr(0, first));
    EXPECT_EQ(output.last_words().find("hunter2"), std::string::npos) << first;
    output.sinks().out((first < line.size() ? line.substr(first) : "") + "\nend\n");
    output.finish();
    EXPECT_EQ(output.last_words().find("hunter2"), std::string::npos) << first;
    EXPECT_TRUE(output.last_words().ends_with("end")) << output.last_words();
  }
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
