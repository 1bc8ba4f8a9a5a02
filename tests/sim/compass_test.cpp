// The real commit-status and the sandbox's Compass, and what that Compass itself says.
#include "support/compass.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <span>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "sandbox/compass_state.hpp"
#include "support/github.hpp"

namespace pca::testing {
namespace {

using namespace std::chrono_literals;
using test::ProcessEnvironment;
using test::ProcessSpec;

const std::string cloud = "2d492f5d-068a-4e9c-a9d3-3618589b56c1";
const std::string ari = "ari:cloud:compass:" + cloud + ":component/b11fd1ac/c27f43a0";
const std::string other_ari = "ari:cloud:compass:" + cloud + ":component/b11fd1ac/d38054b1";

class CompassEvents : public StepOnGithub {
 protected:
  // A step of a workflow on a push, which deploys to production.
  ProcessSpec spec(const SandboxCompass& compass, const ProcessEnvironment& inputs) {
    ProcessEnvironment all{{"GITHUB_WORKFLOW", "Deploy"},
                           {"GITHUB_REF_NAME", "main"},
                           {"GITHUB_RUN_ATTEMPT", "2"},
                           {"INPUT_STATE", "in_progress"},
                           {"INPUT_COMPASS_URL", compass.url()},
                           {"INPUT_COMPASS_CA", compass.ca_file()},
                           {"INPUT_COMPASS_USER", SandboxCompass::user},
                           {"INPUT_COMPASS_TOKEN", SandboxCompass::token}};
    if (!inputs.contains("INPUT_COMPASS_FILE")) all["INPUT_COMPONENT"] = ari;
    for (const auto& [name, value] : inputs) all[name] = value;
    return step_spec(github_, {PCA_COMMIT_STATUS, "compass"}, all);
  }

  Step run(const SandboxCompass& compass, const ProcessEnvironment& inputs) {
    Step step = run_step(spec(compass, inputs));
    const std::string pair = std::string(SandboxCompass::user) + ":" + SandboxCompass::token;
    const std::string encoded =
        base64_encode(std::span(reinterpret_cast<const std::uint8_t*>(pair.data()), pair.size()));
    for (const std::string& shown : {step.done.err, read("outputs"), step.summary}) {
      EXPECT_EQ(shown.find(SandboxCompass::token), std::string::npos) << shown;
      EXPECT_EQ(shown.find(encoded), std::string::npos) << shown;
    }
    for (const std::string& line : split_lines(step.done.out)) {
      if (line.starts_with("::add-mask::")) continue;
      EXPECT_EQ(line.find(SandboxCompass::token), std::string::npos) << line;
      EXPECT_EQ(line.find(encoded), std::string::npos) << line;
    }
    return step;
  }

  SandboxGithub github_;
};

Json said_in(const Json& request) {
  const Json* event = request.find("body")->find("event");
  if (event == nullptr || event->as_object() == nullptr) return {};
  return event->as_object()->front().second;
}
Json properties_in(const Json& request) {
  const Json said = said_in(request);
  const Json* properties = said.find("deploymentProperties");
  if (properties == nullptr) properties = said.find("buildProperties");
  return properties == nullptr ? Json() : *properties;
}
std::int64_t update_of(const Json& request) {
  return *said_in(request).find("updateSequenceNumber")->as_int();
}
// "202 true", "202 false", "429": how each request was answered, and whether its report counts.
std::string course(const SandboxCompass& compass) {
  std::vector<std::string> all;
  for (const Json& request : compass.requests()) {
    std::string line = std::to_string(*request.find("status")->as_int());
    if (const Json* note = request.find("note"); note != nullptr) {
      line += *note->find("kept")->as_bool() ? " true" : " false";
    }
    all.push_back(line);
  }
  return join(all, ", ");
}

TEST_F(CompassEvents, ADeployIsOneEventFromItsStartToItsEnd) {
  const SandboxCompass compass(
      {"--cloud-id", cloud, "--component", ari, "--user", SandboxCompass::user},
      {{"INPUT_TOKEN", SandboxCompass::token}});
  const Step start = run(compass, {});
  EXPECT_EQ(start.done.code, 0) << start.done.out << start.done.err;
  EXPECT_EQ(start.outputs.at("state"), "IN_PROGRESS");
  EXPECT_EQ(start.outputs.at("sent"), "true");
  EXPECT_EQ(start.outputs.at("via"), "rest");
  EXPECT_EQ(start.outputs.at("components"), ari);
  EXPECT_EQ(start.outputs.at("number"), "7002");
  EXPECT_EQ(start.outputs.at("ended-at"), "");
  const std::string began = start.outputs.at("started-at");
  const Step end = run(compass, {{"INPUT_STATE", "success"}, {"INPUT_STARTED_AT", began}});
  EXPECT_EQ(end.done.code, 0) << end.done.out;
  ASSERT_EQ(course(compass), "202 true, 202 true");
  const Json last = compass.requests().back();
  EXPECT_EQ(last.find("body")->text_of("cloudId"), cloud);
  EXPECT_EQ(last.find("body")->text_of("componentId"), ari);
  EXPECT_GT(update_of(last), update_of(compass.requests().front()));
  EXPECT_EQ(said_in(last).text_of("displayName"), "Deploy to production");
  EXPECT_EQ(said_in(last).text_of("description"), "aaaaaaaaaa on main of acme/shop");
  EXPECT_EQ(said_in(last).text_of("url"), "https://github.com/acme/shop/actions/runs/7/attempts/2");
  const Json properties = properties_in(last);
  EXPECT_EQ(properties.text_of("state"), "SUCCESSFUL");
  EXPECT_EQ(properties.text_of("startedAt"), began);
  EXPECT_EQ(properties.text_of("completedAt"), end.outputs.at("ended-at"));
  EXPECT_GE(*parse_utc(end.outputs.at("ended-at")), *parse_utc(began));
  EXPECT_EQ(properties.find("environment")->text_of("category"), "PRODUCTION");
  EXPECT_EQ(properties.find("pipeline")->text_of("displayName"), "Deploy");
}

TEST_F(CompassEvents, AnOutcomeOfADeployIsAState) {
  const SandboxCompass compass;
  for (const auto& [word, state] :
       {std::pair("failure", "FAILED"), std::pair("rolled-back", "ROLLED_BACK"),
        std::pair("cancelled", "CANCELLED"), std::pair("deployed", "SUCCESSFUL")}) {
    const Step step = run(compass, {{"INPUT_STATE", word}, {"INPUT_VIA", "rest"}});
    EXPECT_EQ(step.done.code, 0) << step.done.out;
    EXPECT_EQ(properties_in(compass.requests().back()).text_of("state"), state);
    EXPECT_NE(step.done.out.find("started-at is not given"), std::string::npos);
  }
}

TEST_F(CompassEvents, ABuildNeedsNoEnvironmentAndNoGitHub) {
  const SandboxCompass compass;
  const Step start = run(compass, {{"INPUT_EVENT", "build"}});
  EXPECT_EQ(start.done.code, 0) << start.done.out;
  const Step end = run(compass, {{"INPUT_EVENT", "build"},
                                 {"INPUT_STATE", "failure"},
                                 {"INPUT_STARTED_AT", start.outputs.at("started-at")}});
  EXPECT_EQ(end.done.code, 0) << end.done.out;
  EXPECT_EQ(course(compass), "202 true, 202 true");
  const Json properties = properties_in(compass.requests().back());
  EXPECT_EQ(properties.text_of("state"), "FAILED");
  EXPECT_EQ(properties.find("environment"), nullptr);
  EXPECT_TRUE(github_.requests().empty());
}

TEST_F(CompassEvents, WhatGitHubsDeploymentsTellIsNotToldTwice) {
  const SandboxCompass compass;
  ProcessSpec start =
      step_spec(github_, {PCA_COMMIT_STATUS, "deployment", "start"}, {{"GITHUB_JOB", "deploy"}});
  EXPECT_EQ(run_step(start).done.code, 0);
  const Step step = run(compass, {});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("via"), "github");
  EXPECT_EQ(step.outputs.at("sent"), "false");
  EXPECT_TRUE(compass.requests().empty());
  // Another environment has its own way.
  EXPECT_EQ(run(compass, {{"INPUT_ENVIRONMENT", "staging"}}).outputs.at("via"), "rest");
  EXPECT_EQ(run(compass, {{"INPUT_VIA", "github"}}).outputs.at("sent"), "false");
  EXPECT_EQ(compass.requests().size(), 1U);
}

TEST_F(CompassEvents, WhereGitHubDoesNotAnswerNothingIsSent) {
  const SandboxCompass compass;
  const SandboxGithub closed({"--deployments", "none"});
  const Step step =
      run(compass, {{"GITHUB_API_URL", closed.url()}, {"INPUT_API_CA", closed.ca_file()}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("via"), "auto");
  EXPECT_EQ(step.outputs.at("sent"), "false");
  EXPECT_NE(step.done.out.find("::warning::Compass was not told"), std::string::npos)
      << step.done.out;
  EXPECT_TRUE(compass.requests().empty());
}

TEST_F(CompassEvents, TheComponentIsThatOfCompassYml) {
  const SandboxCompass compass;
  const std::string file =
      folder_.write("compass.yml", "configVersion: 1\nname: shop\nid: '" + other_ari + "'\n");
  EXPECT_EQ(run(compass, {{"INPUT_COMPASS_FILE", file}}).done.code, 0);
  ProcessSpec in_folder = spec(compass, {{"INPUT_COMPONENT", ""}});
  in_folder.folder = folder_.path();
  EXPECT_EQ(run_step(in_folder).done.code, 0);
  for (const Json& request : compass.requests()) {
    EXPECT_EQ(request.find("body")->text_of("componentId"), other_ari);
  }
  EXPECT_EQ(compass.requests().size(), 2U);
}

TEST_F(CompassEvents, SeveralComponentsAreToldOneByOneAndOneThatIsUnknownKeepsNoneFromIt) {
  const SandboxCompass compass({"--component", other_ari});
  const auto start = std::chrono::steady_clock::now();
  const Step step = run(compass, {{"INPUT_COMPONENT", ari + "\n" + other_ari}});
  EXPECT_GE(std::chrono::steady_clock::now() - start, 650ms);  // 100 a minute
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(course(compass), "404, 202 true");
  EXPECT_EQ(step.outputs.at("components"), other_ari);
  EXPECT_NE(step.done.out.find("404 Component not found"), std::string::npos) << step.done.out;
  EXPECT_NE(step.summary.find("| not told |"), std::string::npos) << step.summary;
  const std::vector<Json> requests = compass.requests();
  EXPECT_NE(said_in(requests[0]).text_of("externalEventSourceId"),
            said_in(requests[1]).text_of("externalEventSourceId"));
}

TEST_F(CompassEvents, ASourceOfOnesOwnNeedsNoComponent) {
  const SandboxCompass compass;
  const Step step = run(
      compass, {{"INPUT_COMPONENT", ""}, {"INPUT_SOURCE", "edge-shop"}, {"INPUT_CLOUD_ID", cloud}});
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  const Json body = *compass.requests().back().find("body");
  EXPECT_EQ(body.find("componentId"), nullptr);
  EXPECT_EQ(said_in(compass.requests().back()).text_of("externalEventSourceId"), "edge-shop");
}

TEST_F(CompassEvents, AFailureOnlyWarnsUnlessStrict) {
  const SandboxCompass wrong({}, {{"INPUT_TOKEN", "another"}});
  const Step warned = run(wrong, {});
  EXPECT_EQ(warned.done.code, 0) << warned.done.out;
  EXPECT_NE(warned.done.out.find("::warning::Compass was not told"), std::string::npos);
  EXPECT_NE(warned.done.out.find("Check compass-user and compass-token"), std::string::npos);
  EXPECT_EQ(run(wrong, {{"INPUT_STRICT", "true"}}).done.code, 5);
  EXPECT_EQ(course(wrong), "401, 401");
  const SandboxCompass unknown({"--component", other_ari});
  EXPECT_EQ(run(unknown, {{"INPUT_STRICT", "true"}}).done.code, 1);
  const SandboxCompass down({"--fault", "500-always"});
  EXPECT_EQ(run(down, {{"INPUT_STRICT", "true"}, {"INPUT_RETRIES", "0"}}).done.code, 6);
  const SandboxCompass page({"--fault", "no-json"});
  EXPECT_EQ(run(page, {{"INPUT_STRICT", "true"}}).done.code, 1);
}

TEST_F(CompassEvents, WhatPassesIsSentAgainAsTheSameReport) {
  for (const char* fault : {"500-twice", "502-twice", "reset-twice"}) {
    const SandboxCompass compass({"--fault", fault});
    const Step step = run(compass, {{"INPUT_STRICT", "true"}});
    EXPECT_EQ(step.done.code, 0) << fault << step.done.out;
    EXPECT_EQ(compass.requests().back().find("note")->dump(), R"({"kept":true})");
    EXPECT_EQ(update_of(compass.requests().front()), update_of(compass.requests().back()));
  }
}

TEST_F(CompassEvents, AnAnswerThatWasLostMakesNoSecondEvent) {
  const SandboxCompass compass({"--fault", "lost-answer"});
  EXPECT_EQ(run(compass, {}).done.code, 0);
  EXPECT_EQ(course(compass), "0 true, 202 false");
}

TEST_F(CompassEvents, ARateLimitIsWaitedForAsLongAsCompassSays) {
  const SandboxCompass compass({"--fault", "429:2"});
  const auto start = std::chrono::steady_clock::now();
  const Step step = run(compass, {});
  EXPECT_GE(std::chrono::steady_clock::now() - start, 2s);
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(course(compass), "429, 202 true");
  const SandboxCompass long_limit({"--fault", "429:600"});
  const Step given_up = run(long_limit, {});
  EXPECT_EQ(given_up.done.code, 0);
  EXPECT_NE(given_up.done.out.find("It ends in 10m."), std::string::npos) << given_up.done.out;
}

TEST_F(CompassEvents, ASlowCompassHoldsNoDeployForLong) {
  const SandboxCompass compass({"--fault", "slow-answer:20s"});
  const auto start = std::chrono::steady_clock::now();
  const Step step = run(compass, {{"INPUT_TIMEOUT", "1s"}, {"INPUT_RETRIES", "0"}});
  EXPECT_LT(std::chrono::steady_clock::now() - start, 15s);
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("sent"), "false");
}

TEST_F(CompassEvents, ARunWithoutSecretsIsSkipped) {
  const SandboxCompass compass;
  const ProcessEnvironment no_secret{{"INPUT_COMPASS_TOKEN", ""}, {"INPUT_COMPASS_USER", ""}};
  ProcessEnvironment dependabot = no_secret;
  dependabot["GITHUB_ACTOR"] = "dependabot[bot]";
  const Step step = run(compass, dependabot);
  EXPECT_EQ(step.done.code, 0) << step.done.out;
  EXPECT_EQ(step.outputs.at("skipped"), "true");
  EXPECT_EQ(run(compass, no_secret).done.code, 2);
  EXPECT_TRUE(compass.requests().empty());
}

TEST_F(CompassEvents, ItsServersCertificateIsVerified) {
  const SandboxCompass compass;
  const SandboxCompass other;
  const Step step = run(compass, {{"INPUT_COMPASS_CA", other.ca_file()}, {"INPUT_STRICT", "true"}});
  EXPECT_EQ(step.done.code, 5) << step.done.out;
  EXPECT_TRUE(compass.requests().empty());
}

TEST_F(CompassEvents, ACancelEndsIt) {
  const SandboxCompass compass({"--fault", "slow-answer:20s"});
  test::Process process(spec(compass, {{"INPUT_VIA", "rest"}}));
  ::poll(nullptr, 0, 500);
  process.interrupt();
  EXPECT_EQ(process.wait(5s), 130) << process.out();
}

class CompassOfTheSandbox : public ::testing::Test {
 protected:
  static Json deployment(std::int64_t update) {
    return *parse_json(
        R"({"cloudId": "c", "event": {"deployment": {"displayName": "d", "description": "d",
            "url": "https://example.com", "lastUpdated": "2026-01-31T12:00:00Z",
            "updateSequenceNumber": )" +
        std::to_string(update) +
        R"(, "externalEventSourceId": "s", "deploymentProperties": {"sequenceNumber": 1,
            "state": "SUCCESSFUL", "pipeline": {"pipelineId": "1", "url": "u", "displayName": "p"},
            "environment": {"environmentId": "e", "displayName": "e", "category": "STAGING"}}}}})");
  }

  sandbox::Api::Said post(sandbox::CompassState& state, const Json& body, std::int64_t now = 0) {
    const sandbox::RequestHead request{
        "POST",
        "/gateway/api/compass/v1/events",
        11,
        {{"Authorization", "Basic Y2k6eA=="}, {"Content-Type", "application/json"}}};
    return state.answer(request, body.dump(), now);
  }
};

TEST_F(CompassOfTheSandbox, KeepsTheLatestReportOfADeploy) {
  sandbox::CompassState state({});
  EXPECT_EQ(post(state, deployment(5)).note.dump(), R"({"kept":true})");
  EXPECT_EQ(*post(state, deployment(5)).note.find("kept")->as_bool(), false);
  EXPECT_EQ(*post(state, deployment(4)).note.find("kept")->as_bool(), false);
  EXPECT_EQ(*post(state, deployment(6)).note.find("kept")->as_bool(), true);
  ASSERT_EQ(state.events().size(), 1U);
  EXPECT_EQ(*state.events()[0].find("deployment")->find("updateSequenceNumber")->as_int(), 6);
}

TEST_F(CompassOfTheSandbox, RefusesWhatIsNoEvent) {
  sandbox::CompassState state({});
  Json body = deployment(1);
  EXPECT_EQ(post(state, Json::object()).answer.status, 400);
  EXPECT_EQ(post(state, Json(body).set("event", Json::object())).answer.status, 400);
  EXPECT_EQ(post(state, Json(body).set("cloudId", Json())).answer.status, 400);
  for (const auto& [from, to] :
       {std::pair("SUCCESSFUL", "DONE"), std::pair("STAGING", "STAGE"),
        std::pair("2026-01-31T12:00:00Z", "yesterday"), std::pair("\"e\"", "\"\""),
        std::pair("\"sequenceNumber\":1", "\"sequenceNumber\":\"1\""),
        std::pair("\"displayName\":\"d\"", "\"displayName\":null")}) {
    std::string text = body.dump();
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, std::string_view(from).size(), to);
    EXPECT_EQ(post(state, *parse_json(text)).answer.status, 400) << text;
  }
  EXPECT_EQ(post(state, body).answer.status, 202);
}

TEST_F(CompassOfTheSandbox, TakesOnlySoManyRequestsAMinute) {
  sandbox::CompassState state({.per_minute = 2});
  EXPECT_EQ(post(state, deployment(1), 100).answer.status, 202);
  EXPECT_EQ(post(state, deployment(2), 130).answer.status, 202);
  const sandbox::Answer refused = post(state, deployment(3), 150).answer;
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.back(), (std::pair<std::string, std::string>("Retry-After", "10")));
  EXPECT_EQ(post(state, deployment(4), 160).answer.status, 202);
}

}  // namespace
}  // namespace pca::testing
