// actions/opnsense-apply: a real sshd as the host beside the firewall, the real curl there, and a
// stand-in for the firewall.

#include <gtest/gtest.h>
#include <signal.h>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/opnsense_stand_in.hpp"
#include "support/recipe.hpp"
#include "support/require.hpp"

namespace pca::test {
namespace {

using Rules = OpnsenseStandIn::Rules;

class OpnsenseApply : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    PCA_REQUIRE(missing_command("jq"));
    recipe_ = std::make_unique<RecipeForTests>("opnsense-apply");
    firewall_.start_with(old_);
    recipe_->inputs = {{"INPUT_TRIES", "1"},
                       {"RECIPE_URL", firewall_.https().url()},
                       {"RECIPE_ADDRESS", "127.0.0.1"},
                       {"RECIPE_SERVER_CERTIFICATE", firewall_.https().certificate()},
                       {"RECIPE_API_KEY", OpnsenseStandIn::key},
                       {"RECIPE_API_SECRET", OpnsenseStandIn::secret},
                       {"RECIPE_RULES", ours_.write("rules.json", rules_)},
                       {"RECIPE_HEALTH_TIMEOUT", "5s"}};
  }
  void TearDown() override {
    if (!recipe_) return;
    EXPECT_EQ(firewall_.unknown(), std::vector<std::string>{});
    // Neither the script, which holds the key, nor a guard that waits.
    EXPECT_EQ(all_files_below(home().path("")).find(OpnsenseStandIn::secret), std::string::npos);
    EXPECT_EQ(recipe_->left_behind(), "");
  }

  [[nodiscard]] const TempFolder& home() const { return recipe_->host().home(); }
  // Requests that change something, without the UUID of the new rule.
  [[nodiscard]] std::vector<std::string> changes() {
    std::vector<std::string> lines;
    for (const std::string& line : firewall_.https().requests()) {
      if (line.starts_with("POST ")) lines.push_back(line.substr(line.find("filter/") + 7));
    }
    return lines;
  }
  void expect_error(const StepResult& step, const std::string& text) const {
    EXPECT_NE(step.err.find(text), std::string::npos) << step.err;
  }
  void expect_taken_back(const StepResult& step) {
    EXPECT_EQ(step.code, 3) << step.err;
    EXPECT_EQ(firewall_.in_force(), old_);
    EXPECT_EQ(firewall_.saved(), old_);
  }

  const std::string uuid_ = "8f9a1c02-0000-4000-8000-000000000001";
  const Rules old_ = {{uuid_,
                       {{"description", "web & \"more\""},
                        {"enabled", "1"},
                        {"action", "pass"},
                        {"source_net", "any"}}},
                      {"8f9a1c02-0000-4000-8000-000000000002",
                       {{"description", "web & \"more\" of it"}, {"action", "block"}}}};
  const std::string rules_ =
      R"([{"description": "web & \"more\"", "action": "reject", "source_net": "it's $HOME"},
          {"description": "new one", "enabled": "1"}])";
  TempFolder ours_;
  OpnsenseStandIn firewall_;
  std::unique_ptr<RecipeForTests> recipe_;
};

TEST_F(OpnsenseApply, ARuleIsChangedAnotherAddedAndBothConfirmed) {
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "echo asked >>~/health";
  const StepResult step = recipe_->run();
  ASSERT_EQ(step.code, 0) << step.err;
  const Rules now = firewall_.in_force();
  ASSERT_EQ(now.size(), 3U);
  EXPECT_EQ(now.at(uuid_).at("action"), "reject");
  EXPECT_EQ(now.at(uuid_).at("source_net"), "it's $HOME");
  EXPECT_EQ(now.at(uuid_).at("enabled"), "1");  // not named in the file
  const std::string revision = "1786899650.6199";
  EXPECT_EQ(changes(),
            (std::vector<std::string>{"savepoint", "setRule/" + uuid_, "addRule",
                                      "apply/" + revision, "cancelRollback/" + revision}));
  EXPECT_EQ(home().read("health"), "asked\nasked\n");
  EXPECT_NE(step.out.find("applied: 2 rules"), std::string::npos) << step.out;
}

TEST_F(OpnsenseApply, WithoutSavepointsTheGuardOnTheHostIsEnough) {
  firewall_.has_savepoints = false;
  const StepResult good = recipe_->run();
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_NE(good.out.find("this OPNsense has no savepoints"), std::string::npos) << good.out;
  EXPECT_EQ(firewall_.in_force().at(uuid_).at("action"), "reject");
}

TEST_F(OpnsenseApply, WhatIsNotHealthyIsTakenBack) {
  firewall_.has_savepoints = false;
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = "echo no route; false";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "1s";
  const StepResult step = recipe_->run();
  expect_taken_back(step);
  expect_error(step, "the health command fails");
}

TEST_F(OpnsenseApply, WhoIsLockedOutIsLetInAgain) {
  const int sshd = recipe_->host().sshd().pid();
  // New connections hang while the rule is in force; the one that brought it lives on.
  firewall_.on_apply = [sshd, first = true]() mutable {
    ::kill(sshd, std::exchange(first, false) ? SIGSTOP : SIGCONT);
  };
  recipe_->inputs["INPUT_CONNECT_TIMEOUT"] = "2s";
  const StepResult step = recipe_->run();
  ::kill(sshd, SIGCONT);
  expect_taken_back(step);
}

TEST_F(OpnsenseApply, WhatTheFirewallTookBackItselfIsNoSuccess) {
  firewall_.goes_back_after = std::chrono::milliseconds(1);
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "1s";
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 3) << step.err;
  EXPECT_EQ(firewall_.in_force(), old_);
}

TEST_F(OpnsenseApply, ARuleThatIsNotTakenTakesTheOthersBack) {
  firewall_.refuses = "new one";
  const StepResult step = recipe_->run();
  expect_taken_back(step);
  expect_error(step, "not a network");
}

TEST_F(OpnsenseApply, AFirewallThatBreaksHalfWayNeedsALook) {
  firewall_.breaks_after = 5;  // three questions, the savepoint, one rule
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 4) << step.err;
  expect_error(step, "the revert failed");
  firewall_.breaks_after = 1'000'000;
  // Called again it ends what it began.
  EXPECT_EQ(StepForTests(recipe_->host()).run({"guard", "revert"}).code, 0);
  EXPECT_EQ(firewall_.in_force(), old_);
}

TEST_F(OpnsenseApply, ACancelTakesItBackAtOnce) {
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = ": >~/began; sleep 4";
  Process process = recipe_->start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(home().path("began")); }))
      << process.err();
  process.interrupt();
  EXPECT_EQ(process.wait(std::chrono::seconds(10)), 130) << process.err();
  EXPECT_EQ(firewall_.in_force(), old_);
  EXPECT_TRUE(recipe_->host().falls_silent());
}

TEST_F(OpnsenseApply, WhatIsWrongIsFoundOutBeforeAnythingIsChanged) {
  const auto expect_untouched = [&](const std::string& text) {
    const StepResult step = recipe_->run();
    EXPECT_EQ(step.code, 1) << step.err;
    expect_error(step, text);
  };
  ours_.write("rules.json", R"([{"description": "x", "enabled": true}])");
  expect_untouched("not every rule is an object of texts with a description");
  ours_.write("rules.json", R"([{"description": "x"}, {"description": "x"}])");
  expect_untouched("two rules have the same description");
  ours_.write("rules.json", "[{]");
  expect_untouched("rules is no JSON");
  ours_.write("rules.json", rules_);
  recipe_->inputs["RECIPE_API_SECRET"] = "wrong";
  expect_untouched("refuses the API key (HTTP 401)");
  recipe_->inputs["RECIPE_API_SECRET"] = OpnsenseStandIn::secret;
  recipe_->inputs["RECIPE_SERVER_CERTIFICATE"] = OpnsenseStandIn().https().certificate();
  expect_untouched("no answer from https://fw1.example.com");
  recipe_->inputs["RECIPE_SERVER_CERTIFICATE"] = firewall_.https().certificate();
  Rules twice = old_;
  twice["8f9a1c02-0000-4000-8000-000000000003"] = old_.at(uuid_);
  firewall_.start_with(twice);
  expect_untouched("more than one rule is called web");
  EXPECT_EQ(changes(), std::vector<std::string>{});
}

TEST_F(OpnsenseApply, KeyAndSecretAreInNoCommandLineAndNoLog) {
  recipe_->inputs["RECIPE_HEALTH_COMMAND"] = ": >~/began; sleep 1";
  recipe_->inputs["RECIPE_HEALTH_TIMEOUT"] = "30s";
  Process process = recipe_->start();
  ASSERT_TRUE(comes_true([&] { return std::filesystem::exists(home().path("began")); }))
      << process.err();
  EXPECT_EQ(all_command_lines().find(OpnsenseStandIn::secret), std::string::npos);
  EXPECT_EQ(process.wait(std::chrono::seconds(60)), 0) << process.err();
  EXPECT_EQ((process.out() + process.err()).find(OpnsenseStandIn::secret), std::string::npos);
}

TEST_F(OpnsenseApply, BadInputIsToldAllTogetherBeforeAnythingIsContacted) {
  recipe_->inputs = {{"RECIPE_URL", "http://fw1.example.com"},
                     {"RECIPE_ADDRESS", "a b"},
                     {"RECIPE_SERVER_CERTIFICATE", "fw1.pem"},
                     {"RECIPE_API_KEY", "\"quoted\""},
                     {"RECIPE_RULES", ours_.path("missing.json")},
                     {"RECIPE_HEALTH_TIMEOUT", "50s"},
                     {"RECIPE_REVERT_AFTER", "60s"}};
  const StepResult step = recipe_->run();
  EXPECT_EQ(step.code, 2);
  for (const char* input : {"url: ", "address: ", "server-certificate: ", "api-key: ",
                            "api-secret: ", "rules: ", "health-timeout: ", "revert-after: "}) {
    expect_error(step, std::string("error: ") + input);
  }
  EXPECT_EQ(recipe_->host().sshd().log().find("Connection from"), std::string::npos);
  EXPECT_EQ(firewall_.https().requests(), std::vector<std::string>{});
}

}  // namespace
}  // namespace pca::test
