// actions/gpu-node on a real sshd, with stand-ins for nvidia-smi and the kernel's log.

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/recipe.hpp"
#include "support/require.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* old_error =
    "[   12.345678] NVRM: Xid (PCI:0000:3b:00): 31, pid=811, name=python3, Ch 00000008\n";
constexpr const char* new_error =
    "[ 9812.345678] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n";

class GpuNode : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    recipe_ = std::make_unique<RecipeForTests>("gpu-node");
    recipe_->stand_in("nvidia-smi");
    recipe_->stand_in("dmesg");
    fs::create_directories(home().path("node"));
    node("gpus", "4");
    node("kernel.log", old_error);
    recipe_->inputs = {{"RECIPE_DRAIN", noted("drain")},
                       {"RECIPE_DEPLOY", noted("deploy")},
                       {"RECIPE_UNDRAIN", noted("undrain")},
                       {"RECIPE_GPUS", "4"},
                       {"RECIPE_HEALTH_TIMEOUT", "20s"}};
  }

  [[nodiscard]] const TempFolder& home() const { return recipe_->host().home(); }
  void node(const std::string& name, const std::string& text) const {
    home().write("node/" + name, text);
  }
  static std::string noted(const std::string& step) { return "echo " + step + " >>~/steps\n"; }
  [[nodiscard]] std::string steps() const { return join(split_lines(home().read("steps")), " "); }

  std::unique_ptr<RecipeForTests> recipe_;
};

TEST_F(GpuNode, DrainsDeploysProbesAndUndrains) {
  recipe_->inputs["RECIPE_PROBE"] = noted("probe");
  const StepResult step = recipe_->run();
  ASSERT_EQ(step.code, 0) << step.out << step.err;
  EXPECT_EQ(steps(), "drain deploy probe probe undrain");
  EXPECT_NE(step.out.find("deployed: 4 GPUs"), std::string::npos) << step.out;
  EXPECT_EQ(recipe_->left_behind(), "");
}

TEST_F(GpuNode, ADriverThatStillLoadsIsWaitedFor) {
  node("late", "2");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(steps(), "drain deploy undrain");
}

TEST_F(GpuNode, AMissingGpuLeavesTheNodeDrained) {
  node("gpus", "3");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "2s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.out;
  EXPECT_NE(step.err.find("nvidia-smi counts 3 GPUs instead of 4; the node stays drained"),
            std::string::npos)
      << step.err;
  EXPECT_EQ(steps(), "drain deploy");
}

TEST_F(GpuNode, WithOnFailureItIsUndrainedAllTheSame) {
  node("gpus", "3");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "2s";
  recipe_->inputs["RECIPE_ON_FAILURE"] = "undrain";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1) << step.out;
  EXPECT_NE(step.err.find("the node was undrained"), std::string::npos) << step.err;
  EXPECT_EQ(steps(), "drain deploy undrain");
}

TEST_F(GpuNode, ANewErrorOfTheDriverIsShownAndNotWaitedFor) {
  recipe_->inputs["RECIPE_DEPLOY"] =
      noted("deploy") + "echo '" + std::string(trim(new_error)) + "' >>~/node/kernel.log\n";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "1h";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.out;
  EXPECT_NE(step.err.find(trim(new_error)), std::string::npos) << step.err;
  EXPECT_EQ(step.err.find("31, pid=811"), std::string::npos) << "an old error";
  EXPECT_EQ(steps(), "drain deploy");
}

TEST_F(GpuNode, VersionsThatDifferNeedAReboot) {
  node("smi-code", "18");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "1h";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.out;
  EXPECT_NE(step.err.find("the node needs a reboot"), std::string::npos) << step.err;
}

TEST_F(GpuNode, AFailedDrainDeploysNothingAndIsTakenBack) {
  recipe_->inputs["RECIPE_DRAIN"] = noted("drain") + "false\n" + noted("never");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1) << step.out;
  EXPECT_EQ(steps(), "drain undrain");
}

TEST_F(GpuNode, AFailedDeployOrProbeLeavesItDrained) {
  recipe_->inputs["RECIPE_DEPLOY"] = "false\n" + noted("never");
  EXPECT_EQ(recipe_->run().code, 4);
  recipe_->inputs["RECIPE_DEPLOY"] = noted("deploy");
  recipe_->inputs["RECIPE_PROBE"] = "false";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "1s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4);
  EXPECT_NE(step.err.find("the probe fails; the node stays drained"), std::string::npos)
      << step.err;
  EXPECT_EQ(steps(), "drain drain deploy");
}

TEST_F(GpuNode, AFailedUndrainIsForSomebodyToLookAt) {
  recipe_->inputs["RECIPE_UNDRAIN"] = "false";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4);
  EXPECT_NE(step.err.find("deployed and well, but undrain fails"), std::string::npos) << step.err;
}

TEST_F(GpuNode, ACancelledDeployIsEndedAndUndrainedAsOnFailureSays) {
  const std::string long_one = "sleep 3900." + std::to_string(::getpid());
  recipe_->inputs["RECIPE_DEPLOY"] = "echo it runs\n" + long_one + "\n";
  recipe_->inputs["RECIPE_ON_FAILURE"] = "undrain";
  Process process = recipe_->start();
  ASSERT_TRUE(process.wait_for("it runs", std::chrono::seconds(30))) << process.err();
  process.interrupt();
  EXPECT_EQ(process.wait(std::chrono::seconds(20)), 130) << process.out() << process.err();
  EXPECT_TRUE(comes_true([&] { return steps() == "drain undrain"; })) << steps();
  EXPECT_TRUE(HostForTests::stops_running(long_one));
}

TEST_F(GpuNode, AKernelLogThatCannotBeReadTouchesNothing) {
  fs::remove(home().path("node/kernel.log"));
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("the kernel's log cannot be read"), std::string::npos) << step.err;
  EXPECT_EQ(steps(), "");
}

TEST_F(GpuNode, BadInputIsToldAllTogetherBeforeAnythingIsContacted) {
  recipe_->inputs = {{"RECIPE_DRAIN", "true"},
                     {"RECIPE_GPUS", "all"},
                     {"RECIPE_ON_FAILURE", "panic"},
                     {"RECIPE_HEALTH_TIMEOUT", "soon"}};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  for (const char* input :
       {"deploy: ", "undrain: ", "gpus: ", "on-failure: ", "health-timeout: "}) {
    EXPECT_NE(step.err.find(std::string("error: ") + input), std::string::npos) << step.err;
  }
  EXPECT_EQ(recipe_->host().sshd().log().find("Connection from"), std::string::npos);
}

}  // namespace
}  // namespace pca::test
