// tunnel-ssh guard against a real sshd, whose connections some of the changes cut.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

class TunnelSshGuard : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    step_ = std::make_unique<StepForTests>(*host_);
    there_.write("rules", "old\n");
    ours_.write("rules", "new\n");
    step_->inputs["INPUT_TRIES"] = "1";
  }
  void TearDown() override {
    if (host_) (void)StepForTests(*host_).run({"guard", "revert"});
  }

  StepResult guard(const std::string& command, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"guard", command});
    return step_->run(arguments);
  }
  StepResult apply(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(),
                     {"--candidate", ours_.path("rules"), "--target", there_.path("rules"),
                      "--revert-after", "15s", "--health-timeout", "2s"});
    return guard("apply", arguments);
  }
  [[nodiscard]] std::string rules() const { return there_.read("rules"); }
  [[nodiscard]] std::string load(const std::string& more = "") const {
    return "cp " + there_.path("rules") + " " + there_.path("loaded") + more;
  }
  TempFolder ours_;
  TempFolder there_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

TEST_F(TunnelSshGuard, WhatANewConnectionProvesIsKept) {
  const StepResult step =
      apply({"--validate", "grep -q new \"$CANDIDATE\"", "--apply", load("; echo loaded"),
             "--revert", load(), "--health-command", "grep -q new " + there_.path("loaded")});
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "deployed");
  EXPECT_NE(step.out.find("loaded"), std::string::npos) << step.out;
  EXPECT_EQ(rules(), "new\n");
  EXPECT_NE(guard("status").out.find("nothing is pending"), std::string::npos);
  EXPECT_EQ(guard("confirm").code, 7);
  EXPECT_EQ(guard("revert").code, 7);
}

TEST_F(TunnelSshGuard, WithoutATargetAllCommandsFindTheCandidate) {
  const std::string note = R"(cat "$CANDIDATE" >>)" + there_.path("seen");
  const StepResult step = guard(
      "apply", {"--candidate", ours_.path("rules"), "--validate", note, "--apply", note, "--revert",
                note, "--health-command", note + "; false", "--health-timeout", "1s"});
  EXPECT_EQ(step.code, 3) << step.err;
  const std::string seen = there_.read("seen");
  EXPECT_GE(split_lines(seen).size(), 4U) << seen;
  EXPECT_EQ(seen.find("old"), std::string::npos) << seen;
}

TEST_F(TunnelSshGuard, ARevertThatTakesItsTimeIsWaitedFor) {
  StepResult step =
      apply({"--apply", load(), "--revert", "sleep 6; " + load(), "--health-command", "false"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(step.outputs["outcome"], "rolled-back");
  EXPECT_EQ(there_.read("loaded"), "old\n");
}

TEST_F(TunnelSshGuard, WhatIsNotValidTouchesNothing) {
  const StepResult step =
      apply({"--validate", "echo line 1 is wrong; false", "--apply", load(), "--revert", load()});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("line 1 is wrong; the candidate is not valid"), std::string::npos)
      << step.err;
  EXPECT_EQ(rules(), "old\n");
  EXPECT_FALSE(fs::exists(there_.path("loaded")));
  EXPECT_NE(guard("status").out.find("nothing is pending"), std::string::npos);
}

TEST_F(TunnelSshGuard, WhatIsNotHealthyIsTakenBack) {
  const StepResult step =
      apply({"--apply", load(), "--revert", load(), "--health-command", "echo no route; false"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "rolled-back");
  EXPECT_NE(step.err.find("no route"), std::string::npos) << step.err;
  EXPECT_EQ(rules(), "old\n");
  EXPECT_EQ(there_.read("loaded"), "old\n");
}

TEST_F(TunnelSshGuard, AnApplyThatFailsIsTakenBack) {
  const StepResult step = apply({"--apply", "echo bad rule; exit 4", "--revert", load()});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_NE(step.err.find("apply ended with exit code 4: bad rule"), std::string::npos) << step.err;
  EXPECT_EQ(rules(), "old\n");
}

// As a firewall that lets nobody in does it: the connection breaks, and no new one comes about.
TEST_F(TunnelSshGuard, WhoLocksHimselfOutIsLetInAgainByTheHost) {
  const std::string keys = host_->sshd().folder().path("authorized_keys");
  Process process = step_->start(
      {"guard", "apply", "--candidate", ours_.path("rules"), "--target", there_.path("rules"),
       "--revert-after", "15s", "--apply",
       "mv " + keys + " " + keys + ".away; touch " + there_.path("locked") + "; sleep 2",
       "--revert", "mv " + keys + ".away " + keys});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return fs::exists(there_.path("locked"));
  }));
  host_->cut();
  const StepResult step = step_->result_of(process, std::chrono::seconds(60));
  EXPECT_EQ(step.code, 4) << step.err;
  EXPECT_EQ(step.outputs.at("outcome"), "unknown");
  EXPECT_NE(step.err.find("unknown, will revert at " + step.outputs.at("reverts-at")),
            std::string::npos)
      << step.err;
  EXPECT_TRUE(comes_true([&] { return rules() == "old\n" && fs::exists(keys); }));
  EXPECT_EQ(step_->run({"exec", "--command", "true"}).code, 0);
  EXPECT_NE(guard("status").out.find("nothing is pending"), std::string::npos);
}

TEST_F(TunnelSshGuard, AnApplyThatOutlivesItsConnectionIsAwaited) {
  Process process =
      step_->start({"guard", "apply", "--candidate", ours_.path("rules"), "--target",
                    there_.path("rules"), "--revert-after", "15s", "--apply",
                    "touch " + there_.path("begun") + "; sleep 2; touch " + there_.path("ended")});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return fs::exists(there_.path("begun"));
  }));
  host_->cut();
  const StepResult step = step_->result_of(process, std::chrono::seconds(60));
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("trying a new connection"), std::string::npos) << step.out;
  EXPECT_TRUE(fs::exists(there_.path("ended")));
}

TEST_F(TunnelSshGuard, AnApplyThatHangsIsEndedAndTakenBack) {
  const std::string sleep = "sleep 86396." + std::to_string(::getpid());
  const StepResult step = apply({"--apply", sleep, "--revert", load()});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(rules(), "old\n");
  EXPECT_TRUE(HostForTests::stops_running(sleep));
}

TEST_F(TunnelSshGuard, WhenNobodyConfirmsTheHostTakesItBackByItself) {
  Process process = step_->start(
      {"guard", "apply", "--candidate", ours_.path("rules"), "--target", there_.path("rules"),
       "--revert-after", "15s", "--apply", load(), "--revert", load(), "--health-command",
       "touch " + there_.path("asked") + "; false", "--health-timeout", "60s"});
  ASSERT_TRUE(comes_true([&] {
    (void)process.wait_for("never said", std::chrono::milliseconds(1));
    return fs::exists(there_.path("asked"));
  }));
  EXPECT_EQ(rules(), "new\n");
  const StepResult other = apply({"--apply", "true"});
  EXPECT_EQ(other.code, 7) << other.err;
  EXPECT_NE(other.err.find("a guard is pending on the host until 20"), std::string::npos)
      << other.err;
  EXPECT_NE(guard("status").out.find("pending: reverts at 20"), std::string::npos);
  process.send(SIGKILL);
  (void)process.wait(std::chrono::seconds(10));
  EXPECT_TRUE(comes_true([&] { return rules() == "old\n"; }));
  EXPECT_TRUE(comes_true([&] { return there_.read("loaded") == "old\n"; }));
  EXPECT_NE(guard("status").out.find("nothing is pending"), std::string::npos);
}

TEST_F(TunnelSshGuard, ATargetThatWasNotThereIsGoneAgain) {
  fs::remove(there_.path("rules"));
  const StepResult step = apply({"--apply", "true", "--health-command", "false"});
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_FALSE(fs::exists(there_.path("rules")));
}

}  // namespace
}  // namespace pca::test
