// The hooks of tunnel-ssh release: when they run, what they know, and what becomes of a deploy in
// which one fails, hangs or is cancelled.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/text.hpp"
#include "support/release.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

class TunnelSshReleaseHooks : public ReleaseForTests {
 protected:
  void SetUp() override {
    ReleaseForTests::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    ASSERT_EQ(deploy('a').code, 0);
    good_ = current();
    before_ = picture();
    history_before_ = history();
    ours_.write("index.html", "<h1>two</h1>");
  }
  void TearDown() override { HostForTests::end_running(sleep_); }

  // A line in a file that hosts and runner have in common here.
  [[nodiscard]] std::string noted(const std::string& what) const {
    return "echo \"" + what + "\" >>" + theirs_.path("notes");
  }
  [[nodiscard]] std::vector<std::string> notes() const {
    return split_lines(fs::exists(theirs_.path("notes")) ? theirs_.read("notes") : "");
  }
  [[nodiscard]] bool is_noted(const std::string& what) const {
    const auto all = notes();
    return std::find(all.begin(), all.end(), what) != all.end();
  }
  void expect_as_before() const {
    EXPECT_TRUE(host_->falls_silent());
    EXPECT_TRUE(comes_true([&] { return picture() == before_; }));  // a revert may be under way
    EXPECT_EQ(current(), good_);
    EXPECT_EQ(picture(), before_);
    EXPECT_TRUE(fs::is_empty(host_->temporary().path()));
  }

  const std::string sleep_ = "sleep 86395." + std::to_string(::getpid());
  std::string good_;
  std::map<std::string, std::string> before_;
  std::string history_before_;
};

TEST_F(TunnelSshReleaseHooks, RunInTheirOrderAndKnowWhatItIsAbout) {
  std::vector<std::string> arguments{"--restart", noted("restart"), "--health-command", "true"};
  for (const char* moment : {"check", "stage", "switch", "healthy", "rollback"}) {
    const std::string told = " $RELEASE $RELEASE_PREVIOUS $RELEASE_PATH $RELEASE_HOST";
    arguments.insert(arguments.end(), {std::string("--hook-") + moment,
                                       noted(moment + told + " in $PWD") + "; echo said"});
    arguments.insert(arguments.end(),
                     {std::string("--runner-hook-") + moment,
                      noted(std::string("runner-") + moment + told) + "; echo 'said here'"});
  }
  const StepResult step = deploy('b', arguments);
  ASSERT_EQ(step.code, 0) << step.err;
  const std::string id = current();
  const std::string about =
      " " + id + " " + good_ + " " + app("releases/" + id) + " " + host_->address();
  EXPECT_EQ(notes(), (std::vector<std::string>{
                         "check" + about + " in " + app(),
                         "runner-check" + about,
                         "stage" + about + " in " + app("releases/" + id),
                         "runner-stage" + about,
                         "switch" + about + " in " + app("current"),
                         "restart",
                         "runner-switch" + about,
                         "healthy" + about + " in " + app("current"),
                         "runner-healthy" + about,
                     }));
  EXPECT_NE(step.out.find(host_->address() + ": said\n"), std::string::npos) << step.out;
  EXPECT_NE(step.out.find("runner: said here\n"), std::string::npos) << step.out;
}

TEST_F(TunnelSshReleaseHooks, WhatTheyPrintIsNoCommandForTheRunner) {
  step_->in_actions();
  const std::string evil = "echo '::error::hooked'; echo '##[error]hooked'; ";
  const StepResult step = deploy('b', {"--hook-stage", evil, "--runner-hook-stage", evil});
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("::stop-commands::"), std::string::npos);
  EXPECT_EQ(step.out.find("##[error]"), std::string::npos) << step.out;
  EXPECT_LT(step.out.find("::stop-commands::"), step.out.find("::error::hooked"));
}

TEST_F(TunnelSshReleaseHooks, ThatFailOnOneHostTakeAllBack) {
  HostForTests second;
  step_->inputs["INPUT_HOST"] = host_->address() + "\n" + second.address();
  step_->inputs["INPUT_KNOWN_HOSTS"] =
      host_->sshd().known_hosts() + "\n" + second.sshd().known_hosts();
  (void)second.home().write("second", "");
  (void)second.sshd().folder().write("authorized_keys", host_->key_pair().public_line + "\n");
  const auto both = [&](char commit, std::vector<std::string> more) {
    more.insert(more.begin(), {"release", "deploy", "--path", "~/app", "--source", ours_.path(),
                               "--commit", std::string(40, commit)});
    return step_->run(more);
  };
  ASSERT_EQ(both('a', {}).code, 0);
  const auto current_of = [](const HostForTests& host) {
    return fs::read_symlink(host.home().path("app/current")).filename().native();
  };
  const std::string good = current_of(*host_);
  ours_.write("index.html", "<h1>three</h1>");
  for (const char* moment : {"check", "stage"}) {
    const StepResult step =
        both('b', {std::string("--hook-") + moment, "test ! -e ~/second",
                   std::string("--runner-hook-") + moment, noted("must not run")});
    EXPECT_EQ(step.code, 1) << step.err;
    EXPECT_NE(step.err.find(second.address() + ": hook-" + moment + " ended with exit code 1"),
              std::string::npos)
        << step.err;
  }
  for (const char* moment : {"switch", "healthy"}) {
    const StepResult step =
        both('b', {std::string("--hook-") + moment, "test ! -e ~/second", "--hook-rollback",
                   noted("back"), std::string("--runner-hook-") + moment, noted("must not run")});
    EXPECT_EQ(step.code, 3) << step.err;
    EXPECT_EQ(current_of(*host_), good);
    EXPECT_EQ(current_of(second), good);
  }
  EXPECT_EQ(notes(), (std::vector<std::string>(4, "back"))) << "each host, each time";
}

TEST_F(TunnelSshReleaseHooks, ARollbackRunsThemToo) {
  ASSERT_EQ(deploy('b').code, 0);
  const StepResult step = release(
      "rollback", {"--hook-check", noted("check"), "--hook-stage", noted("stage"), "--hook-switch",
                   noted("switch"), "--runner-hook-healthy", noted("healthy")});
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(current(), good_);
  EXPECT_EQ(notes(), (std::vector<std::string>{"check", "switch", "healthy"}));
}

TEST_F(TunnelSshReleaseHooks, ARollbackHookThatFailsNeedsSomeone) {
  const StepResult host = deploy(
      'b', {"--hook-healthy", "false", "--hook-rollback", "echo cannot migrate back; exit 7"});
  EXPECT_EQ(host.code, 4) << host.err;
  EXPECT_EQ(host.outputs.at("outcome"), "unknown");
  EXPECT_NE(host.err.find("cannot migrate back"), std::string::npos) << host.err;
  EXPECT_EQ(current(), good_);
  const StepResult runner =
      deploy('c', {"--hook-healthy", "false", "--runner-hook-rollback", "exit 7"});
  EXPECT_EQ(runner.code, 4) << runner.err;
  EXPECT_NE(runner.err.find("runner-hook-rollback ended with exit code 7"), std::string::npos)
      << runner.err;
  EXPECT_EQ(current(), good_);
  EXPECT_EQ(deploy('d').code, 0) << "and the next deploy is not in its way";
}

TEST_F(TunnelSshReleaseHooks, AKilledDeployRunsTheRollbackHookOnTheHost) {
  Process process =
      step_->start({"release", "deploy", "--path", app(), "--source", ours_.path(), "--commit",
                    std::string(40, 'b'), "--hook-switch", noted("switched") + "; exec " + sleep_,
                    "--hook-rollback", noted("back in $PWD"), "--health-timeout", "1s"});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return is_noted("switched");
  }));
  process.send(SIGKILL);
  // The host ends the hook when its time is up, and sees then that nobody is there.
  EXPECT_TRUE(
      comes_true([&] { return is_noted("back in " + app("current")); }, std::chrono::seconds(61)));
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_as_before();
}

// At each moment, on the host and here.
struct HookCase {
  const char* name;
  bool is_before_the_switch;
};
void PrintTo(const HookCase& hook, std::ostream* out) { *out << hook.name; }

class TunnelSshReleaseHook : public TunnelSshReleaseHooks,
                             public ::testing::WithParamInterface<HookCase> {
 protected:
  [[nodiscard]] std::string option() const { return std::string("--") + GetParam().name; }
  [[nodiscard]] std::string variable() const {
    std::string name = to_upper(GetParam().name);
    std::replace(name.begin(), name.end(), '-', '_');
    return "INPUT_" + name;
  }
  void expect_it_is_known() const {
    if (GetParam().is_before_the_switch) {
      EXPECT_EQ(history(), history_before_);
    } else {
      EXPECT_NE(history().find(R"("action":"revert")"), std::string::npos) << history();
    }
  }
};

TEST_P(TunnelSshReleaseHook, ThatFailsLeavesAllAsItWas) {
  const StepResult step =
      deploy('b', {option(), "echo no luck; exit 7", "--hook-rollback", noted("back"),
                   "--runner-hook-rollback", noted("back here")});
  EXPECT_NE(step.err.find(std::string(GetParam().name) + " ended with exit code 7"),
            std::string::npos)
      << step.err;
  EXPECT_NE(step.out.find(": no luck\n"), std::string::npos) << step.out;
  EXPECT_EQ(step.code, GetParam().is_before_the_switch ? 1 : 3);
  EXPECT_EQ(step.outputs.at("outcome"), GetParam().is_before_the_switch ? "failed" : "rolled-back");
  EXPECT_EQ(notes(), GetParam().is_before_the_switch
                         ? std::vector<std::string>{}
                         : (std::vector<std::string>{"back", "back here"}));
  expect_as_before();
  expect_it_is_known();
}

TEST_P(TunnelSshReleaseHook, ThatIsCancelledLeavesAllAsItWas) {
  const std::string canary = "a-canary-in-a-hook";
  step_->inputs[variable()] = ": " + canary + "; " + noted("hangs") + "; " + sleep_;
  step_->inputs["INPUT_HEALTH_TIMEOUT"] = "60s";
  step_->inputs["INPUT_RUNNER_HOOK_ROLLBACK"] = noted("back here");
  Process process = step_->start({"release", "deploy", "--path", app(), "--source", ours_.path(),
                                  "--commit", std::string(40, 'b')});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return is_noted("hangs");
  })) << process.err();
  EXPECT_EQ(all_command_lines().find(canary), std::string::npos) << "argument lists are public";
  process.interrupt();
  EXPECT_EQ(process.wait(patience), 130) << process.err();
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  EXPECT_EQ(is_noted("back here"), !GetParam().is_before_the_switch);
  expect_as_before();
  expect_it_is_known();
}

TEST_P(TunnelSshReleaseHook, ThatTakesTooLongLeavesAllAsItWas) {
  const StepResult step = deploy('b', {option(), sleep_, "--hook-timeout", "1s"});
  EXPECT_EQ(step.code, GetParam().is_before_the_switch ? 1 : 3) << step.err;
  EXPECT_NE(step.err.find(std::string(GetParam().name) + " did not end"), std::string::npos)
      << step.err;
  EXPECT_TRUE(HostForTests::stops_running(sleep_));
  expect_as_before();
  expect_it_is_known();
}

INSTANTIATE_TEST_SUITE_P(
    All, TunnelSshReleaseHook,
    ::testing::Values(HookCase{"hook-check", true}, HookCase{"runner-hook-check", true},
                      HookCase{"hook-stage", true}, HookCase{"runner-hook-stage", true},
                      HookCase{"hook-switch", false}, HookCase{"runner-hook-switch", false},
                      HookCase{"hook-healthy", false}, HookCase{"runner-hook-healthy", false}),
    [](const auto& param) {
      std::string name;
      for (const char c : std::string(param.param.name)) {
        if (c != '-') name += c;
      }
      return name;
    });

}  // namespace
}  // namespace pca::test
