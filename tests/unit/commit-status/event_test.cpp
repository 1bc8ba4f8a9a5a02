#include "commit-status/event.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

const std::string head(40, 'a');
const std::string merge(40, 'b');

Event event(const std::string& name, const std::string& payload = "{}") {
  Event made{.name = name, .repository = "acme/shop", .github_sha = merge};
  EXPECT_TRUE(read_payload(payload, made));
  return made;
}

std::string pull_request(const std::string& repository) {
  return R"({"pull_request": {"head": {"sha": ")" + head + R"(", "repo": {"full_name": ")" +
         repository + R"("}}}})";
}

TEST(CommitOfAnEvent, OfAPullRequestIsItsHeadAndNotTheMerge) {
  for (const char* name : {"pull_request", "pull_request_target", "pull_request_review"}) {
    EXPECT_EQ(*commit_of(event(name, pull_request("acme/shop"))), head) << name;
  }
}

TEST(CommitOfAnEvent, IsWhereEachEventHasIt) {
  const std::string sha = "\"" + head + "\"";
  for (const auto& [name, payload] :
       {std::pair<std::string, std::string>{"workflow_run",
                                            R"({"workflow_run": {"head_sha": )" + sha + "}}"},
        {"check_suite", R"({"check_suite": {"head_sha": )" + sha + "}}"},
        {"check_run", R"({"check_run": {"head_sha": )" + sha + "}}"},
        {"merge_group", R"({"merge_group": {"head_sha": )" + sha + "}}"},
        {"deployment", R"({"deployment": {"sha": )" + sha + "}}"},
        {"deployment_status", R"({"deployment": {"sha": )" + sha + "}}"},
        {"status", R"({"sha": )" + sha + "}"}}) {
    EXPECT_EQ(*commit_of(event(name, payload)), head) << name;
    EXPECT_FALSE(commit_of(event(name))) << name;
  }
  for (const char* name : {"push", "schedule", "workflow_dispatch", "release"}) {
    EXPECT_EQ(*commit_of(event(name)), merge) << name;
  }
}

TEST(CommitOfAnEvent, OfACommentIsNotTheDefaultBranchs) {
  const auto commit = commit_of(event("issue_comment"));
  ASSERT_FALSE(commit);
  EXPECT_EQ(commit.error().kind, ErrorKind::bad_input);
}

TEST(CommitOfAnEvent, IsNothingButAWholeSha) {
  for (const char* payload :
       {R"({"pull_request": {"head": {"sha": "main"}}})", R"({"pull_request": null})", "{}"}) {
    EXPECT_FALSE(commit_of(event("pull_request", payload))) << payload;
  }
  for (const char* payload :
       {R"({"pull_request": {"head": {"sha": 5}}})", R"({"pull_request": []})", "[]", "{", "5"}) {
    Event broken{.name = "pull_request"};
    EXPECT_FALSE(read_payload(payload, broken)) << payload;
  }
}

TEST(ReadOnlyTokens, AreThoseOfForksAndDependabot) {
  EXPECT_EQ(read_only_reason(event("pull_request", pull_request("ACME/shop"))), "");
  EXPECT_EQ(read_only_reason(event("pull_request", pull_request("eve/shop"))),
            "this pull request comes from the fork eve/shop");
  EXPECT_NE(read_only_reason(event("pull_request")), "");
  EXPECT_EQ(read_only_reason(event("pull_request_target", pull_request("eve/shop"))), "");
  Event dependabot = event("push");
  EXPECT_EQ(read_only_reason(dependabot), "");
  dependabot.actor = "dependabot[bot]";
  EXPECT_NE(read_only_reason(dependabot), "");
}

}  // namespace
}  // namespace pca::commit_status
