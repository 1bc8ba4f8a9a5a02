// The real commit-status against the sandbox's GitHub.
#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.hpp"
#include "support/github.hpp"

namespace pca::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using test::Finished;
using test::ProcessEnvironment;
using test::ProcessSpec;

class CommitStatus : public StepOnGithub {
 protected:
  // A step of a workflow on a push.
  ProcessSpec spec(const SandboxGithub& github, const ProcessEnvironment& inputs) {
    ProcessEnvironment all{{"GITHUB_WORKFLOW", "Deploy"},
                           {"GITHUB_JOB", "staging"},
                           {"GITHUB_RUN_ATTEMPT", "1"},
                           {"RUNNER_TEMP", folder_.path()}};
    for (const auto& [name, value] : inputs) all[name] = value;
    return step_spec(github, {PCA_COMMIT_STATUS, "status"}, all);
  }

  Step run(const SandboxGithub& github, ProcessEnvironment inputs) {
    inputs.try_emplace("INPUT_STATE", "success");
    return run_step(spec(github, inputs));
  }

  std::string event_file(const std::string& head_repository) {
    return folder_.write("event.json", R"({"pull_request": {"head": {"sha": ")" +
                                           std::string(40, 'c') + R"(", "repo": {"full_name": ")" +
                                           head_repository + R"("}}}})");
  }
};

// "GET", "POST", ... of what came.
std::string methods(const SandboxGithub& github) {
  std::vector<std::string> all;
  for (const Json& request : github.requests()) all.push_back(request.text_of("method"));
  return join(all, " ");
}

TEST_F(CommitStatus, SetsTheStatusOfTheRunsCommit) {
  const SandboxGithub github({}, {{"INPUT_TOKEN", SandboxGithub::token}});
  const Step step = run(github, {{"INPUT_DESCRIPTION", "All is well"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out << step.done.err;
  EXPECT_EQ(methods(github), "GET POST");
  const Json post = github.requests().back();
  EXPECT_EQ(post.text_of("target"), "/repos/acme/shop/statuses/" + commit);
  EXPECT_EQ(post.find("body")->dump(),
            R"({"state":"success","context":"Deploy / staging","description":"All is well",)"
            R"("target_url":"https://github.com/acme/shop/actions/runs/7/attempts/1"})");
  EXPECT_EQ(step.outputs.at("state"), "success");
  EXPECT_EQ(step.outputs.at("id"), "1");
  EXPECT_EQ(step.outputs.at("sha"), commit);
  EXPECT_EQ(step.outputs.at("changed"), "true");
  EXPECT_EQ(step.outputs.at("skipped"), "false");
  EXPECT_EQ(step.outputs.at("attempts"), "2");
  EXPECT_EQ(step.summary, "");
  const auto report = parse_json(read(fs::path(step.outputs.at("report")).filename()));
  ASSERT_TRUE(report) << step.outputs.at("report");
  EXPECT_EQ(report->text_of("command"), "status");
  EXPECT_EQ(report->find("results")->dump(), step.outputs.at("results"));
}

TEST_F(CommitStatus, WritesNothingWhenNothingChanged) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, {}).done.code, 0);
  const Step again = run(github, {});
  EXPECT_EQ(again.done.code, 0) << again.done.out;
  EXPECT_EQ(methods(github), "GET POST GET");
  EXPECT_EQ(again.outputs.at("changed"), "false");
  EXPECT_EQ(again.outputs.at("id"), "1");
  EXPECT_EQ(run(github, {{"INPUT_IF_UNCHANGED", "always"}}).done.code, 0);
  EXPECT_EQ(run(github, {{"INPUT_STATE", "failure"}}).outputs.at("changed"), "true");
  EXPECT_EQ(methods(github), "GET POST GET POST GET POST");
}

TEST_F(CommitStatus, OfAPullRequestGoesToItsHead) {
  const SandboxGithub github;
  const Step step = run(github, {{"GITHUB_EVENT_NAME", "pull_request"},
                                 {"GITHUB_EVENT_PATH", event_file("acme/shop")}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(github.requests().back().text_of("target"),
            "/repos/acme/shop/statuses/" + std::string(40, 'c'));
}

TEST_F(CommitStatus, ABranchIsResolvedFirst) {
  const std::string sha(40, 'd');
  const SandboxGithub github({"--ref", "feature/x=" + sha});
  const Step step = run(github, {{"INPUT_SHA", "feature/x"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(github.requests()[0].text_of("target"), "/repos/acme/shop/commits/feature%2Fx");
  EXPECT_EQ(step.outputs.at("sha"), sha);
}

TEST_F(CommitStatus, SeveralComeInOneRunWithOneRead) {
  const SandboxGithub github;
  const Step step = run(github, {{"INPUT_CONTEXT", "a\nb"}, {"INPUT_STATE", "cancelled"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(methods(github), "GET POST POST");
  EXPECT_NE(step.summary.find("| a | error |"), std::string::npos) << step.summary;
  EXPECT_EQ(step.outputs.at("state"), "error");
}

TEST_F(CommitStatus, ABrokenBatchSendsNothing) {
  const SandboxGithub github;
  const std::string file = folder_.write(
      "batch.json", R"([{"context": "a", "state": "success"}, {"context": "b", "state": "done"}])");
  ProcessSpec bad = spec(github, {{"INPUT_BATCH_FILE", file}});
  const Finished done = test::run_process(bad, 60s);
  EXPECT_EQ(done.code, 2) << done.out;
  EXPECT_TRUE(github.requests().empty());
}

TEST_F(CommitStatus, ATokenThatMayOnlyReadIsToldWhatToAdd) {
  const SandboxGithub github({"--statuses", "read"});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_EQ(methods(github), "GET POST");
  EXPECT_NE(step.done.out.find("permissions: {statuses: write}"), std::string::npos)
      << step.done.out;
}

TEST_F(CommitStatus, AForkWarnsUnlessItShallFail) {
  const SandboxGithub github({"--statuses", "read"});
  const ProcessEnvironment fork{{"GITHUB_EVENT_NAME", "pull_request"},
                                {"GITHUB_EVENT_PATH", event_file("eve/shop")}};
  const Step warned = run(github, fork);
  EXPECT_EQ(warned.done.code, 0) << warned.done.out;
  EXPECT_EQ(warned.outputs.at("skipped"), "true");
  EXPECT_NE(warned.done.out.find("::warning::"), std::string::npos) << warned.done.out;
  EXPECT_NE(warned.done.out.find("eve/shop"), std::string::npos) << warned.done.out;
  for (const auto& [policy, code] : {std::pair("fail", 5), std::pair("ignore", 0)}) {
    ProcessEnvironment inputs = fork;
    inputs["INPUT_FORK_POLICY"] = policy;
    const Step step = run(github, inputs);
    EXPECT_EQ(step.done.code, code) << step.done.out;
    EXPECT_EQ(step.done.out.find("::warning::"), std::string::npos) << step.done.out;
  }
  ProcessEnvironment without_token = fork;
  without_token["INPUT_TOKEN"] = "";
  EXPECT_EQ(run(github, without_token).outputs.at("skipped"), "true");
}

TEST_F(CommitStatus, DependabotWarns) {
  const SandboxGithub github({"--statuses", "read"});
  const Step step = run(github, {{"GITHUB_ACTOR", "dependabot[bot]"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("skipped"), "true");
}

TEST_F(CommitStatus, AWrongTokenIsNotTriedTwice) {
  const SandboxGithub github({}, {{"INPUT_TOKEN", "another"}});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_EQ(methods(github), "GET");
}

TEST_F(CommitStatus, ALostCommitIsTold) {
  const SandboxGithub github({"--commit", std::string(40, 'f')});
  const Step step = run(github, {{"INPUT_IF_UNCHANGED", "always"}});
  EXPECT_EQ(step.done.code, 1) << step.done.out;
  EXPECT_EQ(methods(github), "POST");
  EXPECT_NE(step.done.out.find("No commit found for SHA"), std::string::npos) << step.done.out;
}

TEST_F(CommitStatus, TheLimitOfAThousandIsTold) {
  const SandboxGithub github({"--most-statuses", "1"});
  EXPECT_EQ(run(github, {}).done.code, 0);
  const Step step = run(github, {{"INPUT_STATE", "failure"}});
  EXPECT_EQ(step.done.code, 1);
  EXPECT_NE(step.done.out.find("reached the maximum number of statuses"), std::string::npos)
      << step.done.out;
}

TEST_F(CommitStatus, OnErrorWarnFailsNoDeploy) {
  const SandboxGithub github({"--fault", "500-always"});
  const Step step = run(github, {{"INPUT_ON_ERROR", "warn"}, {"INPUT_RETRIES", "0"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_NE(step.done.out.find("::warning::"), std::string::npos) << step.done.out;
  EXPECT_EQ(step.outputs.at("changed"), "false");
}

TEST_F(CommitStatus, TheServersCertificateIsVerified) {
  const SandboxGithub github;
  const SandboxGithub other;
  const Step step = run(github, {{"INPUT_API_CA", other.ca_file()}});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_TRUE(github.requests().empty());
}

struct FaultCase {
  const char* fault;
  int code;
  const char* methods;
};

class CommitStatusFault : public CommitStatus, public ::testing::WithParamInterface<FaultCase> {};

TEST_P(CommitStatusFault, EndsAsItShould) {
  const FaultCase& c = GetParam();
  const SandboxGithub github({"--fault", c.fault});
  const Step step = run(github, {{"INPUT_RETRIES", "2"}, {"INPUT_TIMEOUT", "1s"}});
  EXPECT_EQ(step.done.code, c.code) << step.done.out;
  EXPECT_EQ(methods(github), c.methods);
}

INSTANTIATE_TEST_SUITE_P(
    All, CommitStatusFault,
    ::testing::Values(
        FaultCase{"reset-twice", 0, "GET POST"}, FaultCase{"502-twice", 0, "GET GET GET POST"},
        FaultCase{"500-always", 6, "GET GET GET"}, FaultCase{"reset-on-connect", 6, ""},
        FaultCase{"silent-tcp", 6, ""}, FaultCase{"silent-tls", 6, ""},
        FaultCase{"rate-limit:1", 0, "GET GET POST"}, FaultCase{"rate-limit:9000", 6, "GET"},
        FaultCase{"secondary-limit:1", 0, "GET GET POST"},
        FaultCase{"secondary-limit:9000", 6, "GET"}, FaultCase{"lost-answer", 0, "GET POST POST"},
        FaultCase{"no-json", 1, "GET"}, FaultCase{"huge-headers", 6, "GET"},
        FaultCase{"moved", 0, "GET GET POST POST"}),
    [](const auto& instance) {
      std::string name;
      for (const char c : std::string(instance.param.fault)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
      }
      return name;
    });

TEST_F(CommitStatus, AWaitIsCancelledAtOnce) {
  const SandboxGithub github({"--fault", "secondary-limit:60"});
  ProcessSpec waiting = spec(github, {{"INPUT_STATE", "success"}});
  const std::string script = folder_.write("step.sh", "exec \"$TOOL\" status\n");
  waiting.environment["TOOL"] = PCA_COMMIT_STATUS;
  waiting.argv = {"bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script};
  test::Process process(waiting);
  ASSERT_TRUE(process.wait_for("trying again in", 20s)) << process.out() << process.err();
  const auto start = std::chrono::steady_clock::now();
  process.interrupt();
  EXPECT_EQ(process.wait(10s), 130) << process.out();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

// --- run ---

class CommitStatusRun : public CommitStatus {
 protected:
  ProcessSpec run_spec(const SandboxGithub& github, const std::string& script,
                       const ProcessEnvironment& inputs = {}) {
    ProcessSpec made = spec(github, inputs);
    made.argv = {PCA_COMMIT_STATUS, "run", "--", "sh", "-c", script};
    return made;
  }
  // "pending success", ...
  static std::string states(const SandboxGithub& github) {
    std::vector<std::string> all;
    for (const Json& request : github.requests()) {
      if (request.text_of("method") == "POST")
        all.push_back(request.find("body")->text_of("state"));
    }
    return join(all, " ");
  }
  static std::string last_description(const SandboxGithub& github) {
    return github.requests().back().find("body")->text_of("description");
  }
};

TEST_F(CommitStatusRun, TellsHowTheCommandEnded) {
  const SandboxGithub github;
  const Finished good = test::run_process(run_spec(github, "echo done here"), 60s);
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_NE(good.out.find("done here"), std::string::npos);
  EXPECT_EQ(states(github), "pending success");
  const Finished bad = test::run_process(run_spec(github, "exit 3"), 60s);
  EXPECT_EQ(bad.code, 1) << bad.out << bad.err;
  EXPECT_EQ(states(github), "pending success pending failure");
  EXPECT_EQ(last_description(github), "Ended with exit code 3 after 0s");
  EXPECT_EQ(outputs().at("exit-code"), "3");
  EXPECT_NE(bad.out.find("the command ended with exit code 3"), std::string::npos) << bad.out;
}

TEST_F(CommitStatusRun, EndsWithTheCommandsOwnCodeWhenAsked) {
  const SandboxGithub github;
  const ProcessEnvironment pass{{"INPUT_PASS_EXIT_CODE", "true"}};
  EXPECT_EQ(test::run_process(run_spec(github, "exit 3", pass), 60s).code, 3);
  EXPECT_EQ(test::run_process(run_spec(github, "true", pass), 60s).code, 0);
}

TEST_F(CommitStatusRun, NamesTheSignalThatEndedTheCommand) {
  const SandboxGithub github;
  const Finished done = test::run_process(run_spec(github, "kill -s TERM $$"), 60s);
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_EQ(last_description(github), "Ended with signal TERM after 0s");
  const auto outputs = this->outputs();
  EXPECT_EQ(outputs.at("exit-code"), "143");
  EXPECT_EQ(outputs.at("exit-signal"), "TERM");
}

TEST_F(CommitStatusRun, AScriptEndsAtItsFirstFailure) {
  const SandboxGithub github;
  const auto run_script = [&](const std::string& script) {
    ProcessSpec made = spec(github, {{"INPUT_SCRIPT", script}});
    made.argv = {PCA_COMMIT_STATUS, "run"};
    return test::run_process(made, 60s);
  };
  const Finished good = run_script("word='two  words'\necho \"$word\" \"${INPUT_SCRIPT-none}\"\n");
  EXPECT_EQ(good.code, 0) << good.out << good.err;
  EXPECT_NE(good.out.find("two  words none"), std::string::npos) << good.out;
  const Finished bad = run_script("echo begun\nfalse\necho too far\n");
  EXPECT_EQ(bad.code, 1) << bad.out;
  EXPECT_NE(bad.out.find("begun"), std::string::npos) << bad.out;
  EXPECT_EQ(bad.out.find("too far"), std::string::npos) << bad.out;
  EXPECT_EQ(states(github), "pending success pending failure");
}

TEST_F(CommitStatusRun, ACommandThatIsNotThereIsAnError) {
  const SandboxGithub github;
  ProcessSpec absent = spec(github, {});
  absent.argv = {PCA_COMMIT_STATUS, "run", "--", "no-such-command"};
  const Finished done = test::run_process(absent, 60s);
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_EQ(states(github), "pending error");
}

TEST_F(CommitStatusRun, DoesNotRunWhatItCannotTellOf) {
  const SandboxGithub github({"--statuses", "read"});
  const std::string mark = folder_.path("ran");
  const Finished done = test::run_process(run_spec(github, "touch " + mark), 60s);
  EXPECT_EQ(done.code, 5) << done.out;
  EXPECT_FALSE(fs::exists(mark));
  const Finished warned =
      test::run_process(run_spec(github, "touch " + mark, {{"INPUT_ON_ERROR", "warn"}}), 60s);
  EXPECT_EQ(warned.code, 0) << warned.out;
  EXPECT_TRUE(fs::exists(mark));
}

TEST_F(CommitStatusRun, OfAForkRunsWithoutAStatus) {
  const SandboxGithub github({"--statuses", "read"});
  const Finished done = test::run_process(run_spec(github, "exit 3",
                                                   {{"GITHUB_EVENT_NAME", "pull_request"},
                                                    {"GITHUB_EVENT_PATH", event_file("eve/shop")}}),
                                          60s);
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_EQ(methods(github), "POST");
  EXPECT_EQ(outputs().at("exit-code"), "3");
}

// What of its inputs and tokens the command finds in its environment.
TEST_F(CommitStatusRun, KeepsItsInputsAndItsTokenFromTheCommand) {
  const SandboxGithub github;
  const std::string script =
      "env | grep -E '^(INPUT_|GITHUB_TOKEN|GH_TOKEN|OF_USER)' | cut -d= -f1 | sort >" +
      folder_.path("found");
  ProcessEnvironment inputs{{"INPUT_CONTEXT", "tests"}, {"OF_USER", "x"}};
  inputs["INPUT_TOKEN"] = "";
  inputs["GITHUB_TOKEN"] = SandboxGithub::token;
  inputs["GH_TOKEN"] = SandboxGithub::token;
  EXPECT_EQ(test::run_process(run_spec(github, script, inputs), 60s).code, 0);
  EXPECT_EQ(read("found"), "OF_USER\n");
  // With a token of its own, these are the command's.
  inputs["INPUT_TOKEN"] = SandboxGithub::token;
  EXPECT_EQ(test::run_process(run_spec(github, script, inputs), 60s).code, 0);
  EXPECT_EQ(read("found"), "GH_TOKEN\nGITHUB_TOKEN\nOF_USER\n");
}

TEST_F(CommitStatusRun, LeavesNoPendingWhenCancelledBeforeTheCommand) {
  const SandboxGithub github({"--fault", "secondary-limit:60"});
  const std::string mark = folder_.path("ran");
  test::Process process(run_spec(github, "touch " + mark));
  ASSERT_TRUE(process.wait_for("trying again in", 20s)) << process.out();
  process.interrupt();
  EXPECT_EQ(process.wait(10s), 130) << process.out();
  EXPECT_FALSE(fs::exists(mark));
  EXPECT_EQ(states(github), "pending error");
}

TEST_F(CommitStatusRun, TellsAllOfManyOfACancelInTime) {
  const SandboxGithub github;
  test::Process process(
      run_spec(github, "echo begun; exec sleep 60", {{"INPUT_CONTEXT", "a\nb\nc\nd\ne\nf\ng"}}));
  ASSERT_TRUE(process.wait_for("begun", 30s)) << process.out();
  const auto start = std::chrono::steady_clock::now();
  process.interrupt();
  EXPECT_EQ(process.wait(10s), 130) << process.out();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_TRUE(states(github).ends_with("error error error error error error error"))
      << states(github);
}

// Nothing else would tell how it ended: the command is over, and no step of the job knows of it.
TEST_F(CommitStatusRun, TellsAResultAgainThatACancelHasCut) {
  const SandboxGithub github;
  test::Process process(run_spec(github, "true", {{"INPUT_CONTEXT", "a\nb\nc"}}));
  const auto end = std::chrono::steady_clock::now() + 20s;
  // Before the second and the third result it waits for a second.
  while (states(github).find("success") == std::string::npos &&
         std::chrono::steady_clock::now() < end) {
    ::poll(nullptr, 0, 5);
  }
  process.interrupt();
  EXPECT_EQ(process.wait(10s), 0) << process.out() << process.err();
  EXPECT_TRUE(states(github).ends_with("success success success success")) << states(github);
  EXPECT_EQ(outputs().at("state"), "success");
}

TEST_F(CommitStatusRun, RepeatsAResultWhoseAnswerWasLost) {
  const SandboxGithub github({"--fault", "lost-answer:2"});
  const Finished done = test::run_process(run_spec(github, "true"), 60s);
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_EQ(states(github), "pending success success");
}

// As the runner does it: bash becomes the tool, and gets the signal alone.
class CommitStatusCancel : public CommitStatusRun,
                           public ::testing::WithParamInterface<const char*> {};

TEST_P(CommitStatusCancel, PassesTheSignalOnAndTellsWithinFiveSeconds) {
  const SandboxGithub github;
  const std::string inner = folder_.write("inner.sh", GetParam());
  const std::string step =
      folder_.write("step.sh", "exec \"$TOOL\" run -- bash \"" + inner + "\"\n");
  ProcessSpec made = spec(github, {});
  made.environment["TOOL"] = PCA_COMMIT_STATUS;
  made.environment["MARK"] = folder_.path("mark");
  made.argv = {"bash", "--noprofile", "--norc", "-e", "-o", "pipefail", step};
  test::Process process(made);
  ASSERT_TRUE(process.wait_for("begun", 20s)) << process.out() << process.err();
  const auto start = std::chrono::steady_clock::now();
  process.interrupt();
  while (states(github) != "pending error" && std::chrono::steady_clock::now() < start + 10s) {
    ::poll(nullptr, 0, 5);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_EQ(states(github), "pending error");
  const auto runner_waits = start + 7'500ms - std::chrono::steady_clock::now();
  if (!process.wait(std::chrono::ceil<std::chrono::milliseconds>(runner_waits))) {
    process.send(SIGTERM);
  }
  EXPECT_EQ(process.wait(10s), 130) << process.out() << process.err();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
  EXPECT_EQ(last_description(github), "Cancelled by signal 2");
  EXPECT_EQ(read("mark"), "cleaned up\n");
}

INSTANTIATE_TEST_SUITE_P(
    All, CommitStatusCancel,
    ::testing::Values("end() { kill $!; echo cleaned up >$MARK; exit 1; }\ntrap end INT\n"
                      "echo begun\nsleep 60 & wait\n",
                      // As long as tunnel-ssh may need.
                      "end() { kill $!; sleep 7; echo cleaned up >$MARK; exit 1; }\ntrap end INT\n"
                      "echo begun\nsleep 60 & wait\n",
                      // Cares only for what the runner sends next.
                      "end() { kill $!; echo cleaned up >$MARK; exit 1; }\ntrap '' INT\n"
                      "trap end TERM\necho begun\nsleep 60 & wait\n",
                      // Does not care: it is killed, with all it started.
                      "echo cleaned up >$MARK\ntrap '' INT TERM\necho begun\nsleep 60\n"));

}  // namespace
}  // namespace pca::testing
