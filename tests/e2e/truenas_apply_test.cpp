// actions/truenas-apply on a real sshd, with a stand-in for the host's midclt command.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/recipe.hpp"
#include "support/require.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

class TrueNasApply : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    recipe_ = std::make_unique<RecipeForTests>("truenas-apply");
    recipe_->stand_in("midclt");
    fs::create_directories(home().path("nas"));
    nas("state", "RUNNING\n");
    nas("version", "1.0.3\n");
    nas("custom", "false\n");
    nas("config", old_config_ + "\n");
    recipe_->inputs = {{"RECIPE_APP", "web"},
                       {"RECIPE_PAYLOAD", ours_.write("web.json", payload_)},
                       {"RECIPE_HEALTH_TIMEOUT", "20s"}};
  }

  [[nodiscard]] const TempFolder& home() const { return recipe_->host().home(); }
  void nas(const std::string& name, const std::string& text) const {
    home().write("nas/" + name, text);
  }
  [[nodiscard]] std::string nas(const std::string& name) const {
    return std::string(trim(home().read("nas/" + name)));
  }
  // What changed something, without the looks.
  [[nodiscard]] std::vector<std::string> changes() const {
    std::vector<std::string> lines;
    for (const std::string& line : split_lines(nas("calls"))) {
      if (!line.starts_with("call app.query") && !line.starts_with("call app.config")) {
        lines.push_back(line);
      }
    }
    return lines;
  }
  void expect_error(const StepResult& step, const std::string& text) const {
    EXPECT_NE(step.err.find(text), std::string::npos) << step.err;
  }

  const std::string old_config_ = R"({"image": {"tag": "1"}, "password": "old"})";
  const std::string new_config_ = R"({"image": {"tag": "2"}, "it's": "$HOME `id` \\n"})";
  const std::string payload_ = R"({"values": )" + new_config_ + "}\n";
  TempFolder ours_;
  std::unique_ptr<RecipeForTests> recipe_;
};

constexpr const char* update = "call -j -jp description app.update web -";
constexpr const char* upgrade = "call -j -jp description app.upgrade web -";
constexpr const char* roll_back = "call -j -jp description app.rollback web -";

TEST_F(TrueNasApply, UpdatesAndWaitsUntilTheAppRuns) {
  nas("looks", "0");
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "echo asked >>~/nas/health\ntrue";
  const StepResult step = recipe_->run();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(nas("config"), new_config_);
  EXPECT_EQ(changes(), std::vector<std::string>{update});
  EXPECT_EQ(nas("health"), "asked\nasked");
  EXPECT_NE(step.out.find("applied: web runs in version 1.0.3"), std::string::npos) << step.out;
  EXPECT_NE(step.out.find("update begins"), std::string::npos) << step.out;  // the job's progress
  EXPECT_EQ(step.err.find("a result may hold secrets"), std::string::npos) << step.err;
  EXPECT_EQ(recipe_->left_behind(), "");
}

TEST_F(TrueNasApply, AnAppThatIsStillDeployedIsWaitedFor) {
  nas("state-after", "RUNNING");
  nas("looks", "3");  // the first of them before the change
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(nas("looks"), "0");
}

TEST_F(TrueNasApply, WhatHeldBeforeIsKeptForItsOwnerOnly) {
  ASSERT_EQ(recipe_->run().code, 0);
  const std::string kept = ".local/state/tunnel-ssh/truenas-apply/web.json";
  EXPECT_EQ(home().read(kept), "{\"values\": " + old_config_ + "}\n");
  struct stat status {};
  ASSERT_EQ(::stat(home().path(kept).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(TrueNasApply, AnAppThatDoesNotRunGetsItsOldConfigurationBack) {
  nas("state-after", "CRASHED");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  expect_error(step, "web is CRASHED; it was taken back, and web runs as before");
  EXPECT_EQ(nas("config"), old_config_);
  EXPECT_EQ(changes(), (std::vector<std::string>{update, update}));
}

TEST_F(TrueNasApply, AFailingHealthCommandTakesItBackToo) {
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "grep -q '\"tag\": \"1\"' ~/nas/config";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  expect_error(step, "the health command fails");
  EXPECT_EQ(nas("config"), old_config_);
}

TEST_F(TrueNasApply, ACustomAppGetsItsComposeConfigurationBack) {
  nas("custom", "true");
  nas("state-after", "CRASHED");
  recipe_->inputs["RECIPE_PAYLOAD"] =
      ours_.write("compose.json", R"({"custom_compose_config": {"services": {}}})");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  EXPECT_EQ(recipe_->run().code, 3);
  EXPECT_EQ(nas("config"), old_config_);
  EXPECT_NE(nas("inputs").find("{\"custom_compose_config\": " + old_config_ + "}"),
            std::string::npos);
}

TEST_F(TrueNasApply, AJobThatFailsHalfWayIsTakenBack) {
  nas("breaks", "[EFAULT] Failed 'up' action for 'web' app");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  expect_error(step, "[EFAULT] Failed 'up' action for 'web' app");
  EXPECT_EQ(nas("config"), old_config_);
}

TEST_F(TrueNasApply, WhatTrueNasDoesNotTakeChangesNothing) {
  nas("refuses", "[EINVAL] values.image: Field was not expected");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  expect_error(step, "values.image: Field was not expected; nothing was changed");
  EXPECT_EQ(changes(), std::vector<std::string>{update});
}

TEST_F(TrueNasApply, WhatCannotBeTakenBackSaysWhereTheOldIs) {
  nas("state-after", "CRASHED");
  nas("no-rollback", "[EFAULT] pool is suspended");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.err;
  expect_error(step, "it cannot be taken back: [EFAULT] pool is suspended");
  expect_error(step, home().path(".local/state/tunnel-ssh/truenas-apply/web.json"));
}

TEST_F(TrueNasApply, AnUpgradeThatIsNotWellGoesBackToTheOldVersionAndKeepsTheData) {
  recipe_->inputs["RECIPE_CHANGE"] = "upgrade";
  recipe_->inputs["RECIPE_PAYLOAD"] = ours_.write("to.json", R"({"app_version": "2.0.0"})");
  nas("state-after", "CRASHED");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(nas("version"), "1.0.3");
  EXPECT_EQ(changes(), (std::vector<std::string>{upgrade, roll_back}));
  EXPECT_NE(nas("inputs").find("\"rollback_snapshot\": false"), std::string::npos);
}

TEST_F(TrueNasApply, AnUpgradeThatLeavesTheAppStoppedIsTakenBack) {
  recipe_->inputs["RECIPE_CHANGE"] = "upgrade";
  recipe_->inputs.erase("RECIPE_PAYLOAD");
  nas("state-after", "STOPPED");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(changes(), (std::vector<std::string>{upgrade, "call -j -jp description app.start web",
                                                 roll_back}));
}

TEST_F(TrueNasApply, OneSnapshotStaysAndDataIsTakenBackOnlyWhereThatIsAskedFor) {
  recipe_->inputs["RECIPE_DATASET"] = "tank/web";
  ASSERT_EQ(recipe_->run().code, 0);
  nas("state-after", "CRASHED");
  nas("calls", "");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  EXPECT_EQ(recipe_->run().code, 3);
  EXPECT_EQ(changes(), (std::vector<std::string>{"call pool.snapshot.create -", update, update}));

  nas("state-after", "CRASHED");
  nas("calls", "");
  recipe_->inputs["RECIPE_RESTORE_DATA"] = "true";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  ASSERT_EQ(changes().size(), 6U);
  EXPECT_EQ(changes()[3], "call -j -jp description app.stop web");
  EXPECT_TRUE(changes()[4].starts_with("call pool.snapshot.rollback tank/web@tunnel-ssh-2"));
  EXPECT_EQ(changes()[5], "call -j -jp description app.start web");

  nas("calls", "");
  const StepResult good = recipe_->run();
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(changes().back().starts_with("call pool.snapshot.delete tank/web@tunnel-ssh-2"));
}

TEST_F(TrueNasApply, WithoutASnapshotNothingIsApplied) {
  recipe_->inputs["RECIPE_DATASET"] = "tank/other";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  expect_error(step, "no snapshot of tank/other; nothing was applied: [ENOENT]");
  EXPECT_EQ(changes(), std::vector<std::string>{"call pool.snapshot.create -"});
}

TEST_F(TrueNasApply, ACancelLeavesTheWayBackToTrueNas) {
  nas("hangs", "");
  Process process = recipe_->start();
  ASSERT_TRUE(comes_true([&] { return changes().size() == 1; }));
  process.interrupt();
  EXPECT_EQ(process.wait(std::chrono::seconds(10)), 130) << process.err();
  EXPECT_NE((process.out() + process.err()).find("TrueNAS goes back to the old configuration"),
            std::string::npos)
      << process.out() << process.err();
  EXPECT_EQ(changes().back(), "call app.update web -");
  EXPECT_EQ(nas("config"), old_config_);
  fs::remove(home().path("nas/hangs"));
  EXPECT_TRUE(recipe_->host().falls_silent());
}

TEST_F(TrueNasApply, OnlyARunningAppIsTouchedAndOnlyOneThatIsThere) {
  nas("state", "STOPPED");
  const StepResult stopped = recipe_->run();
  EXPECT_EQ(stopped.code, 1);
  expect_error(stopped, "web is STOPPED; nothing was applied");
  recipe_->inputs["RECIPE_APP"] = "other";
  const StepResult other = recipe_->run();
  EXPECT_EQ(other.code, 1);
  expect_error(other, "midclt tells nothing of other; nothing was applied");
  nas("state", "RUNNING");
  nas("custom", "true");
  recipe_->inputs["RECIPE_APP"] = "web";
  recipe_->inputs["RECIPE_CHANGE"] = "upgrade";
  expect_error(recipe_->run(), "a custom app, which has no version to go back to");
  EXPECT_EQ(changes(), std::vector<std::string>{});
}

TEST_F(TrueNasApply, AnOlderMidcltIsFoundOutBeforeAnythingIsTouched) {
  nas("no-stdin", "");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  expect_error(step, "whether midclt call --help knows the argument -");
  EXPECT_EQ(changes(), std::vector<std::string>{});
  fs::remove(home().path("bin/midclt"));
  expect_error(recipe_->run(), "there is no midclt command on the host");
}

TEST_F(TrueNasApply, ThePayloadIsInNoCommandLineAndNoLog) {
  const std::string secret = "not-for-everybody-" + std::to_string(::getpid());
  ours_.write("web.json", R"({"values": {"password": ")" + secret + "\"}}");
  nas("hangs", "");
  Process process = recipe_->start();
  ASSERT_TRUE(comes_true([&] { return changes().size() == 1; }));
  EXPECT_EQ(all_command_lines().find(secret), std::string::npos);
  fs::remove(home().path("nas/hangs"));
  EXPECT_EQ(process.wait(std::chrono::seconds(30)), 0) << process.err();
  EXPECT_NE(nas("config").find(secret), std::string::npos);
  EXPECT_EQ((process.out() + process.err()).find(secret), std::string::npos);
}

TEST_F(TrueNasApply, BadInputIsToldAllTogetherBeforeAnythingIsContacted) {
  recipe_->inputs = {{"RECIPE_APP", "Web; true"},
                     {"RECIPE_CHANGE", "delete"},
                     {"RECIPE_PAYLOAD", ours_.write("no.json", "[1]\n")},
                     {"RECIPE_DATASET", "/mnt/tank"},
                     {"RECIPE_RESTORE_DATA", "perhaps"},
                     {"RECIPE_HEALTH_TIMEOUT", "10"}};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  for (const char* input :
       {"app: ", "change: ", "payload: ", "dataset: ", "restore-data: ", "health-timeout: "}) {
    expect_error(step, std::string("error: ") + input);
  }
  recipe_->inputs = {{"RECIPE_RESTORE_DATA", "true"}};
  const StepResult missing = recipe_->run();
  EXPECT_EQ(missing.code, 2);
  for (const char* input : {"app: missing", "payload: missing", "dataset: missing"}) {
    expect_error(missing, std::string("error: ") + input);
  }
  EXPECT_EQ(recipe_->host().sshd().log().find("Connection from"), std::string::npos);
}

}  // namespace
}  // namespace pca::test
