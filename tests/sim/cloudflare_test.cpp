// The real deploy-policy migrate, and an API that answers as Cloudflare's does.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <filesystem>
#include <map>

#include "base/json.hpp"
#include "support/https_stand_in.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/temp_folder.hpp"

namespace pca {
namespace {

using test::HttpsAnswer;
using test::HttpsRequest;

const std::string account = "0123456789abcdef0123456789abcdef";
const std::string token = "canary-cloudflare-token-4c1d9e02";
const std::string of_account = "/accounts/" + account;

class Cloudflare : public ::testing::Test {
 protected:
  Cloudflare() {
    (void)folder_.write("wrangler.toml", "name = \"acme-shop-prod-api\"\n");
    std::filesystem::create_directory(folder_.path("ui"));
    (void)folder_.write("ui/wrangler.toml",
                        "name = \"acme-shop-prod-ui\"\npages_build_output_dir = \"dist\"\n");
    results_[of_account + "/workers/scripts"] =
        R"([{"id": "other", "tag": "1"}, {"id": "acme-shop-prod-api", "tag": "1a2b"}])";
    results_[of_account + "/builds/workers/1a2b/triggers"] =
        R"([{"branch_includes": ["master"], "deploy_command": "npx wrangler deploy",
             "repo_connection": {"provider_account_name": "acme", "repo_name": "shop"}}])";
    results_[of_account + "/pages/projects/acme-shop-prod-ui"] =
        R"({"name": "acme-shop-prod-ui", "source": null})";
  }

  test::ProcessSpec spec_of(const std::map<std::string, std::string>& more = {}) {
    test::ProcessSpec spec;
    spec.argv = {PCA_DEPLOY_POLICY, "migrate", "--root", folder_.path()};
    spec.environment["INPUT_CLOUDFLARE_TOKEN"] = token;
    spec.environment["INPUT_CLOUDFLARE_ACCOUNT"] = account;
    spec.environment["INPUT_CLOUDFLARE_URL"] = server_.url();
    spec.environment["INPUT_CLOUDFLARE_CA"] = files_.write("ca.pem", server_.certificate());
    spec.environment["GITHUB_REPOSITORY"] = "acme/shop";
    spec.environment["GITHUB_OUTPUT"] = files_.write("outputs", "");
    spec.environment["GITHUB_STEP_SUMMARY"] = files_.write("summary", "");
    for (const auto& [name, value] : more) spec.environment[name] = value;
    return spec;
  }

  test::Finished migrate(const std::map<std::string, std::string>& more = {}) {
    test::Finished done = test::run_process(spec_of(more), std::chrono::seconds(60));
    for (const std::string& said :
         {done.out, done.err, files_.read("outputs"), files_.read("summary")}) {
      EXPECT_EQ(said.find(token), std::string::npos) << said;
    }
    return done;
  }

  HttpsAnswer answer(const HttpsRequest& request) {
    if (request.head.find("Authorization: Bearer " + token + "\r\n") == std::string::npos) {
      return {
          401,
          R"({"success": false, "errors": [{"code": 10000, "message": "Authentication error"}]})"};
    }
    if (!first_.empty()) {
      HttpsAnswer answer = std::move(first_.front());
      first_.pop_front();
      return answer;
    }
    if (!fails_with_.body.empty()) return fails_with_;
    const auto found = results_.find(request.target);
    if (found == results_.end()) {
      return {
          404,
          R"({"success": false, "errors": [{"code": 8000007, "message": "Project not found"}], "result": null})"};
    }
    return {200, R"({"success": true, "errors": [], "result": )" + found->second + "}"};
  }

  test::TempFolder folder_;  // the repository
  test::TempFolder files_;
  std::map<std::string, std::string> results_;  // by path
  std::deque<HttpsAnswer> first_;               // before all others
  HttpsAnswer fails_with_{.code = 0};
  test::HttpsStandIn server_{"localhost",
                             [this](const HttpsRequest& request) { return answer(request); }};
};

TEST_F(Cloudflare, IsComparedWithThePolicy) {
  const test::Finished done = migrate();
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(server_.requests(),
            (std::vector<std::string>{"GET " + of_account + "/pages/projects/acme-shop-prod-ui",
                                      "GET " + of_account + "/workers/scripts",
                                      "GET " + of_account + "/builds/workers/1a2b/triggers"}));
  EXPECT_NE(done.out.find("Worker acme-shop-prod-api, wrangler.toml (existing-worker)"),
            std::string::npos)
      << done.out;
  EXPECT_NE(done.out.find("Set its production branch to main."), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("made by direct upload, which cannot be converted"), std::string::npos)
      << done.out;
  const auto list = parse_json(test::parse_output_file(files_.read("outputs")).at("migrations"));
  ASSERT_TRUE(list && list->as_array() != nullptr && list->as_array()->size() == 2);
  const Json* worker = list->as_array()->back().find("cloudflare");
  ASSERT_NE(worker, nullptr);
  EXPECT_TRUE(*worker->find("connected")->as_bool());
  EXPECT_EQ(worker->find("checks")->as_array()->size(), 3U);
  EXPECT_NE(files_.read("summary").find("production branch"), std::string::npos);
}

TEST_F(Cloudflare, WhatIsNotThereIsNew) {
  results_.erase(of_account + "/pages/projects/acme-shop-prod-ui");
  results_[of_account + "/workers/scripts"] = "[]";
  const test::Finished done = migrate();
  ASSERT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_NE(done.out.find("wrangler.toml (new)"), std::string::npos) << done.out;
  EXPECT_NE(done.out.find("ui/wrangler.toml (new)"), std::string::npos) << done.out;
}

TEST_F(Cloudflare, AWrongTokenIsExit5AndSaysWhichIsNeeded) {
  const test::Finished done = migrate({{"INPUT_CLOUDFLARE_TOKEN", "another"}});
  EXPECT_EQ(done.code, 5) << done.out << done.err;
  EXPECT_NE(done.err.find("was answered with 401 Authentication error"), std::string::npos)
      << done.err;
  EXPECT_NE(done.err.find("Workers Builds Configuration: Read"), std::string::npos) << done.err;
}

// The report of what the repository tells is not lost by what Cloudflare does not.
TEST_F(Cloudflare, AnErrorEndsAfterTheReport) {
  results_.erase(of_account + "/workers/scripts");
  const test::Finished done = migrate();
  EXPECT_EQ(done.code, 1) << done.out << done.err;
  EXPECT_NE(done.out.find("Cloudflare did not tell all: the rest is what the repository says."),
            std::string::npos)
      << done.out;
  EXPECT_NE(done.out.find("Worker acme-shop-prod-api, wrangler.toml (new)"), std::string::npos)
      << done.out;
  // It was asked about this one before.
  EXPECT_NE(done.out.find("made by direct upload"), std::string::npos) << done.out;
  EXPECT_NE(files_.read("summary").find("Cloudflare did not tell all"), std::string::npos);
  EXPECT_NE(files_.read("outputs").find("acme-shop-prod-api"), std::string::npos);
}

TEST_F(Cloudflare, OnlyAProjectThatIsNotFoundIsNotThere) {
  const std::string errors = R"({"success": false, "result": null, "errors": [{"code": )";
  for (const HttpsAnswer& answer :
       {HttpsAnswer{404, errors + R"(7003, "message": "Could not route to /accounts"}]})"},
        HttpsAnswer{404, "<html>"}, HttpsAnswer{200, errors + R"(8000007, "message": "odd"}]})"}}) {
    first_ = {answer};
    const test::Finished done = migrate();
    EXPECT_EQ(done.code, 1) << answer.body << done.out << done.err;
    EXPECT_EQ(done.err.find("something else"), std::string::npos) << done.err;
    EXPECT_NE(done.err.find("/pages/projects/acme-shop-prod-ui was answered with " +
                            std::to_string(answer.code)),
              std::string::npos)
        << done.err;
  }
}

TEST_F(Cloudflare, ARateLimitIsWaitedForAsItSays) {
  first_ = {
      {429, R"({"success": false, "errors": [{"message": "slow down"}]})", "Retry-After: 1\r\n"}};
  const auto start = std::chrono::steady_clock::now();
  const test::Finished done = migrate();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_NE((done.out + done.err).find("met a rate limit: slow down; trying again in 1s"),
            std::string::npos)
      << done.out;
  EXPECT_EQ(server_.requests().size(), 4U);
}

TEST_F(Cloudflare, AServerThatFailsOnceIsAskedAgain) {
  first_ = {{502, "<html>"}};
  const test::Finished done = migrate();
  EXPECT_EQ(done.code, 0) << done.out << done.err;
  EXPECT_EQ(server_.requests().size(), 4U);
  EXPECT_NE(done.out.find("made by direct upload"), std::string::npos) << done.out;
}

TEST_F(Cloudflare, ACancelEndsTheWait) {
  first_ = {{429, "{}", "Retry-After: 100\r\n"}};
  test::Process process(spec_of());
  ASSERT_TRUE(process.wait_for("met a rate limit", std::chrono::seconds(30))) << process.err();
  process.send(SIGTERM);
  EXPECT_EQ(process.wait(std::chrono::seconds(5)).value_or(-1), 128 + SIGTERM) << process.err();
  EXPECT_EQ(server_.requests().size(), 1U);
}

// What the Builds API answers to a token of an account.
TEST_F(Cloudflare, ATokenOfAnAccountIsExit5Too) {
  fails_with_ = {400,
                 R"({"success": false, "errors": [{"code": 12006, "message": "Invalid token"}]})"};
  const test::Finished done = migrate();
  EXPECT_EQ(done.code, 5) << done.out << done.err;
  EXPECT_NE(done.err.find("takes no token of an account"), std::string::npos) << done.err;
}

TEST_F(Cloudflare, AnotherServersAnswersAreRefused) {
  for (const char* body : {"<html>", "[]", R"({"result": 7)", "{}"}) {
    fails_with_ = {200, body};
    const test::Finished done = migrate();
    EXPECT_EQ(done.code, 1) << body << done.out << done.err;
    EXPECT_NE(done.err.find("something else than Cloudflare's JSON"), std::string::npos)
        << done.err;
  }
}

}  // namespace
}  // namespace pca
