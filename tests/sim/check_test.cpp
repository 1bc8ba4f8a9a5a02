// The real commit-status and the check runs of the sandbox's GitHub.
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>

#include "base/text.hpp"
#include "support/github.hpp"

namespace pca::testing {
namespace {

using namespace std::chrono_literals;
using test::ProcessEnvironment;
using test::ProcessSpec;

class Checks : public StepOnGithub {
 protected:
  ProcessSpec spec(const SandboxGithub& github, const ProcessEnvironment& inputs) {
    ProcessEnvironment all{
        {"GITHUB_WORKFLOW", "Deploy"}, {"GITHUB_JOB", "lint"}, {"INPUT_STATE", "success"}};
    for (const auto& [name, value] : inputs) all[name] = value;
    return step_spec(github, {PCA_COMMIT_STATUS, "check"}, all);
  }
  Step run(const SandboxGithub& github, const ProcessEnvironment& inputs) {
    return run_step(spec(github, inputs));
  }

  std::string annotations_file(int count) {
    std::string lines;
    for (int i = 1; i <= count; ++i) {
      lines += R"({"path": "a.sh", "start_line": )" + std::to_string(i) +
               R"(, "annotation_level": "warning", "message": "Quote this."})" + "\n";
    }
    return folder_.write("annotations.jsonl", lines);
  }
};

// "POST check-runs", "PATCH check-runs/1001", ...: what was written.
std::string writes(const SandboxGithub& github) {
  std::vector<std::string> all;
  for (const Json& request : github.requests()) {
    const std::string method = request.text_of("method");
    if (method == "GET") continue;
    all.push_back(method + " " +
                  request.text_of("target").substr(std::string("/repos/acme/shop/").size()));
  }
  return join(all, ", ");
}
Json last_body(const SandboxGithub& github) { return *github.requests().back().find("body"); }
std::size_t annotations_in(const Json& request) {
  const Json* body = request.find("body");
  const Json* output = body == nullptr ? nullptr : body->find("output");
  const Json* annotations = output == nullptr ? nullptr : output->find("annotations");
  return annotations == nullptr ? 0 : annotations->as_array()->size();
}

TEST_F(Checks, OneIsMadeAndThenChanged) {
  const SandboxGithub github({}, {{"INPUT_TOKEN", SandboxGithub::token}});
  const Step begun = run(github, {{"INPUT_STATE", "pending"}});
  EXPECT_EQ(begun.done.code, 0) << begun.done.out << begun.done.err;
  EXPECT_EQ(begun.outputs.at("check-id"), "1001");
  EXPECT_EQ(begun.outputs.at("created"), "true");
  EXPECT_EQ(begun.outputs.at("state"), "in_progress");
  EXPECT_EQ(begun.outputs.at("name"), "Deploy / lint");
  EXPECT_EQ(last_body(github).text_of("head_sha"), commit);
  EXPECT_EQ(last_body(github).text_of("external_id"), "7/lint");
  EXPECT_EQ(last_body(github).text_of("details_url"),
            "https://github.com/acme/shop/actions/runs/7");
  const Step ended = run(github, {{"INPUT_STATE", "failure"},
                                  {"INPUT_TITLE", "3 findings"},
                                  {"INPUT_CHECK_SUMMARY", "# Findings\n\n* one\n"},
                                  {"INPUT_CHECK_TEXT", "More."}});
  EXPECT_EQ(ended.done.code, 0) << ended.done.out;
  EXPECT_EQ(ended.outputs.at("check-id"), "1001");
  EXPECT_EQ(ended.outputs.at("created"), "false");
  EXPECT_EQ(ended.outputs.at("check-url"), "https://github.com/acme/shop/runs/1001");
  EXPECT_EQ(writes(github), "POST check-runs, PATCH check-runs/1001");
  EXPECT_EQ(last_body(github).text_of("conclusion"), "failure");
  EXPECT_EQ(last_body(github).find("output")->text_of("summary"), "# Findings\n\n* one\n");
  EXPECT_EQ(last_body(github).find("output")->text_of("text"), "More.");
  EXPECT_NE(ended.summary.find("| Deploy / lint | failure | 3 findings | 0 |"), std::string::npos)
      << ended.summary;
}

TEST_F(Checks, OfAnotherJobRunOrNameIsAnother) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, {}).outputs.at("check-id"), "1001");
  EXPECT_EQ(run(github, {{"GITHUB_JOB", "test"}}).outputs.at("check-id"), "1002");
  EXPECT_EQ(run(github, {{"GITHUB_RUN_ID", "8"}}).outputs.at("check-id"), "1003");
  EXPECT_EQ(run(github, {{"INPUT_NAME", "mine"}}).outputs.at("check-id"), "1004");
  EXPECT_EQ(run(github, {{"INPUT_EXTERNAL_ID", "mine"}}).outputs.at("check-id"), "1005");
  EXPECT_EQ(run(github, {{"GITHUB_RUN_ATTEMPT", "2"}}).outputs.at("check-id"), "1001");
}

TEST_F(Checks, OneIsChangedByItsId) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, {{"INPUT_STATE", "queued"}}).done.code, 0);
  const Step step = run(github, {{"INPUT_CHECK_ID", "1001"},
                                 {"INPUT_CONCLUSION", "neutral"},
                                 {"GITHUB_EVENT_NAME", "issue_comment"}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("sha"), commit);
  EXPECT_EQ(last_body(github).text_of("conclusion"), "neutral");
  EXPECT_EQ(last_body(github).find("head_sha"), nullptr);
  EXPECT_EQ(run(github, {{"INPUT_CHECK_ID", "9"}}).done.code, 5);
}

TEST_F(Checks, AnnotationsComeFiftyAtATime) {
  const SandboxGithub github;
  const Step step = run(github, {{"INPUT_ANNOTATIONS_FILE", annotations_file(120)}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("annotations"), "120");
  EXPECT_EQ(writes(github), "POST check-runs, PATCH check-runs/1001, PATCH check-runs/1001");
  const std::vector<Json> requests = github.requests();
  EXPECT_EQ(annotations_in(requests[1]), 50U);
  EXPECT_EQ(annotations_in(requests[2]), 50U);
  EXPECT_EQ(annotations_in(requests[3]), 20U);
}

TEST_F(Checks, AnAnswerThatWasLostMakesNoneTwice) {
  for (const char* fault : {"lost-answer:1", "lost-answer:2"}) {
    const SandboxGithub github({"--fault", fault});
    const Step step = run(github, {{"INPUT_ANNOTATIONS_FILE", annotations_file(60)}});
    EXPECT_EQ(step.done.code, 0) << step.done.out;
    std::size_t all = 0;
    for (const Json& request : github.requests()) all += annotations_in(request);
    EXPECT_EQ(all, 60U) << fault;
    EXPECT_EQ(step.outputs.at("check-id"), "1001");
  }
}

TEST_F(Checks, WhatIsNoAnnotationIsLeftOutWithAWarning) {
  const SandboxGithub github;
  const std::string file =
      folder_.write("mixed.json", R"([{"path": "a", "start_line": 1, "annotation_level": "notice",
                         "message": "m"}, {"path": "b"}])");
  const Step step = run(github, {{"INPUT_ANNOTATIONS_FILE", file}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("annotations"), "1");
  EXPECT_NE(step.done.out.find("1 of 2 are left out, because they are no annotations: entry 2"),
            std::string::npos)
      << step.done.out;
}

TEST_F(Checks, ALongSummaryIsCut) {
  const SandboxGithub github;
  std::string text;
  while (text.size() < 70'000) text += "a line\n";
  const std::string file = folder_.write("summary.md", text);
  EXPECT_EQ(run(github, {{"INPUT_CHECK_SUMMARY_FILE", file}, {"INPUT_CHECK_TEXT", text}}).done.code,
            0);
  for (const char* key : {"summary", "text"}) {
    EXPECT_LE(last_body(github).find("output")->text_of(key).size(), 65'535U) << key;
  }
}

TEST_F(Checks, ATokenThatMayNotIsToldWhatToAdd) {
  const SandboxGithub github({"--checks", "read"});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_NE(step.done.out.find("permissions: {checks: write}"), std::string::npos) << step.done.out;
  EXPECT_EQ(run(github, {{"INPUT_ON_ERROR", "warn"}}).done.code, 0);
  const Step dependabot = run(github, {{"GITHUB_ACTOR", "dependabot[bot]"}});
  EXPECT_EQ(dependabot.done.code, 0) << dependabot.done.out;
  EXPECT_EQ(dependabot.outputs.at("skipped"), "true");
  EXPECT_EQ(dependabot.outputs.at("check-id"), "");
}

TEST_F(Checks, APersonsTokenIsToldThatOnlyAppsWriteThem) {
  const SandboxGithub github({"--fault", "personal-token"});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_NE(step.done.out.find("Only apps write check runs"), std::string::npos) << step.done.out;
}

TEST_F(Checks, ALostCommitIsTold) {
  const SandboxGithub github({"--commit", std::string(40, 'f')});
  const Step step = run(github, {});
  EXPECT_EQ(step.done.code, 1) << step.done.out;
  EXPECT_NE(step.done.out.find("No commit found for SHA"), std::string::npos) << step.done.out;
}

TEST_F(Checks, ACancelStillTellsTheEnd) {
  const SandboxGithub github({"--fault", "slow-answer:1s"});
  test::Process process(spec(github, {}));
  // The search takes a second, then the check is made, which takes another.
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (github.requests().empty() && std::chrono::steady_clock::now() < end) {
    ::poll(nullptr, 0, 5);
  }
  ::poll(nullptr, 0, 300);
  process.interrupt();
  EXPECT_TRUE(process.wait(10s)) << process.out();
  EXPECT_TRUE(writes(github).starts_with("POST check-runs")) << writes(github);
  const Step again = run(github, {});
  EXPECT_EQ(again.outputs.at("check-id"), "1001");
  EXPECT_EQ(again.outputs.at("created"), "false");
}

TEST_F(Checks, AGateSeesThem) {
  const SandboxGithub github;
  EXPECT_EQ(run(github, {{"INPUT_STATE", "failure"}, {"INPUT_TARGET_URL", "https://example.com"}})
                .done.code,
            0);
  const Step gate = run_step(step_spec(github, {PCA_COMMIT_STATUS, "wait"}, {}));
  EXPECT_EQ(gate.done.code, 1) << gate.done.out;
  EXPECT_EQ(gate.outputs.at("failed"), "Deploy / lint");
}

}  // namespace
}  // namespace pca::testing
