#include "commit-status/compass.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "commit-status/compass_api.hpp"

namespace pca::commit_status {
namespace {

using namespace std::chrono_literals;

const std::string cloud = "2d492f5d-068a-4e9c-a9d3-3618589b56c1";
const std::string ari = "ari:cloud:compass:" + cloud + ":component/b11fd1ac-032a/c27f43a0-f394";

CompassEvent deploy() {
  CompassEvent event;
  event.state = "SUCCESSFUL";
  event.display_name = "Deploy to production";
  event.description = "A \"quoted\" word";
  event.url = "https://github.com/acme/shop/actions/runs/7";
  event.pipeline = "Deploy";
  event.environment = "production";
  event.category = "PRODUCTION";
  event.number = 7001;
  event.reported = UtcTime(1'769'860'830'500ms);
  event.began = UtcTime(1'769'860'800'000ms);
  event.ended = UtcTime(1'769'860'830'500ms);
  return event;
}

TEST(CompassEvents, OfADeploymentHaveAllThatCompassWants) {
  EXPECT_EQ(
      to_json(deploy(), {.cloud_id = cloud, .component = ari, .source = "commit-status/x"}).dump(),
      R"({"cloudId":")" + cloud + R"(","componentId":")" + ari +
          R"(","event":{"deployment":{"displayName":"Deploy to production",)"
          R"("description":"A \"quoted\" word",)"
          R"("url":"https://github.com/acme/shop/actions/runs/7",)"
          R"("lastUpdated":"2026-01-31T12:00:30.500Z","updateSequenceNumber":1769860830500,)"
          R"("externalEventSourceId":"commit-status/x","deploymentProperties":{)"
          R"("sequenceNumber":7001,"state":"SUCCESSFUL","startedAt":"2026-01-31T12:00:00Z",)"
          R"("completedAt":"2026-01-31T12:00:30.500Z","pipeline":{"pipelineId":"7001",)"
          R"("url":"https://github.com/acme/shop/actions/runs/7","displayName":"Deploy"},)"
          R"("environment":{"environmentId":"production","displayName":"production",)"
          R"("category":"PRODUCTION"}}}}})");
}

TEST(CompassEvents, OfABuildHaveNoEnvironment) {
  CompassEvent build = deploy();
  build.kind = CompassKind::build;
  const Json body = to_json(build, {.cloud_id = cloud, .source = "s"});
  EXPECT_EQ(body.find("componentId"), nullptr);
  const Json* said = body.find("event")->find("build");
  ASSERT_NE(said, nullptr);
  EXPECT_EQ(said->find("buildProperties")->dump(),
            R"({"state":"SUCCESSFUL","startedAt":"2026-01-31T12:00:00Z",)"
            R"("completedAt":"2026-01-31T12:00:30.500Z","pipeline":{"pipelineId":"7001",)"
            R"("url":"https://github.com/acme/shop/actions/runs/7","displayName":"Deploy"}})");
}

TEST(CompassEvents, AnEndIsReportedLaterThanItsStartWhateverTheClocksSay) {
  CompassEvent event = deploy();
  EXPECT_EQ(report_number(event), 1'769'860'830'500);
  event.reported = UtcTime(1'769'860'799'000ms);  // of a machine whose clock is behind
  EXPECT_EQ(report_number(event), 1'769'860'800'001);
  event.state = "IN_PROGRESS";
  EXPECT_EQ(report_number(event), 1'769'860'799'000);
  event.state = "FAILED";
  event.began.reset();
  EXPECT_EQ(report_number(event), 1'769'860'799'000);
}

TEST(CompassEvents, NumbersRiseWithRunsAndAttempts) {
  EXPECT_EQ(number_of_run("7", ""), 7001);
  EXPECT_EQ(number_of_run("7", "2"), 7002);
  EXPECT_EQ(number_of_run("7", "5000"), 7999);
  EXPECT_EQ(number_of_run("8", "1"), 8001);
  EXPECT_LE(number_of_run("9007199254739", "999").value_or(greatest_number), greatest_number);
  for (const char* run : {"", "x", "-1", "0", "99999999999999999999", "9007199254740"}) {
    EXPECT_EQ(number_of_run(run, "1"), std::nullopt) << run;
  }
  EXPECT_EQ(number_of_run("7", "x"), std::nullopt);
}

TEST(CompassStates, AreThoseThatTheKindHas) {
  using enum CompassKind;
  for (const auto& [word, state] :
       {std::pair("pending", "PENDING"), std::pair("in_progress", "IN_PROGRESS"),
        std::pair("success", "SUCCESSFUL"), std::pair("unchanged", "SUCCESSFUL"),
        std::pair("failed", "FAILED"), std::pair("held", "CANCELLED"),
        std::pair("rolled-back", "ROLLED_BACK"), std::pair("unknown", "UNKNOWN")}) {
    EXPECT_EQ(compass_state(deployment, word).value_or(""), state) << word;
  }
  for (const auto& [word, state] :
       {std::pair("error", "ERROR"), std::pair("timed_out", "TIMED_OUT"),
        std::pair("failure", "FAILED"), std::pair("cancelled", "CANCELLED")}) {
    EXPECT_EQ(compass_state(build, word).value_or(""), state) << word;
  }
  for (const char* word : {"error", "timed_out", "SUCCESSFUL", "", "planned"}) {
    EXPECT_FALSE(compass_state(deployment, word)) << word;
  }
  for (const char* word : {"pending", "rolled-back", "deployed", ""}) {
    EXPECT_FALSE(compass_state(build, word)) << word;
  }
  EXPECT_FALSE(is_end("PENDING"));
  EXPECT_FALSE(is_end("IN_PROGRESS"));
  EXPECT_TRUE(is_end("ROLLED_BACK"));
}

TEST(CompassCategories, GoByTheEnvironmentsName) {
  for (const auto& [name, category] :
       {std::pair("production", "PRODUCTION"), std::pair("Prod", "PRODUCTION"),
        std::pair("staging", "STAGING"), std::pair("dev", "DEVELOPMENT"),
        std::pair("preview", "TESTING"), std::pair("preview/feature-1a2b3c4d", "TESTING"),
        std::pair("production/eu", "PRODUCTION"), std::pair("reproduction", "UNMAPPED"),
        std::pair("", "UNMAPPED")}) {
    EXPECT_EQ(category_of(name), category) << name;
  }
}

TEST(CompassTexts, AreCutAsAtlassianCounts) {
  EXPECT_EQ(fit_compass("  two\nlines "), "two lines");
  EXPECT_EQ(fit_compass(std::string(255, 'x')), std::string(255, 'x'));
  EXPECT_EQ(fit_compass(std::string(256, 'x')), std::string(254, 'x') + "\xE2\x80\xA6");
  std::string rockets;  // two UTF-16 units each
  for (int i = 0; i < 200; ++i) rockets += "\xF0\x9F\x9A\x80";
  const std::string cut = fit_compass(rockets);
  EXPECT_EQ(cut.size(), 127U * 4 + 3);
  EXPECT_TRUE(cut.ends_with("\xF0\x9F\x9A\x80\xE2\x80\xA6"));
}

TEST(CompassComponents, AreNamedByTheirAri) {
  const auto component = parse_component(ari);
  ASSERT_TRUE(component);
  EXPECT_EQ(component->ari, ari);
  EXPECT_EQ(component->cloud_id, cloud);
  EXPECT_EQ(component->id, "c27f43a0-f394");
  for (const std::string& text : {std::string(), std::string("shop"), ari + "/more", ari + ":more",
                                  ari + " ", "ari:cloud:compass:" + cloud + ":scorecard/a/b",
                                  std::string("ari:cloud:compass::component/a/b"),
                                  std::string("ari:cloud:jira:x:component/a/b"), "x" + ari}) {
    EXPECT_FALSE(parse_component(text)) << text;
  }
}

TEST(CompassComponents, OfAFileAreItsId) {
  const auto component =
      component_of_file("configVersion: 1\nname: shop\nid: " + ari + "\nnew-key: [x]\n");
  ASSERT_TRUE(component) << component.error().message;
  EXPECT_EQ(component->id, "c27f43a0-f394");
  EXPECT_TRUE(component_of_file("id: \"" + ari + "\""));
  for (const auto& [text, message] :
       {std::pair("", "has no id"), std::pair("name: shop", "has no id"),
        std::pair("id:\n", "has no id"), std::pair("id: [a]", "has no id"),
        std::pair("[]", "has no id"), std::pair("a: 1\nid: shop\n", "line 2: \"shop\" is no"),
        std::pair("a: 1\n\tb", "line 2: "), std::pair("id: *none", "line 1: ")}) {
    const auto read = component_of_file(text);
    ASSERT_FALSE(read) << text;
    EXPECT_TRUE(read.error().message.starts_with(message)) << read.error().message;
    EXPECT_NE(read.error().hint, "") << text;
  }
}

TEST(CompassSites, AreAtlassians) {
  const std::string root = "https://acme.atlassian.net/gateway/api/compass/v1";
  for (const char* site : {"acme", "Acme", "acme.atlassian.net", "https://acme.atlassian.net",
                           "https://acme.atlassian.net/"}) {
    EXPECT_EQ(compass_root(site).value_or(""), root) << site;
  }
  for (const char* site :
       {"", "acme.example.com", "http://acme.atlassian.net", "https://acme.atlassian.net/wiki",
        "https://ci:hunter2@acme.atlassian.net", "acme.atlassian.net.example.com", "-acme", "a/b",
        ".atlassian.net"}) {
    const auto read = compass_root(site);
    ASSERT_FALSE(read) << site;
    EXPECT_EQ(read.error().message.find("hunter2"), std::string::npos);
  }
}

TEST(CompassAnswers, SayWhatToDo) {
  const auto explain = [](int status) {
    HttpResponse response;
    response.status = status;
    response.body = R"({"message": "No\u001bsuch"})";
    return explain_compass_answer(response, "POST x");
  };
  EXPECT_EQ(explain(401).kind, ErrorKind::permission);
  EXPECT_EQ(explain(403).kind, ErrorKind::permission);
  EXPECT_EQ(explain(400).kind, ErrorKind::failed);
  EXPECT_EQ(explain(404).kind, ErrorKind::failed);
  EXPECT_EQ(explain(302).kind, ErrorKind::failed);
  EXPECT_EQ(explain(404).message, "POST x was answered with 404 No\\x1Bsuch");
  for (const int status : {408, 500, 502, 503, 504}) {
    EXPECT_TRUE(explain(status).transient) << status;
    EXPECT_EQ(explain(status).kind, ErrorKind::unreachable) << status;
  }
  for (const int status : {400, 401, 403, 404, 410, 501}) {
    EXPECT_FALSE(explain(status).transient) << status;
  }
}

}  // namespace
}  // namespace pca::commit_status
