// The real commit-status and the deployments of the sandbox's GitHub.
#include <gtest/gtest.h>

#include <poll.h>

#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "support/github.hpp"

namespace pca::testing {
namespace {

using namespace std::chrono_literals;
using test::Finished;
using test::ProcessEnvironment;
using test::ProcessSpec;

const std::string older(40, 'b');

class Deployments : public StepOnGithub {
 protected:
  // A step of a workflow on a push, in its first job.
  ProcessSpec spec(const SandboxGithub& github, const std::string& command,
                   const ProcessEnvironment& inputs) {
    ProcessEnvironment all{{"GITHUB_JOB", "deploy"}};
    for (const auto& [name, value] : inputs) all[name] = value;
    return step_spec(github, {PCA_COMMIT_STATUS, "deployment", command}, all);
  }

  Step run(const SandboxGithub& github, const std::string& command, ProcessEnvironment inputs) {
    if (command == "finish") inputs.try_emplace("INPUT_STATE", "success");
    return run_step(spec(github, command, inputs));
  }

  // The deploy of another run, whole.
  Step deploy(const SandboxGithub& github, const std::string& run_id, ProcessEnvironment inputs) {
    inputs["GITHUB_RUN_ID"] = run_id;
    return run(github, "finish", std::move(inputs));
  }
};

const ProcessEnvironment preview{{"INPUT_ENVIRONMENT", "preview"},
                                 {"INPUT_SLUG", "feature-cart-1a2b3c4d"}};

ProcessEnvironment with(ProcessEnvironment inputs, const ProcessEnvironment& more) {
  for (const auto& [name, value] : more) inputs[name] = value;
  return inputs;
}

// What was written: "deployments", "deployments/1/statuses in_progress", ...
std::vector<std::string> writes(const SandboxGithub& github) {
  std::vector<std::string> all;
  for (const Json& request : github.requests()) {
    if (request.text_of("method") != "POST") continue;
    std::string line = request.text_of("target").substr(std::string("/repos/acme/shop/").size());
    const std::string state = request.find("body")->text_of("state");
    if (!state.empty()) line += " " + state;
    all.push_back(line);
  }
  return all;
}
using Writes = std::vector<std::string>;

Json last_body(const SandboxGithub& github) { return *github.requests().back().find("body"); }

TEST_F(Deployments, StartMakesOneWithItsFirstStatus) {
  const SandboxGithub github({}, {{"INPUT_TOKEN", SandboxGithub::token}});
  const Step step = run(github, "start", {});
  EXPECT_EQ(step.done.code, 0) << step.done.out << step.done.err;
  EXPECT_EQ(writes(github), (Writes{"deployments", "deployments/1/statuses in_progress"}));
  EXPECT_EQ(last_body(github).text_of("log_url"), "https://github.com/acme/shop/actions/runs/7");
  EXPECT_EQ(step.outputs.at("deployment-id"), "1");
  EXPECT_EQ(step.outputs.at("created"), "true");
  EXPECT_EQ(step.outputs.at("state"), "in_progress");
  EXPECT_EQ(step.outputs.at("sha"), commit);
  EXPECT_EQ(step.outputs.at("environment"), "production");
}

TEST_F(Deployments, ARunAgainTakesTheEarlierOne) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, "start", {}).outputs.at("created"), "true");
  const Step again = run(github, "start", {{"GITHUB_RUN_ATTEMPT", "2"}});
  EXPECT_EQ(again.outputs.at("created"), "false") << again.done.out;
  EXPECT_EQ(again.outputs.at("deployment-id"), "1");
  EXPECT_EQ(run(github, "start", {{"GITHUB_JOB", "other"}}).outputs.at("deployment-id"), "2");
  EXPECT_EQ(run(github, "start", {{"GITHUB_RUN_ID", "8"}}).outputs.at("deployment-id"), "3");
  EXPECT_EQ(run(github, "start", {{"INPUT_NONCE", "mine"}}).outputs.at("deployment-id"), "4");
  EXPECT_EQ(run(github, "start", preview).outputs.at("deployment-id"), "5");
}

TEST_F(Deployments, ALostAnswerMakesNoSecondOne) {
  const SandboxGithub github({"--fault", "lost-answer"});
  const Step step = run(github, "start", {});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("deployment-id"), "1");
  EXPECT_EQ(writes(github), (Writes{"deployments", "deployments/1/statuses in_progress"}));
}

TEST_F(Deployments, FinishIsAboutTheOneThatWasStarted) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, "start", {}).done.code, 0);
  const Step done = run(github, "finish", {{"INPUT_ENVIRONMENT_URL", "https://shop.example.com"}});
  EXPECT_EQ(done.done.code, 0) << done.done.out;
  EXPECT_EQ(done.outputs.at("deployment-id"), "1");
  EXPECT_EQ(last_body(github).text_of("environment_url"), "https://shop.example.com");
  EXPECT_EQ(run(github, "finish", {{"INPUT_DEPLOYMENT_ID", "1"}, {"INPUT_STATE", "cancelled"}})
                .outputs.at("state"),
            "error");
  EXPECT_EQ(writes(github),
            (Writes{"deployments", "deployments/1/statuses in_progress",
                    "deployments/1/statuses success", "deployments/1/statuses error"}));
}

TEST_F(Deployments, FinishWithoutAStartMakesItsOwn) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, "finish", {{"INPUT_STATE", "failure"}}).outputs.at("created"), "true");
  EXPECT_EQ(writes(github), (Writes{"deployments", "deployments/1/statuses failure"}));
  EXPECT_NE(read("summary").find("| production | 1 | failure |"), std::string::npos)
      << read("summary");
}

TEST_F(Deployments, APreviewsSuccessMakesItsEarlierOnesInactive) {
  const SandboxGithub github;
  const ProcessEnvironment another = with(preview, {{"INPUT_SLUG", "bugfix-1a2b3c4d"}});
  EXPECT_EQ(deploy(github, "1", preview).done.code, 0);
  EXPECT_EQ(deploy(github, "2", another).done.code, 0);
  EXPECT_EQ(deploy(github, "3", with(preview, {{"INPUT_STATE", "failure"}})).done.code, 0);
  const Step last = deploy(github, "4", preview);
  EXPECT_EQ(last.outputs.at("deactivated"), "1") << last.done.out;
  EXPECT_EQ(writes(github).back(), "deployments/1/statuses inactive");
  EXPECT_EQ(last_body(github).text_of("description"), "Superseded by aaaaaaaaaa");
  // One that is run again is the current one again.
  EXPECT_EQ(deploy(github, "1", preview).outputs.at("deactivated"), "4");
  const ProcessEnvironment keep = with(preview, {{"INPUT_SUPERSEDED", "keep"}});
  EXPECT_EQ(deploy(github, "5", keep).outputs.at("deactivated"), "");
  // Nor does GitHub end them by itself.
  EXPECT_EQ(last_body(github).find("auto_inactive")->dump(), "false");
}

TEST_F(Deployments, OfEnvironmentsAreLeftToGitHubUnlessAsked) {
  const SandboxGithub github;
  EXPECT_EQ(deploy(github, "1", {}).done.code, 0);
  EXPECT_EQ(deploy(github, "2", {}).outputs.at("deactivated"), "");
  const Step asked = deploy(github, "3", {{"INPUT_SUPERSEDED", "inactive"}});
  EXPECT_EQ(asked.outputs.at("deactivated"), "2\n1") << asked.done.out;
}

TEST_F(Deployments, ARemovedPreviewHasNoneThatIsActive) {
  const SandboxGithub github;
  const ProcessEnvironment keep = with(preview, {{"INPUT_SUPERSEDED", "keep"}});
  for (const char* id : {"1", "2", "3"}) EXPECT_EQ(deploy(github, id, keep).done.code, 0);
  const ProcessEnvironment gone = with(preview, {{"INPUT_STATE", "inactive"}});
  const Step most = run(github, "finish", with(gone, {{"INPUT_MAX_DEACTIVATE", "2"}}));
  EXPECT_EQ(most.outputs.at("deactivated"), "3\n2") << most.done.out;
  EXPECT_NE(most.done.out.find("max-deactivate: more than 2"), std::string::npos);
  EXPECT_EQ(run(github, "finish", gone).outputs.at("deactivated"), "1");
  EXPECT_EQ(run(github, "finish", gone).outputs.at("deactivated"), "");
  EXPECT_EQ(run(github, "finish", gone).outputs.at("deployment-id"), "");
}

TEST_F(Deployments, ARollbackIsRecordedWithItsReasonAndOnTheBadCommit) {
  const SandboxGithub github;
  EXPECT_EQ(deploy(github, "1", {{"INPUT_SHA", older}}).done.code, 0);
  EXPECT_EQ(deploy(github, "2", {}).done.code, 0);
  const Step step = run(github, "finish",
                        {{"INPUT_SHA", older},
                         {"INPUT_ROLLS_BACK", commit},
                         {"INPUT_DESCRIPTION", "Prices are wrong"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("sha"), older);
  EXPECT_EQ(step.outputs.at("deactivated"), "2");
  const Writes all = writes(github);
  EXPECT_EQ(Writes(all.end() - 4, all.end()),
            (Writes{"deployments", "deployments/3/statuses success",
                    "deployments/2/statuses inactive", "statuses/" + commit + " failure"}));
  EXPECT_EQ(last_body(github).text_of("context"), "deploy / production");
  EXPECT_EQ(last_body(github).text_of("description"),
            "Rolled back to bbbbbbbbbb: Prices are wrong");
  const Json made = *github.requests()[github.requests().size() - 7].find("body");
  EXPECT_EQ(made.text_of("task"), "rollback") << made.dump();
  EXPECT_EQ(made.find("payload")->text_of("rolls-back"), commit);
}

TEST_F(Deployments, AMergeInsteadOfADeploymentIsAConflict) {
  const SandboxGithub github({"--behind", commit});
  const Step step = run(github, "start", {{"INPUT_AUTO_MERGE", "true"}});
  EXPECT_EQ(step.done.code, 7) << step.done.out;
  EXPECT_NE(step.done.out.find("Auto-merged main into"), std::string::npos) << step.done.out;
  EXPECT_EQ(run(github, "start", {}).done.code, 0);
}

TEST_F(Deployments, WhatConflictsOrMissesAStatusIsAConflict) {
  const SandboxGithub github({"--unmergeable", commit});
  const Step merge = run(github, "start", {{"INPUT_AUTO_MERGE", "true"}});
  EXPECT_EQ(merge.done.code, 7) << merge.done.out;
  EXPECT_NE(merge.done.out.find("leave out auto-merge."), std::string::npos) << merge.done.out;
  const Step status = run(github, "start", {{"INPUT_REQUIRED_CONTEXTS", "tests"}});
  EXPECT_EQ(status.done.code, 7) << status.done.out;
  EXPECT_NE(status.done.out.find("leave out required-contexts."), std::string::npos)
      << status.done.out;
  EXPECT_EQ(writes(github), (Writes{"deployments", "deployments"}));
}

TEST_F(Deployments, ATokenThatMayNotIsToldWhatToAdd) {
  const SandboxGithub github({"--deployments", "read"});
  const Step step = run(github, "start", {});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_NE(step.done.out.find("permissions: {deployments: write}"), std::string::npos)
      << step.done.out;
  EXPECT_EQ(run(github, "start", {{"INPUT_ON_ERROR", "warn"}}).done.code, 0);
  const Step dependabot = run(github, "start", {{"GITHUB_ACTOR", "dependabot[bot]"}});
  EXPECT_EQ(dependabot.done.code, 0) << dependabot.done.out;
  EXPECT_EQ(dependabot.outputs.at("skipped"), "true");
}

TEST_F(Deployments, OneThatIsNotThereIsNotFinished) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, "finish", {{"INPUT_DEPLOYMENT_ID", "9"}}).done.code, 5);
  EXPECT_TRUE(writes(github).empty());
}

TEST_F(Deployments, ACancelLeavesNoneWithoutAStatus) {
  const SandboxGithub github({"--fault", "slow-answer:500ms"});
  test::Process process(spec(github, "start", {}));
  // The search and the creation take half a second each; the status then as long again.
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (writes(github).empty() && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 5);
  process.interrupt();
  EXPECT_TRUE(process.wait(10s)) << process.out();
  // The request that the cancel cut may have come through as well.
  const Writes all = writes(github);
  ASSERT_GE(all.size(), 2U);
  EXPECT_EQ(all[0], "deployments");
  EXPECT_EQ(all[1], "deployments/1/statuses in_progress");
}

}  // namespace
}  // namespace pca::testing
