// The real commit-status summary and the sandbox's GitHub.
#include <gtest/gtest.h>

#include "support/github.hpp"

namespace pca::testing {
namespace {

using test::ProcessEnvironment;

class Summaries : public StepOnGithub {
 protected:
  Step run(const SandboxGithub& github, const ProcessEnvironment& inputs) {
    return run_step(step_spec(github, {PCA_COMMIT_STATUS, "summary"}, inputs));
  }
  // What an earlier run said.
  void say(const SandboxGithub& github, std::vector<std::string> command,
           ProcessEnvironment inputs) {
    command.insert(command.begin(), PCA_COMMIT_STATUS);
    inputs.insert({{"GITHUB_RUN_ID", "6"}, {"GITHUB_JOB", "deploy"}});
    const Step step = run_step(step_spec(github, command, inputs));
    EXPECT_EQ(step.done.code, 0) << step.done.out << step.done.err;
  }
};

TEST_F(Summaries, ShowAllThatGitHubKnowsOfTheCommit) {
  const SandboxGithub github({}, {{"INPUT_TOKEN", SandboxGithub::token}});
  say(github, {"status"}, {{"INPUT_STATE", "success"}, {"INPUT_CONTEXT", "unit"}});
  say(github, {"check"}, {{"INPUT_STATE", "pending"}, {"INPUT_NAME", "lint"}});
  say(github, {"deployment", "finish"},
      {{"INPUT_STATE", "success"},
       {"INPUT_ENVIRONMENT", "preview"},
       {"INPUT_SLUG", "cart-1a2b3c4d"},
       {"INPUT_ENVIRONMENT_URL", "https://cart.example.com"}});
  const std::string more = folder_.write("more.md", "## Sizes\n");
  const Step step = run(github, {{"INPUT_MARKDOWN_FILE", more}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("state"), "pending");
  EXPECT_EQ(step.outputs.at("sha"), commit);
  const std::string run_6 = "https://github.com/acme/shop/actions/runs/6";
  EXPECT_EQ(step.summary,
            "### aaaaaaaaaa of acme/shop: pending\n\n"
            "| State | Status or check | Said |\n|---|---|---|\n"
            "| pending | [lint](" +
                run_6 +
                ") | in&#95;progress |\n"
                "| success | [unit](" +
                run_6 +
                ") | success |\n"
                "\n| Environment | Deployment | Where |\n|---|---|---|\n"
                "| preview/cart-1a2b3c4d | [success](" +
                run_6 +
                ") | "
                "[https://cart.example.com](https://cart.example.com) |\n"
                "\n## Sizes\n");
}

TEST_F(Summaries, OfACommitThatFailedFailNothing) {
  const SandboxGithub github;
  say(github, {"status"}, {{"INPUT_STATE", "failure"}, {"INPUT_CONTEXT", "unit"}});
  const Step step = run(github, {{"INPUT_CHECKS", "unit\nlint"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("state"), "failure");
  EXPECT_EQ(step.outputs.at("failed"), "unit");
  EXPECT_NE(step.summary.find("| absent | lint | |"), std::string::npos) << step.summary;
}

TEST_F(Summaries, AreCutToWhatASummaryHolds) {
  const SandboxGithub github;
  const std::string more = folder_.write("more.md", std::string(1024 * 1024, 'x'));
  const Step step = run(github, {{"INPUT_MARKDOWN_FILE", more}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_LE(step.summary.size(), 1024U * 1024);
  EXPECT_TRUE(step.summary.ends_with("_The rest was cut: a summary holds at most 1 MiB._\n"));
}

TEST_F(Summaries, AreShownOutsideOfActionsToo) {
  const SandboxGithub github;
  const Step step = run(github, {{"GITHUB_STEP_SUMMARY", ""}});
  EXPECT_NE(step.done.out.find("### aaaaaaaaaa of acme/shop: none"), std::string::npos)
      << step.done.out;
}

TEST_F(Summaries, LeaveOutDeploymentsThatTheTokenMayNotSee) {
  const SandboxGithub github({"--deployments", "none"});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_NE(step.done.out.find("deployments are not shown"), std::string::npos) << step.done.out;
  const SandboxGithub closed({"--checks", "none"});
  EXPECT_EQ(run(closed, {}).done.code, 5);
  EXPECT_EQ(run(closed, {{"INPUT_ON_ERROR", "warn"}}).done.code, 0);
}

}  // namespace
}  // namespace pca::testing
