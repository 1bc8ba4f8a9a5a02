#include "net/child_process.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>

namespace pca {
namespace {

using Streams = ChildSpec::Streams;

Budget patience() { return Budget::of(Milliseconds{20'000}); }

bool says_something(ChildProcess& child) {
  const Budget limit = patience();
  return static_cast<bool>(wait_ready(limit, child.handles(), limit.deadline(), "reading"));
}

ChildSpec shell(const std::string& code) {
  return {.words = {"sh", "-c", code},
          .environment = {"PATH=" + std::string(std::getenv("PATH")), "WORD=two words"},
          .streams = Streams::piped};
}

// What it printed, once it has ended.
std::string printed_by(ChildProcess& child) {
  EXPECT_TRUE(child.wait(patience()));
  std::string text;
  child.read([&](std::string_view part) { text += part; });
  return text;
}

TEST(ChildProcesses, HaveTheirWordsEnvironmentAndStreams) {
  auto child = ChildProcess::start(shell("echo \"$WORD\"; echo err >&2; cat; exit 3"));
  ASSERT_TRUE(child) << child.error().message;
  EXPECT_EQ(printed_by(**child), "two words\nerr\n");
  EXPECT_EQ((*child)->end().exit_code, 3);
  EXPECT_EQ((*child)->end().signal, "");
}

TEST(ChildProcesses, HaveDefaultSignalsWhateverThisProcessHas) {
  sigset_t blocked{};
  sigset_t before{};
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &blocked, &before), 0);
  const auto handler = std::signal(SIGUSR2, SIG_IGN);
  for (const char* name : {"USR1", "USR2"}) {
    auto child = ChildProcess::start(shell(std::string("kill -") + name + " $$; echo alive"));
    ASSERT_TRUE(child);
    EXPECT_EQ(printed_by(**child), "");
    EXPECT_EQ((*child)->end().signal, name);
    EXPECT_GT((*child)->end().exit_code, 128);
  }
  std::signal(SIGUSR2, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST(ChildProcesses, AreSignalledWithAllTheyStarted) {
  auto child = ChildProcess::start(shell("sleep 60 & echo $!; wait"));
  ASSERT_TRUE(child);
  std::string text;
  while (text.find('\n') == std::string::npos) {
    ASSERT_TRUE(says_something(**child));
    (*child)->read([&](std::string_view part) { text += part; });
  }
  const pid_t background = std::atoi(text.c_str());
  ASSERT_GT(background, 0);
  // So that what it leaves behind comes to this process, which sees how it ended.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  (*child)->stop(Milliseconds{4'000});
  EXPECT_EQ((*child)->end().signal, "TERM");
  int status = 0;
  EXPECT_EQ(::waitpid(background, &status, 0), background);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST(ChildProcesses, ThatIgnoreATermAreKilled) {
  auto child = ChildProcess::start(shell("trap '' TERM; echo begun; while :; do sleep 1; done"));
  ASSERT_TRUE(child);
  ASSERT_TRUE(says_something(**child));
  EXPECT_FALSE((*child)->wait(Budget::of(Milliseconds{50})));
  (*child)->stop(Milliseconds{100});
  EXPECT_EQ((*child)->end().signal, "KILL");
}

TEST(ChildProcesses, AreEndedWithTheirOwner) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::start(shell("echo $$; exec sleep 60"));
    ASSERT_TRUE(child);
    ASSERT_TRUE(says_something(**child));
    (*child)->read([&](std::string_view part) { pid = std::atoi(std::string(part).c_str()); });
    ASSERT_GT(pid, 0);
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(ChildProcesses, ThatCannotStartSayWhich) {
  ChildSpec spec = shell("");
  spec.words = {"no-such-command-here"};
  const auto child = ChildProcess::start(spec);
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("\"no-such-command-here\""), std::string::npos);
}

}  // namespace
}  // namespace pca
