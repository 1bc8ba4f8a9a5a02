// The real commit-status as a gate, before the sandbox's GitHub whose checks change.
#include <gtest/gtest.h>
#include <poll.h>

#include <filesystem>
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

const std::string own_run = "https://github.com/acme/shop/actions/runs/7/job/1";

// A check run as GitHub tells it; without a conclusion it is in progress.
Json check(const std::string& name, const std::string& conclusion, const std::string& url = "",
           int app = 15368) {
  Json run = Json::object();
  run.set("name", name).set("status", conclusion.empty() ? "in_progress" : "completed");
  run.set("conclusion", conclusion.empty() ? Json() : Json(conclusion)).set("details_url", url);
  return run.set("app", Json::object().set("id", app));
}

Json cloudflare(const std::string& conclusion, const std::string& summary = "") {
  Json run = check("Workers Builds: shop", conclusion, "", 85455);
  return run.set("output", Json::object().set("summary", summary));
}

class Wait : public StepOnGithub {
 protected:
  void set_checks(const Json::Array& checks) {
    const std::string next = folder_.write("checks.new", Json(checks).dump());
    std::filesystem::rename(next, folder_.path("checks.json"));
  }

  std::vector<std::string> arguments() { return {"--check-runs", folder_.path("checks.json")}; }

  ProcessSpec spec(const SandboxGithub& github, const ProcessEnvironment& inputs) {
    ProcessEnvironment all{{"INPUT_INTERVAL", "1s"}};
    for (const auto& [name, value] : inputs) all[name] = value;
    return step_spec(github, {PCA_COMMIT_STATUS, "wait"}, all);
  }

  Finished run(const SandboxGithub& github, const ProcessEnvironment& inputs = {}) {
    return run_step(spec(github, inputs)).done;
  }

  // Until the tool has asked so often for the checks.
  static void wait_for_polls(const SandboxGithub& github, int polls) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    const auto asked = [&] {
      int count = 0;
      for (const Json& request : github.requests()) {
        count += request.text_of("target").find("/check-runs") != std::string::npos ? 1 : 0;
      }
      return count;
    };
    while (asked() < polls && std::chrono::steady_clock::now() < end) ::poll(nullptr, 0, 5);
  }
};

TEST_F(Wait, EndsWhenTwoPollsSayThatAllIsGood) {
  set_checks({check("tests", "success"), check("own", "", own_run)});
  const SandboxGithub github(arguments());
  const Finished done = run(github);
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(outputs().at("state"), "success");
  EXPECT_EQ(outputs().at("results"),
            R"([{"name":"tests","state":"success","said":"success","url":""}])");
  // Checks and statuses twice, the second time by what is known already.
  ASSERT_EQ(github.requests().size(), 4U);
  EXPECT_EQ(github.requests()[2].find("status")->dump(), "304");
  EXPECT_EQ(github.requests()[3].find("status")->dump(), "304");
}

TEST_F(Wait, GoesOnWhileOneIsPendingOrAnotherComes) {
  set_checks({check("tests", "")});
  const SandboxGithub github(arguments());
  test::Process process(spec(github, {}));
  wait_for_polls(github, 1);
  set_checks({check("tests", "success")});
  wait_for_polls(github, 2);
  set_checks({check("tests", "success"), check("late", "")});
  wait_for_polls(github, 4);
  EXPECT_FALSE(process.wait(0ms));
  set_checks({check("tests", "success"), check("late", "skipped")});
  EXPECT_EQ(process.wait(30s), 0) << process.out();
}

TEST_F(Wait, FailsWithTheFirstThatDoes) {
  set_checks({check("tests", "timed_out"), check("slow", "")});
  const SandboxGithub github(arguments());
  const Finished done = run(github);
  EXPECT_EQ(done.code, 1) << done.out;
  EXPECT_NE(done.out.find("tests (timed_out)"), std::string::npos) << done.out;
  EXPECT_EQ(outputs().at("failed"), "tests");
  EXPECT_EQ(outputs().at("state"), "failure");
  EXPECT_NE(read("summary").find("| tests | failure |"), std::string::npos) << read("summary");
}

TEST_F(Wait, NothingIsNeverASuccess) {
  set_checks({check("own", "success", own_run)});
  const SandboxGithub github(arguments());
  const Finished done = run(github, {{"INPUT_WAIT_LIMIT", "3s"}});
  EXPECT_EQ(done.code, 6) << done.out;
  EXPECT_EQ(outputs().at("state"), "pending");
  EXPECT_NE(done.out.find("still waiting after 3s: 0 of 1 are there"), std::string::npos)
      << done.out;
}

TEST_F(Wait, NamesWhatIsAbsentOrPending) {
  set_checks({check("tests", "")});
  const SandboxGithub github(arguments());
  const Finished done = run(github, {{"INPUT_WAIT_LIMIT", "2s"}, {"INPUT_CHECKS", "tests\nlint"}});
  EXPECT_EQ(done.code, 6) << done.out;
  EXPECT_NE(done.out.find("tests (in_progress), lint (absent)"), std::string::npos) << done.out;
}

TEST_F(Wait, CountsStatusesToo) {
  set_checks({check("tests", "success")});
  const SandboxGithub github(arguments());
  ProcessSpec status = spec(github, {{"INPUT_STATE", "failure"},
                                     {"INPUT_CONTEXT", "deploy"},
                                     {"GITHUB_RUN_ID", "8"}});  // its own run's would not count
  status.argv = {PCA_COMMIT_STATUS, "status"};
  status.environment.erase("INPUT_INTERVAL");
  ASSERT_EQ(test::run_process(status, 60s).code, 0);
  EXPECT_EQ(run(github).code, 1);
  EXPECT_EQ(outputs().at("failed"), "deploy");
  EXPECT_EQ(run(github, {{"INPUT_IGNORE", "dep*"}}).code, 0);
}

TEST_F(Wait, OutlivesTroubleOfTheServer) {
  set_checks({check("tests", "success")});
  std::vector<std::string> with_fault = arguments();
  with_fault.insert(with_fault.end(), {"--fault", "502-twice"});
  const SandboxGithub github(with_fault);
  const Finished done = run(github, {{"INPUT_RETRIES", "0"}});
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_NE(done.out.find("asking goes on"), std::string::npos) << done.out;
}

TEST_F(Wait, ATokenThatMayNotReadIsTold) {
  set_checks({check("tests", "success")});
  std::vector<std::string> without = arguments();
  without.insert(without.end(), {"--checks", "none"});
  const SandboxGithub github(without);
  EXPECT_EQ(run(github).code, 5);
}

TEST_F(Wait, ACancelEndsItAtOnce) {
  set_checks({check("tests", "")});
  const SandboxGithub github(arguments());
  test::Process process(spec(github, {{"INPUT_INTERVAL", "60s"}}));
  wait_for_polls(github, 1);
  process.interrupt();
  EXPECT_EQ(process.wait(5s), 130) << process.out();
}

TEST_F(Wait, ReadsThePreviewOfCloudflaresBuild) {
  set_checks({cloudflare("success",
                         "Version ID: 12345678-0000-4000-8000-000000000000\n"
                         "Preview URL: https://12345678-shop.acme.workers.dev\n"),
              check("tests", "failure")});
  const SandboxGithub github(arguments());
  const Finished done = run(github, {{"INPUT_CLOUDFLARE", "true"}});
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_EQ(outputs().at("preview-url"), "https://12345678-shop.acme.workers.dev");
  EXPECT_EQ(outputs().at("version-id"), "12345678-0000-4000-8000-000000000000");
}

TEST_F(Wait, AForgedCheckIsNotCloudflares) {
  set_checks({check("Workers Builds: shop", "success")});
  const SandboxGithub github(arguments());
  const Finished done = run(github, {{"INPUT_CLOUDFLARE", "true"}, {"INPUT_WAIT_LIMIT", "2s"}});
  EXPECT_EQ(done.code, 6) << done.out;
}

// Among those that nobody looks at one may have failed.
TEST_F(Wait, MoreChecksThanAreLookedAtAreNoSuccess) {
  set_checks(Json::Array(1000, check("tests", "success")));
  const SandboxGithub github(arguments());
  const Finished done = run(github);
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE((done.out + done.err).find("the commit has 1000 check_runs or more"), std::string::npos)
      << done.err;
}

// A monorepo whose other Worker has nothing new: Cloudflare does not build it.
TEST_F(Wait, AWorkerThatIsNotBuiltIsSkippedAfterAWhile) {
  const std::string summary =
      "Build ID: [x](https://dash.cloudflare.com/x)\nPreview URL: "
      "https://11112222-shop.acme.workers.dev";
  Json built = cloudflare("success", summary);
  const std::string id = "0a1b2c3d-0000-4000-8000-1234567890ab";
  built.set("details_url", "https://dash.cloudflare.com/?to=/" + std::string(32, 'a') +
                               "/workers/services/view/shop/production/builds/" + id);
  set_checks({built});
  const SandboxGithub github(arguments());
  const Finished done =
      run(github, {{"INPUT_CLOUDFLARE", "true"},
                   {"INPUT_GRACE", "1s"},
                   {"INPUT_CHECKS", "Workers Builds: shop\nWorkers Builds: other"}});
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(outputs().at("state"), "success");
  EXPECT_EQ(outputs().at("deployment-id"), id);
  EXPECT_NE(outputs().at("details-url").find(id), std::string::npos);
  EXPECT_NE(outputs().at("results").find(
                R"({"name":"Workers Builds: other","state":"skipped","said":"","url":""})"),
            std::string::npos)
      << outputs().at("results");
  EXPECT_NE(
      outputs().at("results").find(R"("preview-url":"https://11112222-shop.acme.workers.dev")"),
      std::string::npos)
      << outputs().at("results");
}

TEST_F(Wait, AWorkerThatIsMissingIsWaitedForUntilThen) {
  set_checks({cloudflare("success")});
  const SandboxGithub github(arguments());
  const Finished done =
      run(github, {{"INPUT_CLOUDFLARE", "true"},
                   {"INPUT_GRACE", "1h"},
                   {"INPUT_WAIT_LIMIT", "3s"},
                   {"INPUT_CHECKS", "Workers Builds: shop\nWorkers Builds: other"}});
  EXPECT_EQ(done.code, 6) << done.out << done.err;
  EXPECT_NE((done.out + done.err).find("Workers Builds: other (absent)"), std::string::npos)
      << done.err;
}

// Nothing is asked before it ends, and what ends later than the wait is said at once.
TEST_F(Wait, ARateLimitIsRespected) {
  set_checks({check("tests", "success")});
  std::vector<std::string> limited = arguments();
  limited.insert(limited.end(), {"--fault", "rate-limit:9000"});
  const SandboxGithub github(limited);
  const Finished done = run(github, {{"INPUT_WAIT_LIMIT", "1h"}});
  EXPECT_EQ(done.code, 6) << done.out << done.err;
  EXPECT_NE((done.out + done.err).find("met a rate limit"), std::string::npos) << done.err;
  EXPECT_EQ(github.requests().size(), 1U);
}

TEST_F(Wait, NoCheckOfCloudflareIsASkipAfterAWhile) {
  set_checks({check("tests", "failure")});
  const SandboxGithub github(arguments());
  const Finished done = run(github, {{"INPUT_CLOUDFLARE", "true"}, {"INPUT_GRACE", "1s"}});
  EXPECT_EQ(done.code, 0) << done.out;
  EXPECT_EQ(outputs().at("state"), "skipped");
}

}  // namespace
}  // namespace pca::testing
