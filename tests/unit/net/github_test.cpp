#include "net/github.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "runner/redactor.hpp"
#include "support/canned_server.hpp"

namespace pca {
namespace {

using testing::CannedServer;

std::string answer(const std::string& status, const std::string& body,
                   const std::string& more_headers = "") {
  return "HTTP/1.1 " + status + "\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

HttpResponse response(int status, const std::string& message,
                      std::vector<std::pair<std::string, std::string>> headers = {}) {
  HttpResponse made;
  made.status = status;
  made.headers = std::move(headers);
  made.body = Json::object().set("message", message).dump();
  return made;
}

class GitHub : public ::testing::Test {
 protected:
  GitHubApi api(const CannedServer& server) {
    GitHubSettings settings;
    settings.root = server.url("");
    settings.authorization = redactor.protect("Bearer canary-token");
    settings.first_pause = Milliseconds{1};
    settings.most_waiting = Milliseconds{5'000};
    settings.on_wait = [this](const std::string& text) { waits.push_back(text); };
    return {*transport, std::move(settings)};
  }
  Result<GitHubAnswer> get_from(const CannedServer& server) {
    GitHubApi made = api(server);
    auto got = made.get(patient, "/repos/acme/shop/commits/main");
    attempts = made.attempts();
    return got;
  }

  const Budget patient = Budget::of(Milliseconds{20'000});
  const std::unique_ptr<HttpTransport> transport = make_http_transport("tests/1.0");
  Redactor redactor;
  std::vector<std::string> waits;
  int attempts = 0;
};

TEST_F(GitHub, SendsWhatGitHubAsksForAndTheTokenOnlyInItsHeader) {
  const CannedServer server({answer("201 Created", R"({"id": 7})")});
  GitHubApi made = api(server);
  const auto got =
      made.post(patient, "/repos/acme/shop/statuses/abc", Json::object().set("state", "success"));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->status, 201);
  EXPECT_EQ(*got->body.find("id")->as_int(), 7);
  const std::string request = server.requests()[0];
  EXPECT_TRUE(request.starts_with("POST /repos/acme/shop/statuses/abc HTTP/1.1\r\n")) << request;
  for (const char* line :
       {"Authorization: Bearer canary-token\r\n", "User-Agent: tests/1.0\r\n",
        "Accept: application/vnd.github+json\r\n", "X-GitHub-Api-Version: 2022-11-28\r\n",
        "Content-Type: application/json\r\n", "{\"state\":\"success\"}"}) {
    EXPECT_NE(request.find(line), std::string::npos) << line << request;
  }
}

TEST_F(GitHub, AsksAgainAfterWhatPasses) {
  for (const char* status : {"408 x", "500 x", "502 x", "503 x", "504 x"}) {
    const CannedServer server({"cut", answer(status, ""), answer("200 OK", "{}")});
    ASSERT_TRUE(get_from(server)) << status;
    EXPECT_EQ(attempts, 3) << status;
    EXPECT_EQ(waits.size(), 2U) << status;
    waits.clear();
  }
}

TEST_F(GitHub, NeverAsksAgainAfterWhatStays) {
  for (const char* status :
       {"400 x", "401 x", "403 x", "404 x", "409 x", "410 x", "422 x", "501 x"}) {
    const CannedServer server({answer(status, R"({"message": "no"})"), answer("200 OK", "{}")});
    EXPECT_FALSE(get_from(server)) << status;
    EXPECT_EQ(attempts, 1) << status;
  }
  EXPECT_TRUE(waits.empty());
}

TEST_F(GitHub, GivesUpAfterItsRetries) {
  const CannedServer server(std::vector<std::string>(9, answer("502 Bad Gateway", "")));
  const auto got = get_from(server);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(attempts, 5);
}

TEST_F(GitHub, WaitsForARateLimitNoLongerThanItMay) {
  const CannedServer server({answer("403 x", "{}", "Retry-After: 1\r\n"), answer("200 OK", "{}"),
                             answer("403 x", "{}", "Retry-After: 30\r\n")});
  GitHubApi made = api(server);
  const auto start = Clock::now();
  ASSERT_TRUE(made.get(patient, "/x"));
  EXPECT_GE(ms_since(start), 999);
  const auto second = made.get(patient, "/x");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unreachable);
  EXPECT_NE(second.error().hint.find("30s"), std::string::npos) << second.error().hint;
}

TEST_F(GitHub, LooksForWhatALostAnswerMadeBeforeItMakesItAgain) {
  const std::string lost = answer("502 x", "");
  const Json made_before = Json::object().set("id", 7);
  for (const Json& found : {Json(), made_before}) {
    const CannedServer server({lost, answer("201 x", "{\"id\": 8}")});
    GitHubApi made = api(server);
    int searches = 0;
    const auto got = made.create(patient, "/deployments", Json::object(), [&](const Budget&) {
      ++searches;
      return Result<Json>(found);
    });
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(searches, 1);
    EXPECT_EQ(*got->body.find("id")->as_int(), found.is_null() ? 8 : 7);
    EXPECT_EQ(server.requests().size(), found.is_null() ? 2U : 1U);
  }
}

TEST_F(GitHub, AWaitCanBeCancelled) {
  const CannedServer server({answer("429 x", "{}", "Retry-After: 4\r\n")});
  std::stop_source stop;
  GitHubApi made = api(server);
  std::jthread canceller([&] {
    while (server.requests().empty()) std::this_thread::yield();
    stop.request_stop();
  });
  const auto start = Clock::now();
  const auto got = made.get(Budget::of(Milliseconds{20'000}, stop.get_token()), "/x");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::cancelled);
  EXPECT_LT(ms_since(start), 3'000);
}

TEST_F(GitHub, FollowsARenamedRepositoryOnItsServerOnly) {
  const CannedServer other({answer("200 OK", "{}")});
  const CannedServer server({answer("307 x", "", "Location: /repositories/1/statuses/a\r\n"),
                             answer("201 x", "{}"),
                             answer("307 x", "", "Location: " + other.url("/x") + "\r\n")});
  GitHubApi made = api(server);
  ASSERT_TRUE(made.post(patient, "/repos/a/b/statuses/a", Json::object()));
  EXPECT_TRUE(server.requests()[1].starts_with("POST /repositories/1/statuses/a "))
      << server.requests()[1];
  EXPECT_FALSE(made.get(patient, "/x"));
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(GitHub, AnswersThatAreNoJsonAreErrors) {
  for (const char* body : {"<html>", "{\"a\":",
                           "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}) {
    const CannedServer server({answer("200 OK", body)});
    EXPECT_FALSE(get_from(server)) << body;
  }
}

TEST(GitHubAnswers, A403IsARateLimitOnlyWithItsSigns) {
  EXPECT_FALSE(is_rate_limited(response(403, "Resource not accessible by integration")));
  EXPECT_FALSE(is_rate_limited(response(403, "no", {{"x-ratelimit-remaining", "12"}})));
  EXPECT_TRUE(is_rate_limited(response(403, "no", {{"x-ratelimit-remaining", "0"}})));
  EXPECT_TRUE(is_rate_limited(response(403, "no", {{"retry-after", "3"}})));
  EXPECT_TRUE(is_rate_limited(response(403, "You have exceeded a secondary rate limit.")));
  EXPECT_TRUE(is_rate_limited(response(429, "")));
  EXPECT_FALSE(is_rate_limited(response(404, "rate limit")));
}

TEST(GitHubAnswers, ThePauseIsTheServersByItsOwnClock) {
  using Headers = std::vector<std::pair<std::string, std::string>>;
  const auto pause = [](Headers headers, int earlier = 0) {
    return rate_limit_pause(response(403, "", std::move(headers)), earlier).count();
  };
  EXPECT_EQ(
      pause({{"retry-after", "7"}, {"x-ratelimit-remaining", "0"}, {"x-ratelimit-reset", "9"}}),
      7'000);
  const Headers reset{{"x-ratelimit-remaining", "0"},
                      {"x-ratelimit-reset", "1700000030"},
                      {"date", "Tue, 14 Nov 2023 22:13:20 GMT"}};
  EXPECT_EQ(pause(reset), 31'000);
  EXPECT_EQ(pause({}), 60'000);
  EXPECT_EQ(pause({}, 1), 120'000);
  EXPECT_EQ(pause({{"retry-after", "99999999999"}}), 86'400'000);
}

TEST(GitHubAnswers, A403NamesThePermissionToAdd) {
  const Error error =
      explain_github_answer(response(403, "Resource not accessible by integration",
                                     {{"x-accepted-github-permissions", "statuses=write"}}),
                            "POST /x");
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_NE(error.hint.find("permissions: {statuses: write}"), std::string::npos) << error.hint;
  EXPECT_EQ(permissions_yaml("pull_requests=write,contents=read; issues=write"),
            "{pull-requests: write, contents: read}");
  EXPECT_EQ(permissions_yaml("x=::set-env"), "");
  EXPECT_EQ(permissions_yaml(""), "");
}

TEST(GitHubAnswers, TextsOfTheServerAreMadeSafe) {
  const Error error = explain_github_answer(response(422, "a\n::error::b\x1b[0m"), "POST /x");
  EXPECT_EQ(error.message, "POST /x was answered with 422 a\\x0A::error::b\\x1B[0m");
}

TEST(GitHubRoot, IsHttpsButForLoopback) {
  EXPECT_EQ(*check_github_root("https://ghe.example/api/v3/", false), "https://ghe.example/api/v3");
  EXPECT_TRUE(check_github_root("http://127.0.0.1:8080", false));
  EXPECT_TRUE(check_github_root("http://[::1]:8080", false));
  EXPECT_TRUE(check_github_root("http://ghe.example", true));
  for (const char* bad :
       {"http://ghe.example", "http://127.0.0.1.evil.example", "ftp://x", "https://",
        "https://user:pw@ghe.example", "https://x?y", "https://x#y", "x", ""}) {
    EXPECT_FALSE(check_github_root(bad, false)) << bad;
  }
}

TEST(GitHubRepositories, AreOwnerAndName) {
  EXPECT_EQ(parse_github_repository("acme/shop.x")->path("/y"), "/repos/acme/shop.x/y");
  for (const char* bad : {"", "acme", "acme/", "/shop", "a/b/c", "a/..", "a b/c", "a/b?c"}) {
    EXPECT_FALSE(parse_github_repository(bad)) << bad;
  }
  EXPECT_EQ(url_part("feature/a b"), "feature%2Fa%20b");
}

}  // namespace
}  // namespace pca
