// actions/unifi-apply: a real sshd as the host beside the console, the real curl there, and a
// stand-in for the console.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/recipe.hpp"
#include "support/require.hpp"
#include "support/unifi_stand_in.hpp"

namespace pca::test {
namespace {

class UnifiApply : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    PCA_REQUIRE(missing_command("jq"));
    recipe_ = std::make_unique<RecipeForTests>("unifi-apply");
    recipe_->inputs = {{"RECIPE_URL", console_.https().url()},
                       {"RECIPE_ADDRESS", "127.0.0.1"},
                       {"RECIPE_SERVER_CERTIFICATE", console_.https().certificate()},
                       {"RECIPE_API_KEY", UnifiStandIn::key},
                       {"RECIPE_OBJECT", UnifiStandIn::object},
                       {"RECIPE_PAYLOAD", ours_.write("policy.json", asked_)},
                       {"RECIPE_CONFIRM_OOB", "true"},
                       {"RECIPE_HEALTH_TIMEOUT", "20s"}};
  }
  void TearDown() override {
    if (!recipe_) return;
    EXPECT_EQ(console_.unknown(), std::vector<std::string>{});
    EXPECT_EQ(all_files_below(home().path("")).find(UnifiStandIn::key), std::string::npos);
    EXPECT_EQ(recipe_->left_behind(), "");
  }

  [[nodiscard]] const TempFolder& home() const { return recipe_->host().home(); }
  [[nodiscard]] int puts() {
    int count = 0;
    for (const std::string& line : console_.https().requests()) {
      if (line.starts_with("PUT ")) ++count;
    }
    return count;
  }
  void expect_error(const StepResult& step, const std::string& text) const {
    EXPECT_NE(step.err.find(text), std::string::npos) << step.err;
  }

  const std::string asked_ =
      R"({"type":"A_RECORD","enabled":true,"domain":"app.example.com","ipv4Address":"192.168.1.11","ttlSeconds":60})";
  TempFolder ours_;
  UnifiStandIn console_;
  std::unique_ptr<RecipeForTests> recipe_;
};

TEST_F(UnifiApply, TheObjectIsChangedAndWaitedFor) {
  console_.is_slow_for = 1;
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "echo asked >>~/health";
  const StepResult step = recipe_->run();
  ASSERT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(console_.policy(), asked_);
  EXPECT_EQ(puts(), 2);  // what it told first, to see that it takes that back
  EXPECT_EQ(home().read("health"), "asked\nasked\n");
}

TEST_F(UnifiApply, WhatIsAsAskedForIsNotWritten) {
  ours_.write("policy.json", R"({"enabled": true, "ttlSeconds": 14400})");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("unchanged"), std::string::npos) << step.out;
  EXPECT_EQ(puts(), 0);
}

TEST_F(UnifiApply, WhatIsNotWellIsPutBack) {
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "false";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "5s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  expect_error(step, "the health command fails; the old object was put back");
  EXPECT_EQ(console_.policy(), UnifiStandIn::before);
}

TEST_F(UnifiApply, AFieldThatIsNotTakenOverIsNoSuccess) {
  console_.loses = "ttlSeconds";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "5s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  expect_error(step, "the object is not as asked for yet");
  EXPECT_EQ(console_.policy(), UnifiStandIn::before);
}

TEST_F(UnifiApply, AConsoleThatIsGoneForAMomentIsWaitedFor) {
  console_.is_gone_for = 2;
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(console_.policy(), asked_);
}

TEST_F(UnifiApply, OnlyWhatCanBePutBackIsChanged) {
  console_.takes_what_it_told = false;
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1) << step.err;
  expect_error(step, "does not take back the object that it told; nothing was changed");
  EXPECT_EQ(console_.policy(), UnifiStandIn::before);
  EXPECT_EQ(puts(), 1);
}

TEST_F(UnifiApply, WhatCannotBePutBackSaysWhereTheOldIs) {
  console_.takes_back = false;
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "false";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "3s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.err;
  std::string name = UnifiStandIn::object;
  std::replace(name.begin(), name.end(), '/', '_');
  const std::string kept = ".local/state/tunnel-ssh/unifi-apply/" + name + ".json";
  expect_error(step, home().path(kept));
  EXPECT_NE(home().read(kept).find("192.168.1.10"), std::string::npos);
  struct stat status {};
  ASSERT_EQ(::stat(home().path(kept).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(UnifiApply, WhatTheConsoleRefusesChangesNothing) {
  console_.refuses = {400, R"({"statusCode":400,"message":"ipv4Address is no address"})"};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 1) << step.err;
  expect_error(step, "ipv4Address is no address");
  expect_error(step, "nothing was changed");
  console_.refuses = {500, "{}"};  // who knows
  EXPECT_EQ(recipe_->run().code, 3);
}

TEST_F(UnifiApply, AWrongKeyAndAWrongCertificateAreToldApart) {
  recipe_->inputs["RECIPE_API_KEY"] = "wrong";
  const StepResult key = recipe_->run();
  EXPECT_EQ(key.code, 5) << key.err;
  expect_error(key, "refuses the API key (HTTP 401)");
  recipe_->inputs["RECIPE_SERVER_CERTIFICATE"] = UnifiStandIn().https().certificate();
  const StepResult certificate = recipe_->run();
  EXPECT_EQ(certificate.code, 6) << certificate.err;
  expect_error(certificate, "no answer from https://unifi.example.com");
  EXPECT_EQ(puts(), 0);
}

TEST_F(UnifiApply, ACancelPutsTheOldObjectBack) {
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = ": >~/began; exec sleep 1";
  Process process = recipe_->start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(home().path("began")); }))
      << process.err();
  EXPECT_EQ(all_command_lines().find(UnifiStandIn::key), std::string::npos);
  process.interrupt();
  EXPECT_EQ(process.wait(std::chrono::seconds(10)), 130) << process.err();
  EXPECT_NE((process.out() + process.err()).find("cancelled; the old object was put back"),
            std::string::npos)
      << process.out() << process.err();
  EXPECT_EQ(console_.policy(), UnifiStandIn::before);
  EXPECT_TRUE(recipe_->host().falls_silent());
}

TEST_F(UnifiApply, WithoutAnotherWayToTheConsoleNothingIsDone) {
  recipe_->inputs.erase("RECIPE_CONFIRM_OOB");
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  expect_error(step, "error: confirm-oob: not true");
  EXPECT_EQ(recipe_->host().sshd().log().find("Connection from"), std::string::npos);
}

TEST_F(UnifiApply, BadInputIsToldAllTogetherBeforeAnythingIsContacted) {
  recipe_->inputs = {{"RECIPE_URL", "https://unifi.example.com/proxy"},
                     {"RECIPE_ADDRESS", "-"},
                     {"RECIPE_SERVER_CERTIFICATE", "unifi.pem"},
                     {"RECIPE_OBJECT", "/v1/sites/../self"},
                     {"RECIPE_PAYLOAD", ours_.write("no.json", "[]")},
                     {"RECIPE_CONFIRM_OOB", "perhaps"},
                     {"RECIPE_HEALTH_TIMEOUT", "soon"}};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  for (const char* input : {"url: ", "server-certificate: ", "api-key: ", "object: ", "payload: ",
                            "confirm-oob: ", "health-timeout: "}) {
    expect_error(step, std::string("error: ") + input);
  }
}

}  // namespace
}  // namespace pca::test
