#include "tunnel-ssh/remote_run.hpp"

#include <gtest/gtest.h>

#include <map>

#include "support/fake_ssh.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::ChannelScript;
using test::FakeSession;

constexpr const char* token = "0123456789abcdef";

std::string started(const std::string& rest = {}) {
  return std::string(token) + " started 4711 bash\n" + rest;
}

// A run whose other side is scripted: `main` is the command's channel, `helper` that of every
// command that looks after it.
class RemoteRunTest : public testing::Test {
 protected:
  RemoteRunTest() {
    session_.on_exec = [this](const std::string& command) -> ChannelScript* {
      if (session_.commands.size() == 1) return &main_;
      helper_command_ = command;
      return has_helper_ ? &helper_ : nullptr;
    };
    main_.err.push_back(std::string(token) + "\n");
    limits_.timeout = Milliseconds{60'000};
    sinks_.noise = [this](std::string_view text) { noise_ += text; };
    sinks_.out = [this](std::string_view text) { out_ += text; };
    sinks_.err = [this](std::string_view text) { err_ += text; };
    sinks_.warning = [this](const std::string& text) { warnings_ += text + "\n"; };
  }

  RunEnd run(std::stop_token stop = {}) {
    RemoteProgram program;
    program.command = "launch";
    program.input = "the script";
    program.token = token;
    return run_program(session_, std::move(program), limits_, sinks_, "web1", stop);
  }

  static std::string message(const RunEnd& end) { return end.error ? end.error->message : ""; }

  ChannelScript main_, helper_;
  bool has_helper_ = true;
  std::string helper_command_;
  FakeSession session_;
  RunLimits limits_;
  RunSinks sinks_;
  std::string noise_, out_, err_, warnings_;
};

TEST_F(RemoteRunTest, SendsTheProgramAndGivesWhatCameBack) {
  main_.out = {"welcome\n", started("one\n"), "two"};
  main_.err.push_back("careful\n");
  main_.exit = SshChannel::Exit{0, {}};
  main_.at_end = true;
  const RunEnd end = run();
  EXPECT_FALSE(end.error);
  EXPECT_EQ(main_.received, "the script");
  EXPECT_TRUE(main_.got_eof);
  EXPECT_TRUE(main_.closed);
  EXPECT_EQ(noise_, "welcome\n");
  EXPECT_EQ(out_, "one\ntwo");
  EXPECT_EQ(err_, "careful\n");
  EXPECT_EQ(end.out_bytes, 7U);
  EXPECT_EQ(end.err_bytes, 8U);
  EXPECT_EQ(end.shell, "bash");
}

TEST_F(RemoteRunTest, GivesTheCommandsExitCode) {
  main_.out = {started()};
  main_.exit = SshChannel::Exit{42, {}};
  main_.at_end = true;
  const RunEnd end = run();
  EXPECT_EQ(end.exit->code, 42);
  EXPECT_EQ(end.error->kind, ErrorKind::failed);
  EXPECT_EQ(message(end), "web1: the command failed with exit code 42");
}

TEST_F(RemoteRunTest, GivesTheSignalThatEndedTheCommand) {
  main_.out = {started()};
  main_.exit = SshChannel::Exit{143, "TERM"};
  main_.at_end = true;
  const RunEnd end = run();
  EXPECT_EQ(end.exit->code, 143);
  EXPECT_EQ(message(end), "web1: the command was ended by signal TERM");
}

TEST_F(RemoteRunTest, ASignalWithoutANameIsNoName) {
  main_.out = {started()};
  main_.exit = SshChannel::Exit{128, "SIG@openssh.com"};
  main_.at_end = true;
  EXPECT_EQ(message(run()), "web1: the command was ended by a signal that the host does not name");
}

TEST_F(RemoteRunTest, AHostThatEndsWithZeroWithoutRunningTheScriptHasFailed) {
  main_.err = {"This account is not available.\n"};
  main_.exit = SshChannel::Exit{0, {}};
  main_.at_end = true;
  const RunEnd end = run();
  EXPECT_EQ(end.error->kind, ErrorKind::failed);
  EXPECT_EQ(message(end),
            "web1: the host ended with 0 before reading the whole script: This account is not "
            "available.");
}

TEST_F(RemoteRunTest, ACommandThatEndsWithoutReadingIsNoBrokenConnection) {
  main_.err = {"sh: not found\n"};
  main_.window = 3;
  main_.write_error = failed("the other end has closed it");
  main_.exit = SshChannel::Exit{127, {}};
  main_.at_end = true;
  EXPECT_EQ(message(run()),
            "web1: the host ended with 127 before starting the script: sh: not found");
}

TEST_F(RemoteRunTest, AnEatenScriptNeverRan) {
  main_.out = {std::string(token) + " incomplete\n"};
  main_.exit = SshChannel::Exit{1, {}};
  main_.at_end = true;
  EXPECT_EQ(message(run()), "web1: the script did not arrive whole, so none of it ran");
}

TEST_F(RemoteRunTest, ALostConnectionBeforeTheWholeScriptWentIsOnlyUnreachable) {
  main_.window = 5;
  session_.on_wait = [this] {
    main_.read_error = unreachable("connection reset");
    return true;
  };
  const RunEnd end = run();
  EXPECT_EQ(end.error->kind, ErrorKind::unreachable);
  EXPECT_EQ(message(end),
            "web1: the connection broke before the whole script was sent, so none of it ran: "
            "connection reset");
}

TEST_F(RemoteRunTest, ALostConnectionLaterLeavesTheOutcomeUnknown) {
  main_.out = {started()};
  main_.read_error = unreachable("connection reset");
  const RunEnd end = run();
  EXPECT_EQ(end.error->kind, ErrorKind::outcome_unknown);
  EXPECT_EQ(message(end),
            "web1: the connection broke while the command ran, so nobody knows how it ended: "
            "connection reset");
}

TEST_F(RemoteRunTest, AChannelClosedWithoutAWordLeavesTheOutcomeUnknown) {
  main_.out = {started()};
  main_.at_end = true;
  main_.window = 10;
  main_.write_error = failed("the other end has closed it");
  EXPECT_EQ(message(run()), "web1: the host did not say how the command ended");
}

TEST_F(RemoteRunTest, ATimeoutEndsTheProcessGroup) {
  main_.out = {started()};
  limits_.timeout = Milliseconds{1};
  helper_.out = {"gone\n"};
  helper_.at_end = true;
  const RunEnd end = run();
  EXPECT_TRUE(end.timed_out);
  EXPECT_EQ(end.error->kind, ErrorKind::unreachable);
  EXPECT_EQ(message(end), "web1: the command did not end within 1ms");
  EXPECT_EQ(main_.signals, std::vector<std::string>{"TERM"});
  EXPECT_NE(helper_command_.find(" tunnel-ssh 4711 400 "), std::string::npos) << helper_command_;
  EXPECT_EQ(warnings_, "");
}

TEST_F(RemoteRunTest, ATimeoutEndsARunWhoseOutputNeverStops) {
  main_.out = {started()};
  main_.endless_out = "more\n";
  limits_.timeout = Milliseconds{200};  // enough to see the start of it
  limits_.cleanup = Milliseconds{50};
  const Clock::time_point start = Clock::now();
  EXPECT_TRUE(run().timed_out);  // its helper says nothing, so the clean-up's limit is what ends it
  EXPECT_LT(Clock::now() - start, Milliseconds{2'000});
  EXPECT_EQ(warnings_, "web1: could not make sure that process group 4711 has ended there.\n");
}

TEST_F(RemoteRunTest, ACancelledRunEndsTheProcessGroup) {
  main_.out = {started()};
  std::stop_source source;
  session_.on_wait = [&] {
    source.request_stop();
    return true;
  };
  helper_.out = {"gone\n"};
  helper_.at_end = true;
  const RunEnd end = run(source.get_token());
  EXPECT_EQ(end.error->kind, ErrorKind::cancelled);
  EXPECT_EQ(main_.signals, std::vector<std::string>{"TERM"});
  EXPECT_EQ(session_.commands.size(), 2U);
  EXPECT_EQ(warnings_, "");
}

TEST_F(RemoteRunTest, WhatCouldNotBeEndedIsSaid) {
  main_.out = {started()};
  std::stop_source source;
  session_.on_wait = [&] {  // the script has been sent by then
    source.request_stop();
    return true;
  };
  limits_.cleanup = Milliseconds{10};
  helper_.out = {"alive\n"};
  helper_.at_end = true;
  (void)run(source.get_token());
  EXPECT_EQ(warnings_, "web1: could not make sure that process group 4711 has ended there.\n");
}

TEST_F(RemoteRunTest, AHostWithoutASecondChannelIsSaidToo) {
  main_.out = {started()};
  std::stop_source source;
  session_.on_wait = [&] {  // the script has been sent by then
    source.request_stop();
    return true;
  };
  limits_.cleanup = Milliseconds{10};
  has_helper_ = false;
  (void)run(source.get_token());
  EXPECT_EQ(warnings_, "web1: could not make sure that process group 4711 has ended there.\n");
}

TEST_F(RemoteRunTest, WhatIsCancelledBeforeItWasSentNeverRan) {
  main_.window = 5;
  main_.err.clear();
  std::stop_source source;
  session_.on_wait = [&] {
    source.request_stop();
    return true;
  };
  EXPECT_EQ(run(source.get_token()).error->kind, ErrorKind::cancelled);
  EXPECT_EQ(session_.commands.size(), 1U);
  EXPECT_EQ(warnings_, "");
  EXPECT_TRUE(main_.closed);
}

TEST_F(RemoteRunTest, AChildThatHoldsTheChannelIsNamedAndLeft) {
  main_.out = {started("done\n")};
  main_.exit = SshChannel::Exit{0, {}};
  limits_.linger = Milliseconds{1};
  helper_.out = {"4712 (sleep)\n4713 (\x1b[31mnode)\n"};
  helper_.at_end = true;
  const RunEnd end = run();
  EXPECT_FALSE(end.error);
  EXPECT_EQ(out_, "done\n");
  EXPECT_EQ(warnings_,
            "web1: the command has ended, but its output is still held open by 4712 (sleep), 4713 "
            "(\\x1B[31mnode). Not waiting for it any longer; redirect its output (>/dev/null 2>&1 "
            "</dev/null &) to avoid the wait.\n");
  EXPECT_TRUE(main_.closed);
}

TEST_F(RemoteRunTest, OutputThatIsSlowToComeAfterTheEndIsNotCutOff) {
  main_.out = {started("0"), "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  main_.exit = SshChannel::Exit{0, {}};
  main_.at_end = true;
  limits_.linger = Milliseconds{1};
  sinks_.out = [this](std::string_view text) {  // a reader slower than that
    const auto until = Clock::now() + Milliseconds{2};
    while (Clock::now() < until) continue;
    out_ += text;
  };
  EXPECT_FALSE(run().error);
  EXPECT_EQ(out_, "0123456789");
  EXPECT_EQ(warnings_, "");
}

TEST_F(RemoteRunTest, AChildWhoseOutputNeverStopsIsLeftToo) {
  main_.out = {started("done\n")};
  main_.endless_out = "more\n";
  main_.exit = SshChannel::Exit{0, {}};
  limits_.linger = Milliseconds{1};
  limits_.backlog = Milliseconds{20};
  helper_.out = {"4712 (yes)\n"};
  helper_.at_end = true;
  const RunEnd end = run();
  EXPECT_FALSE(end.error);
  EXPECT_FALSE(end.timed_out);
  EXPECT_NE(warnings_.find("still held open by 4712 (yes)"), std::string::npos) << warnings_;
}

TEST_F(RemoteRunTest, OutputAfterTheExitStatusStillCounts) {
  main_.out = {started("first\n")};
  main_.exit = SshChannel::Exit{0, {}};
  int waits = 0;
  session_.on_wait = [&] {
    if (++waits == 1) main_.out.push_back("second\n");
    if (waits == 2) main_.at_end = true;
    return true;
  };
  EXPECT_FALSE(run().error);
  EXPECT_EQ(out_, "first\nsecond\n");
  EXPECT_EQ(warnings_, "");
}

TEST_F(RemoteRunTest, SudoThatWantsAPasswordIsExplained) {
  main_.err = {"sudo: a password is required\n"};
  main_.exit = SshChannel::Exit{1, {}};
  main_.at_end = true;
  RemoteProgram program;
  program.input = "x";
  program.token = token;
  program.become = "root";
  const RunEnd end = run_program(session_, std::move(program), limits_, sinks_, "web1", {});
  EXPECT_EQ(message(end), "web1: sudo wants a password to become root");
}

}  // namespace
}  // namespace pca::tunnel_ssh
