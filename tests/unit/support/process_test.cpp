#include "support/process.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <stdexcept>

namespace pca::test {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds enough{20'000};

ProcessSpec shell(const std::string& script) {
  ProcessSpec spec;
  spec.argv = {"sh", "-c", script};
  return spec;
}

TEST(Process, GivesCodeAndBothOutputs) {
  const Finished done = run_process(shell("echo out; echo err >&2; exit 3"), enough);
  EXPECT_EQ(done.code, 3);
  EXPECT_EQ(done.out, "out\n");
  EXPECT_EQ(done.err, "err\n");
  EXPECT_FALSE(done.timed_out);
}

TEST(Process, MovesMoreThanPipesHoldInBothDirections) {
  ProcessSpec spec;
  spec.argv = {"cat"};
  spec.input = std::string(1'000'000, 'x');
  const Finished done = run_process(spec, enough);
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out, spec.input);
}

TEST(Process, AChildThatDoesNotReadItsInputEndsAllTheSame) {
  ProcessSpec spec;
  spec.argv = {"true"};
  spec.input = std::string(1'000'000, 'x');
  EXPECT_EQ(run_process(spec, enough).code, 0);
}

TEST(Process, SeesOnlyTheEnvironmentItIsGiven) {
  ProcessSpec spec;
  spec.argv = {"env"};
  spec.environment = {{"ONE", "1"}, {"TWO", "two words"}};
  EXPECT_EQ(run_process(spec, enough).out, "ONE=1\nTWO=two words\n");
}

TEST(Process, ASignalIsACodeAbove128) {
  EXPECT_EQ(run_process(shell("kill -TERM $$"), enough).code, 128 + SIGTERM);
}

TEST(Process, IsKilledAtTheDeadline) {
  const Finished done = run_process(shell("echo started; exec sleep 600"), milliseconds{300});
  EXPECT_TRUE(done.timed_out);
  EXPECT_EQ(done.code, -1);
}

TEST(Process, ALongLivedChildIsReadFedAndInterrupted) {
  ProcessSpec spec =
      shell("trap 'echo stopped; exit 7' INT; while read -r line; do echo got $line; done");
  spec.keep_input_open = true;
  Process process(spec);
  process.write("one\n");
  ASSERT_TRUE(process.wait_for("got one", enough)) << process.err();
  process.write("two\n");
  ASSERT_TRUE(process.wait_for("got two", enough)) << process.err();
  EXPECT_FALSE(process.wait(milliseconds{0}));
  process.interrupt();
  process.write("\n");  // some shells run the trap only after read has returned
  EXPECT_EQ(process.wait(enough), 7);
  EXPECT_FALSE(process.wait_for("never written", enough));
}

TEST(Process, DiesWithItsObject) {
  int pid = 0;
  {
    Process process(shell("exec sleep 600"));
    pid = process.pid();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST(Process, AGrandchildThatHoldsThePipesDoesNotDelayTheEnd) {
  Process process(shell("sleep 600 & echo $!"));
  EXPECT_EQ(process.wait(enough), 0);
  const int grandchild = std::stoi(process.out());
  EXPECT_EQ(::kill(grandchild, SIGKILL), 0);
}

TEST(Process, AProgramThatDoesNotExistThrows) {
  ProcessSpec spec;
  spec.argv = {"/nonexistent/program"};
  EXPECT_THROW(Process{spec}, std::runtime_error);
}

}  // namespace
}  // namespace pca::test
