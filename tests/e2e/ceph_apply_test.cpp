// actions/ceph-apply on a real sshd, with a stand-in for the cluster's ceph command.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/text.hpp"
#include "support/recipe.hpp"
#include "support/require.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* look = "orch ls --service_name mds.files --refresh";

class CephApply : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    recipe_ = std::make_unique<RecipeForTests>("ceph-apply");
    recipe_->stand_in("ceph");
    fs::create_directories(home().path("cluster"));
    cluster("health", "HEALTH_OK\n");
    recipe_->inputs = {{"RECIPE_SPEC", ours_.write("files.yaml", spec_)},
                       {"RECIPE_HEALTH_TIMEOUT", "20s"}};
  }

  [[nodiscard]] const TempFolder& home() const { return recipe_->host().home(); }
  void cluster(const std::string& name, const std::string& text) const {
    home().write("cluster/" + name, text);
  }
  [[nodiscard]] std::vector<std::string> calls() const {
    return split_lines(trim(home().read("cluster/calls")));
  }
  [[nodiscard]] std::string applied() const { return home().read("cluster/applied.yaml"); }

  const std::string spec_ =
      "service_type: mds\nservice_id: files\nplacement:\n  count: 2\n"
      "# it's \"quoted\" $HOME `id` \\n\n";
  TempFolder ours_;
  std::unique_ptr<RecipeForTests> recipe_;
};

TEST_F(CephApply, ShowsThePreviewAppliesAndWaitsUntilAllRun) {
  cluster("looks", "1");
  const StepResult step = recipe_->run();
  ASSERT_EQ(step.code, 0) << step.out << step.err;
  EXPECT_EQ(applied(), spec_);
  const std::size_t preview = step.out.find("|mds  |mds.files  |node2");
  EXPECT_LT(preview, step.out.find("Scheduled mds.files update...")) << step.out;
  const std::vector<std::string> expected = {"health detail",
                                             "orch apply -i - --dry-run",
                                             "orch ls --export",
                                             "orch apply -i -",
                                             look,  // not running yet
                                             look,
                                             "health detail",
                                             look,
                                             "health detail"};
  EXPECT_EQ(calls(), expected);
  EXPECT_EQ(recipe_->left_behind(), "");
}

TEST_F(CephApply, ADryRunAppliesNothing) {
  recipe_->inputs["RECIPE_DRY_RUN"] = "true";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("|mds  |mds.files  |node2"), std::string::npos) << step.out;
  EXPECT_NE(step.out.find("dry run: nothing was applied"), std::string::npos) << step.out;
  EXPECT_EQ(calls().back(), "orch apply -i - --dry-run");
}

TEST_F(CephApply, APreviewThatIsStillMadeIsWaitedFor) {
  cluster("previews", "1");
  recipe_->inputs["RECIPE_DRY_RUN"] = "true";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.out.find("being generated"), std::string::npos) << step.out;
  EXPECT_NE(step.out.find("mds.files"), std::string::npos) << step.out;
}

TEST_F(CephApply, APreviewThatNeverComesEndsInTime) {
  cluster("previews", "1000");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "2s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 6) << step.out << step.err;
  EXPECT_EQ(applied(), "");
}

TEST_F(CephApply, OnlyAHealthyClusterIsTouched) {
  cluster("health", "HEALTH_WARN 1 osds down\n[WRN] OSD_DOWN: 1 osds down\n    osd.1 is down\n");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("[WRN] OSD_DOWN: 1 osds down"), std::string::npos) << step.err;
  EXPECT_NE(step.err.find("the cluster is not healthy; nothing was applied"), std::string::npos);
  EXPECT_EQ(calls(), std::vector<std::string>{"health detail"});
}

TEST_F(CephApply, WarningsAreAllowedByNameAndNoOthers) {
  cluster("health",
          "HEALTH_WARN noout flag(s) set; (muted: MON_DISK_LOW)\n[WRN] OSDMAP_FLAGS: noout flag(s) "
          "set\n(MUTED) [WRN] MON_DISK_LOW: mon a is low on available space\n");
  recipe_->inputs["RECIPE_ALLOW_WARNINGS"] = "PG_NOT_SCRUBBED\nOSDMAP_FLAGS\n";
  EXPECT_EQ(recipe_->run().code, 0);
  cluster("health", "HEALTH_WARN\n[WRN] OSDMAP_FLAGS: noout flag(s) set\n[WRN] OSD_DOWN: 1 down\n");
  const StepResult other = recipe_->run();
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.err.find("OSD_DOWN"), std::string::npos) << other.err;
  EXPECT_EQ(other.err.find("OSDMAP_FLAGS"), std::string::npos) << other.err;
}

TEST_F(CephApply, AnErrorIsNeverAllowedAndNeitherIsWhatIsNotUnderstood) {
  recipe_->inputs["RECIPE_ALLOW_WARNINGS"] = "OSD_FULL";
  for (const char* health : {"HEALTH_ERR 1 full osd(s)\n[ERR] OSD_FULL: 1 full osd(s)\n",
                             "HEALTH_WARN 1 full osd(s)\n[ERR] OSD_FULL: 1 full osd(s)\n",
                             "HEALTH_WARN something\n", ""}) {
    cluster("health", health);
    EXPECT_EQ(recipe_->run().code, 1) << health;
  }
  EXPECT_EQ(applied(), "");
}

TEST_F(CephApply, WhatCephDoesNotTakeIsShownAndNothingApplied) {
  cluster("refuses", "Error EINVAL: ServiceSpec: __init__() got an unexpected argument\n");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("got an unexpected argument"), std::string::npos) << step.err;
  EXPECT_EQ(applied(), "");
}

TEST_F(CephApply, AClusterThatDoesNotComeToRestIsAnErrorThatNamesWhatHeldBefore) {
  cluster("health-after", "HEALTH_WARN 1 MDSs down\n[WRN] MDS_ALL_DOWN: 1 filesystem is offline\n");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.out;
  EXPECT_NE(step.err.find("MDS_ALL_DOWN: 1 filesystem is offline"), std::string::npos) << step.err;
  const std::string kept = home().path(".local/state/tunnel-ssh/ceph-apply/before.yaml");
  EXPECT_NE(step.err.find(kept), std::string::npos) << step.err;
  EXPECT_NE(home().read(".local/state/tunnel-ssh/ceph-apply/before.yaml").find("count: 1"),
            std::string::npos);
  struct stat status {};
  ASSERT_EQ(::stat(kept.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(CephApply, AServiceThatDoesNotStartIsNamed) {
  cluster("looks", "1000");
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.out;
  EXPECT_NE(step.err.find("mds.files: running 1/2"), std::string::npos) << step.err;
}

TEST_F(CephApply, TheSpecificationIsInNoCommandLine) {
  const std::string secret = "not-for-everybody-" + std::to_string(::getpid());
  ours_.write("files.yaml", spec_ + "password: " + secret + "\n");
  cluster("looks", "3");
  Process process = recipe_->start();
  ASSERT_TRUE(process.wait_for("Scheduled", std::chrono::seconds(30))) << process.err();
  EXPECT_EQ(all_command_lines().find(secret), std::string::npos);
  EXPECT_EQ(process.wait(std::chrono::seconds(30)), 0) << process.err();
  EXPECT_NE(applied().find(secret), std::string::npos);
  EXPECT_EQ((process.out() + process.err()).find(secret), std::string::npos);
}

TEST_F(CephApply, BadInputIsToldAllTogetherBeforeAnythingIsContacted) {
  recipe_->inputs = {{"RECIPE_SPEC", ours_.path("missing.yaml")},
                     {"RECIPE_DRY_RUN", "perhaps"},
                     {"RECIPE_ALLOW_WARNINGS", "osd down; true"},
                     {"RECIPE_HEALTH_TIMEOUT", "10"}};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  for (const char* input : {"spec: ", "dry-run: ", "allow-warnings: ", "health-timeout: "}) {
    EXPECT_NE(step.err.find(std::string("error: ") + input), std::string::npos) << step.err;
  }
  EXPECT_EQ(recipe_->host().sshd().log().find("Connection from"), std::string::npos);
}

TEST_F(CephApply, AHostWithoutCephIsToldWhatToInstall) {
  fs::remove(home().path("bin/ceph"));
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("there is no ceph command on the host"), std::string::npos) << step.err;
}

}  // namespace
}  // namespace pca::test
