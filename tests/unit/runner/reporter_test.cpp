#include "runner/reporter.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <thread>

#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "support/canned_server.hpp"
#include "support/runner_model.hpp"
#include "support/temp_folder.hpp"

namespace pca {
namespace {

using test::RunnerModel;

// A Reporter whose streams are strings.
class ReporterTest : public ::testing::Test {
 protected:
  ReporterSettings settings(bool in_actions = true) {
    ReporterSettings settings;
    settings.out = [this](std::string_view text) {
      out_ += text;
      return out_error_;
    };
    settings.err = [this](std::string_view text) { err_ += text; };
    settings.in_actions = in_actions;
    settings.now = [this] { return now_; };
    return settings;
  }

  // `out_` with each resume token replaced by T1, T2, ... in the order of their regions.
  [[nodiscard]] std::string out_with_named_tokens() const {
    std::string text = out_;
    const std::regex stop("::stop-commands::([0-9a-f]{32,})\n");
    std::smatch match;
    for (int number = 1; std::regex_search(text, match, stop); ++number) {
      text = std::regex_replace(text, std::regex(match[1].str()), "T" + std::to_string(number));
    }
    return text;
  }

  std::string out_;
  std::string err_;
  int out_error_ = 0;
  Clock::time_point now_{};
  Redactor redactor_;
};

TEST_F(ReporterTest, InActionsProblemsAreAnnotations) {
  Reporter reporter(settings(), redactor_);
  reporter.info("50% done");
  reporter.notice("note");
  reporter.warning("two\nlines");
  reporter.error(failed("no such host", "Check the name."));
  reporter.debug("not shown");
  EXPECT_EQ(out_,
            "50% done\n"
            "::notice::note\n"
            "::warning::two%0Alines\n"
            "::error::no such host%0ACheck the name.\n");
  EXPECT_EQ(err_, "");
}

TEST_F(ReporterTest, AnAnnotationHasAPlaceAndNothingInItEndsItEarly) {
  const Annotation annotation{.level = "warning",
                              .title = "a,b",
                              .file = "x\n::error::y",
                              .line = 7,
                              .text = "one\n::error::two"};
  {
    Reporter reporter(settings(), redactor_);
    reporter.annotate(annotation);
  }
  EXPECT_EQ(out_,
            "::warning file=x\\x0A%3A%3Aerror%3A%3Ay,line=7,title=a%2Cb::one%0A::error::two\n");
  Reporter plain(settings(false), redactor_);
  plain.annotate(annotation);
  EXPECT_EQ(err_, "warning: x\\x0A::error::y:7: one\n  ::error::two\n");
}

TEST_F(ReporterTest, OutsideActionsThereAreNoCommands) {
  auto plain = settings(false);
  plain.debug = true;
  {
    Reporter reporter(plain, redactor_);
    reporter.info("hello");
    reporter.group("Deploy");
    reporter.group("Verify");
    reporter.end_group();
    reporter.notice("note");
    reporter.debug("detail");
    reporter.warning({"a kind", std::string("two\nlines")});
    EXPECT_TRUE(reporter.take_warnings().empty());
    reporter.error(failed("no such host", "Check the name."));
    const auto output = reporter.remote("web1: ");
    output->feed("::error::x\ny");
  }
  EXPECT_EQ(out_, "hello\nDeploy\nVerify\nweb1: ::error::x\nweb1: y\n");
  EXPECT_EQ(err_,
            "notice: note\n"
            "debug: detail\n"
            "warning: two\n  lines\n"
            "error: no such host\n  Check the name.\n");
}

TEST_F(ReporterTest, KnowsWhyStdoutDidNotTakeEverything) {
  Reporter reporter(settings(false), redactor_);
  reporter.info("written");
  EXPECT_EQ(reporter.stdout_error(), 0);
  out_error_ = EPIPE;  // the reader wants no more
  reporter.info("not wanted");
  EXPECT_EQ(reporter.stdout_error(), 0);
  out_error_ = ENOSPC;
  reporter.remote("")->feed("lost\n");
  out_error_ = EIO;
  reporter.info("lost too");
  out_error_ = 0;
  reporter.info("written again");
  EXPECT_EQ(reporter.stdout_error(), ENOSPC);
}

TEST_F(ReporterTest, AReportThatStdoutDidNotTakeIsKnownToo) {
  auto json = settings(false);
  json.json_on_stdout = true;
  Reporter reporter(json, redactor_);
  out_error_ = ENOSPC;
  reporter.info("goes to stderr");
  EXPECT_EQ(reporter.stdout_error(), 0);
  reporter.report(Json::object());
  EXPECT_EQ(reporter.stdout_error(), ENOSPC);
}

// The runner keeps ten annotations of a step, and its 4,096 characters of each.
TEST_F(ReporterTest, WarningsOfAKindAreOneAnnotationAndLinesOfLogAndSummary) {
  const Secret secret = redactor_.protect("hunter2hunter2");
  const test::TempFolder folder;
  auto with_summary = settings();
  with_summary.summary_file = folder.write("summary", "");
  Reporter reporter(with_summary, redactor_);
  for (const char* host : {"web1", "web2", "web3"}) {
    reporter.warning(Warning{"Host: keys", std::string(host) + " | hunter2hunter2\n::error::x"});
    reporter.warning(Warning{"Left running", std::string(host) + " goes on"});
  }
  RunnerModel during;
  during.feed(out_);
  during.finish();
  EXPECT_EQ(during.commands().size(), 1U) << "the mask only";
  EXPECT_NE(out_.find("warning: web1 | ***\n  ::error::x\n"), std::string::npos) << out_;
  EXPECT_NE(out_.find("warning: web3 goes on\n"), std::string::npos) << out_;

  reporter.finish();
  reporter.finish();
  RunnerModel runner;
  runner.feed(out_);
  runner.finish();
  ASSERT_EQ(runner.commands().size(), 3U);
  EXPECT_EQ(runner.commands()[1].name, "warning");
  EXPECT_EQ(runner.commands()[1].properties.at("title"), "Host: keys");
  EXPECT_EQ(runner.commands()[1].data,
            "web1 | ***\n::error::x\nweb2 | ***\n::error::x\nweb3 | ***\n::error::x");
  EXPECT_EQ(runner.commands()[2].properties.at("title"), "Left running");
  EXPECT_EQ(runner.commands()[2].data, "web1 goes on\nweb2 goes on\nweb3 goes on");
  const std::string summary = folder.read("summary");
  EXPECT_NE(summary.find("**Warning: Left running**\n\n    web1 goes on\n    web2 goes on\n"),
            std::string::npos)
      << summary;
  EXPECT_NE(summary.find("    web3 | ***\n    ::error::x\n"), std::string::npos) << summary;
}

TEST_F(ReporterTest, AnAnnotationStaysBelowWhatTheRunnerKeepsOfIt) {
  Reporter reporter(settings(), redactor_);
  const std::string text(390, 'x');
  for (int i = 0; i < 20; ++i) reporter.warning(Warning{"Host keys", text});
  reporter.finish();
  RunnerModel runner;
  runner.feed(out_);
  runner.finish();
  ASSERT_EQ(runner.commands().size(), 1U);
  const std::string& data = runner.commands()[0].data;
  EXPECT_LT(data.size(), 4096U);
  EXPECT_TRUE(data.ends_with("xxx\nand 10 more, in the log and in the summary")) << data;
}

TEST_F(ReporterTest, WarningsOfAnotherProcessAreAnnotatedHere) {
  Reporter reporter(settings(), redactor_);
  reporter.warning(Warning{"Host keys", "web1"});
  const std::vector<Warning> taken = reporter.take_warnings();
  ASSERT_EQ(taken.size(), 1U);
  out_.clear();
  reporter.keep_warnings(taken);
  EXPECT_EQ(out_, "") << "the other one has shown it";
  reporter.finish();
  EXPECT_EQ(out_, "::warning title=Host keys::web1\n");
}

TEST_F(ReporterTest, ASummaryOfWarningsThatIsLostIsTold) {
  auto lost = settings();
  lost.summary_file = "/nonexistent/summary";
  Reporter reporter(lost, redactor_);
  reporter.warning(Warning{"Host keys", "web1"});
  reporter.finish();
  EXPECT_TRUE(
      out_.starts_with("warning: web1\n::warning title=Host keys::web1\n"
                       "::warning::The summary is lost: "))
      << out_;
}

TEST_F(ReporterTest, GroupsDoNotNest) {
  Reporter reporter(settings(), redactor_);
  reporter.group("one");
  reporter.group("two\nlines");
  reporter.end_group();
  reporter.end_group();
  reporter.group("three");
  reporter.finish();
  EXPECT_EQ(out_,
            "::group::one\n::endgroup::\n::group::two\\x0Alines\n::endgroup::\n"
            "::group::three\n::endgroup::\n");
}

TEST_F(ReporterTest, DebugIsACommandWhenWanted) {
  auto debugging = settings();
  debugging.debug = true;
  Reporter reporter(debugging, redactor_);
  reporter.debug("detail");
  EXPECT_EQ(out_, "::debug::detail\n");
}

TEST_F(ReporterTest, RemoteTextIsWrappedAndEndedBeforeTheTokenWhateverCameLast) {
  Reporter reporter(settings(), redactor_);
  const auto output = reporter.remote("");
  output->feed("::set-env name=PATH::/evil\nno end");
  output->finish();
  reporter.finish();
  EXPECT_EQ(out_with_named_tokens(),
            "::stop-commands::T1\n::set-env name=PATH::/evil\nno end\n::T1::\n");
}

TEST_F(ReporterTest, ARegionSpansChunksAndEndsBeforeACommand) {
  Reporter reporter(settings(), redactor_);
  const auto one = reporter.remote("web1: ");
  const auto two = reporter.remote("web2: ");
  one->feed("a\n");
  two->feed("b\n");
  reporter.info("still going");
  one->feed("c\n");
  reporter.warning("slow");
  reporter.warning("very slow");
  two->feed("d\n");
  reporter.finish();
  EXPECT_EQ(out_with_named_tokens(),
            "::stop-commands::T1\nweb1: a\nweb2: b\nstill going\nweb1: c\n::T1::\n"
            "::warning::slow\n::warning::very slow\n"
            "::stop-commands::T2\nweb2: d\n::T2::\n");
}

TEST_F(ReporterTest, EachRegionHasAFreshTokenOfAtLeast128Bits) {
  Reporter reporter(settings(), redactor_);
  const auto output = reporter.remote("");
  for (int i = 0; i < 20; ++i) {
    output->feed("x\n");
    reporter.notice("n");
  }
  RunnerModel runner;
  runner.feed(out_);
  runner.finish();
  ASSERT_EQ(runner.tokens().size(), 20U);
  for (std::size_t i = 0; i < 20; ++i) {
    EXPECT_GE(runner.tokens()[i].size(), 32U);
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(runner.tokens()[i], runner.tokens()[j]);
  }
}

TEST_F(ReporterTest, AHostsCommandsAreNeverObeyed) {
  Reporter reporter(settings(), redactor_);
  for (const char* prefix : {"", "web1: "}) {
    const auto output = reporter.remote(prefix);
    output->feed("::add-mask::a\r::error::b\r\n  ::stop-commands::x\n\xC2\xA0::debug::c\n");
    output->feed("text ##[error]d\n::endgr");
    output->feed("oup::\n#");
    output->feed("#[warning]e");
  }
  reporter.notice("ours");
  RunnerModel runner;
  runner.feed(out_);
  runner.finish();
  ASSERT_EQ(runner.commands().size(), 1U);
  EXPECT_EQ(runner.commands()[0].data, "ours");
  EXPECT_EQ(out_.find("##["), std::string::npos);
}

TEST_F(ReporterTest, OurOwnTextThatQuotesACommandIsNotObeyedEither) {
  Reporter reporter(settings(), redactor_);
  reporter.info("the host said:\n::add-mask::x\n ##[error]y");
  reporter.info("[::1]:22 is up");
  reporter.finish();
  EXPECT_EQ(out_with_named_tokens(),
            "::stop-commands::T1\nthe host said:\n::add-mask::x\n ## [error]y\n[::1]:22 is up\n"
            "::T1::\n");
}

TEST_F(ReporterTest, MasksComeFirstLineByLine) {
  const Secret secret = redactor_.protect("first%line\nab\nsecond line\n");
  Reporter reporter(settings(), redactor_);
  reporter.info("first%line is hidden");
  reporter.info("more");
  EXPECT_EQ(out_, "::add-mask::first%25line\n::add-mask::second line\n*** is hidden\nmore\n");
}

TEST_F(ReporterTest, MasksAreNeverAnnouncedWhileCommandsAreStopped) {
  Reporter reporter(settings(), redactor_);
  const auto output = reporter.remote("");
  output->feed("a\n");
  const Secret secret = redactor_.protect("derived-token");
  output->feed("derived-token\n");
  reporter.finish();
  EXPECT_EQ(out_with_named_tokens(),
            "::stop-commands::T1\na\n::T1::\n::add-mask::derived-token\n"
            "::stop-commands::T2\n***\n::T2::\n");
}

TEST_F(ReporterTest, OutsideActionsASecretIsNeverWritten) {
  const Secret secret = redactor_.protect("hunter2-hunter2");
  Reporter reporter(settings(false), redactor_);
  reporter.info("hunter2-hunter2");
  reporter.error(failed("hunter2-hunter2", "hunter2-hunter2"));
  reporter.group("hunter2-hunter2");
  reporter.warning("hunter2-hunter2");
  reporter.progress("hunter2-hunter2");
  const auto output = reporter.remote("hunter2-hunter2: ");
  output->feed("hunter2-");
  output->feed("hunter2\n");
  output->finish();
  EXPECT_EQ(out_, "***\n***\n***\n***: ***\n");
  EXPECT_EQ(err_, "error: ***\n  ***\nwarning: ***\n");
}

TEST_F(ReporterTest, AShortSecretIsToldOnce) {
  const Secret one = redactor_.protect("abc");
  Reporter reporter(settings(false), redactor_);
  reporter.info("a");
  const Secret two = redactor_.protect("xyz");
  reporter.info("b");
  EXPECT_EQ(out_, "a\nb\n");
  EXPECT_EQ(err_,
            "warning: A secret is shorter than 4 characters, so it is not blanked out of the log: "
            "that would ruin every line and still show it. Use a longer one.\n");
}

TEST_F(ReporterTest, WithJsonAllLogTextGoesToStderr) {
  auto json = settings();
  json.json_on_stdout = true;
  const Secret secret = redactor_.protect("hunter2\"hunter2");
  Reporter reporter(json, redactor_);
  reporter.info("log");
  reporter.remote("")->feed("::error::x\n");
  Json report;
  report.set("text", "hunter2\"hunter2 ##[add-mask]x").set("n", 1);
  reporter.report(report);
  reporter.finish();
  EXPECT_EQ(out_, "{\n  \"text\": \"*** ##\\u005badd-mask]x\",\n  \"n\": 1\n}\n");
  EXPECT_EQ(*parse_json(out_)->find("text")->as_string(), "*** ##[add-mask]x");
  RunnerModel runner;
  runner.feed(err_);
  runner.finish();
  ASSERT_EQ(runner.commands().size(), 1U);
  EXPECT_EQ(runner.commands()[0].name, "add-mask");
}

TEST_F(ReporterTest, WithoutJsonTheReportIsNotPrinted) {
  Reporter reporter(settings(), redactor_);
  reporter.report(Json(1));
  EXPECT_EQ(out_, "");
}

TEST_F(ReporterTest, ARemoteOutputMayEndAfterItsReporter) {
  std::unique_ptr<RemoteOutput> output;
  {
    Reporter reporter(settings(), redactor_);
    output = reporter.remote("");
    output->feed("a\nlast");
  }
  output.reset();
  EXPECT_EQ(out_with_named_tokens(),
            "::stop-commands::T1\na\n::T1::\n::stop-commands::T2\nlast\n::T2::\n");
}

TEST_F(ReporterTest, ProgressInALogComesEveryTenSeconds) {
  Reporter reporter(settings(false), redactor_);
  for (int second = 0; second <= 20; ++second) {
    reporter.progress(std::to_string(second));
    now_ += Milliseconds{1000};
  }
  EXPECT_EQ(out_, "0\n10\n20\n");
}

TEST_F(ReporterTest, ProgressOnATerminalIsRedrawnEachSecondAndClearedForALine) {
  auto terminal = settings(false);
  terminal.is_terminal = true;
  Reporter reporter(terminal, redactor_);
  for (int step = 0; step < 4; ++step) {
    reporter.progress("step " + std::to_string(step));
    now_ += Milliseconds{500};
  }
  reporter.info("done");
  EXPECT_EQ(out_, "step 0\r\x1b[Kstep 2\r\x1b[Kdone\n");
}

TEST_F(ReporterTest, OnlyTheLabelsOfProblemsAreColoured) {
  auto coloured = settings(false);
  coloured.is_coloured = true;
  Reporter reporter(coloured, redactor_);
  reporter.info("plain");
  reporter.warning("look");
  reporter.error(failed("it broke", "mend it"));
  EXPECT_EQ(out_, "plain\n");
  EXPECT_EQ(err_, "\x1b[1;33mwarning:\x1b[0m look\n\x1b[1;31merror:\x1b[0m it broke\n  mend it\n");
}

TEST_F(ReporterTest, TheRunnerNeverGetsColour) {
  auto coloured = settings(true);
  coloured.is_coloured = true;
  Reporter reporter(coloured, redactor_);
  reporter.warning("look");
  EXPECT_EQ(out_, "::warning::look\n");
}

// stderr is a terminal for the time of a test.
class TerminalForTests {
 public:
  TerminalForTests() : master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    EXPECT_EQ(::grantpt(master_.get()), 0);
    EXPECT_EQ(::unlockpt(master_.get()), 0);
    slave_ = FileDescriptor(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ::dup2(slave_.get(), STDERR_FILENO);
  }
  ~TerminalForTests() { ::dup2(before_.get(), STDERR_FILENO); }
  TerminalForTests(const TerminalForTests&) = delete;
  TerminalForTests& operator=(const TerminalForTests&) = delete;

 private:
  FileDescriptor before_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
  FileDescriptor master_;
  FileDescriptor slave_;
};

TEST(ReporterSettingsTest, ColourIsForATerminalThatNobodyForbade) {
  const testing::ScopedVariable term("TERM", "xterm");
  const TerminalForTests terminal;
  {
    const testing::ScopedVariable unset("NO_COLOR", "");
    EXPECT_TRUE(ReporterSettings::from_environment().is_coloured);
  }
  {
    const testing::ScopedVariable forbidden("NO_COLOR", "1");
    EXPECT_FALSE(ReporterSettings::from_environment().is_coloured);
  }
  const testing::ScopedVariable dumb("TERM", "dumb");
  EXPECT_FALSE(ReporterSettings::from_environment().is_coloured);
}

// Files as the runner makes them for a step.
class ReporterFiles : public ReporterTest {
 protected:
  ReporterFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "reporter-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    output_file_ = (directory_ / "output").string();
    summary_file_ = (directory_ / "summary").string();
    std::ofstream(output_file_).flush();
    std::ofstream(summary_file_).flush();
  }
  ~ReporterFiles() override { std::filesystem::remove_all(directory_); }

  ReporterSettings settings_with_files() {
    auto given = settings();
    given.output_file = output_file_;
    given.summary_file = summary_file_;
    return given;
  }
  static std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  std::filesystem::path directory_;
  std::string output_file_;
  std::string summary_file_;
};

TEST_F(ReporterFiles, OutputsAreRecords) {
  Reporter reporter(settings_with_files(), redactor_);
  reporter.output("stdout", "a\nEOF\nb\xFF");
  EXPECT_TRUE(std::regex_match(content(output_file_),
                               std::regex("stdout<<(\\S+)\na\nEOF\nb\xEF\xBF\xBD\n\\1\n")));
  EXPECT_EQ(out_, "");
}

TEST_F(ReporterFiles, AnOutputThatHoldsASecretIsRedactedWithAWarning) {
  const Secret secret = redactor_.protect("hunter2-hunter2");
  Reporter reporter(settings_with_files(), redactor_);
  reporter.output("stdout", "it is hunter2-hunter2");
  EXPECT_NE(content(output_file_).find("\nit is ***\n"), std::string::npos);
  EXPECT_EQ(out_,
            "::add-mask::hunter2-hunter2\n"
            "warning: The output \"stdout\" holds a secret, which was blanked out of it.\n");
}

TEST_F(ReporterFiles, ALostOutputIsTold) {
  auto broken = settings_with_files();
  broken.output_file = (directory_ / "absent").string();
  Reporter reporter(broken, redactor_);
  reporter.output("code", "0");
  EXPECT_EQ(out_, "warning: The output \"code\" is lost: cannot open " + broken.output_file +
                      ": no such file or directory. The runner makes this file for each step; "
                      "check that the variable naming it was not changed and that the file is "
                      "writable.\n");
}

TEST_F(ReporterFiles, SummariesAreRedacted) {
  const Secret secret = redactor_.protect("hunter2-hunter2");
  Reporter reporter(settings_with_files(), redactor_);
  reporter.summary("# hunter2-hunter2\n");
  reporter.summary("more\n");
  EXPECT_EQ(content(summary_file_), "# ***\nmore\n");
}

TEST_F(ReporterTest, ManyThreadsKeepTheirLinesAndNoCommandIsLost) {
  constexpr int hosts = 8;
  constexpr int rounds = 200;
  Reporter reporter(settings(), redactor_);
  std::vector<std::jthread> threads;
  for (int host = 0; host < hosts; ++host) {
    threads.emplace_back([&, host] {
      const auto output = reporter.remote("h" + std::to_string(host) + ": ");
      for (int i = 0; i < rounds; ++i) {
        const std::string number = std::to_string(host * rounds + i);
        output->feed("::error::");
        output->feed(number + " s3cret-value\n");
        if (i % 20 == 0) reporter.notice("n" + number);
        if (i % 50 == 0) {
          const Secret secret = redactor_.protect("secret-of-" + number);
          reporter.info("now secret-of-" + number + " is known");
        }
        reporter.progress("busy");
      }
    });
  }
  threads.emplace_back([&] { const Secret secret = redactor_.protect("s3cret-value"); });
  threads.clear();
  reporter.finish();

  RunnerModel runner;
  runner.feed(out_);
  runner.finish();
  EXPECT_FALSE(runner.is_stopped());
  int notices = 0;
  int masks = 0;
  for (const auto& command : runner.commands()) {
    notices += command.name == "notice" ? 1 : 0;
    masks += command.name == "add-mask" ? 1 : 0;
  }
  EXPECT_EQ(notices, hosts * rounds / 20);
  EXPECT_EQ(masks, hosts * rounds / 50 + 1);
  EXPECT_EQ(runner.commands().size(), static_cast<std::size_t>(notices + masks));
  int remote_lines = 0;
  const std::regex remote_line("h[0-7]: ::error::[0-9]+ (s3cret-value|\\*\\*\\*)");
  for (const std::string& line : runner.log()) {
    remote_lines += std::regex_match(line, remote_line) ? 1 : 0;
    EXPECT_TRUE(!line.starts_with("now") || line == "now *** is known") << line;
  }
  EXPECT_EQ(remote_lines, hosts * rounds);
}

}  // namespace
}  // namespace pca
