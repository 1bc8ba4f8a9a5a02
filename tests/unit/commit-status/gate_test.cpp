#include "commit-status/gate.hpp"

#include <gtest/gtest.h>

namespace pca::commit_status {
namespace {

using State = Verdict::State;

Mark good(const std::string& name) {
  return {.name = name, .state = Mark::State::success, .said = "success"};
}
Mark bad(const std::string& name) {
  return {.name = name, .state = Mark::State::failure, .said = "failure"};
}
Mark pending(const std::string& name) { return {.name = name, .said = "queued"}; }

TEST(Gate, OpensWhenAllAreGood) {
  EXPECT_EQ(judge_marks({good("a"), good("b")}, {}).state, State::passed);
  EXPECT_EQ(judge_marks({good("a"), pending("b")}, {}).state, State::pending);
  EXPECT_EQ(judge_marks({good("a"), pending("b"), bad("c")}, {}).state, State::failed);
}

TEST(Gate, StaysShutForNothing) {
  EXPECT_EQ(judge_marks({}, {}).state, State::pending);
  EXPECT_EQ(judge_marks({}, {.at_least = 0}).state, State::pending);
  EXPECT_EQ(judge_marks({good("a")}, {.ignored = {"*"}}).state, State::pending);
  EXPECT_EQ(judge_marks({good("a")}, {.at_least = 2}).state, State::pending);
}

TEST(Gate, WaitsForEachThatIsNamed) {
  const GateRules rules{.wanted = {"test*", "lint"}};
  const Verdict verdict = judge_marks({good("tests / unit"), bad("other")}, rules);
  EXPECT_EQ(verdict.state, State::pending);
  EXPECT_EQ(verdict.absent, std::vector<std::string>{"lint"});
  ASSERT_EQ(verdict.counted.size(), 1U);
  EXPECT_EQ(judge_marks({good("tests"), good("lint"), bad("other")}, rules).state, State::passed);
}

TEST(Gate, WhatMayBeAbsentIsSkippedButNotAllOfIt) {
  const GateRules rules{.wanted = {"a", "b"}, .may_be_absent = true};
  EXPECT_EQ(judge_marks({good("a")}, rules).state, State::passed);
  EXPECT_EQ(judge_marks({pending("a")}, rules).state, State::pending);
  EXPECT_EQ(judge_marks({bad("a")}, rules).state, State::failed);
  EXPECT_EQ(judge_marks({}, rules).state, State::pending);
}

TEST(Gate, PatternsAreNamesToo) {
  EXPECT_TRUE(matches_name("build [x64]", {"build [x64]"}));
  EXPECT_TRUE(matches_name("a/b/c", {"a/*"}));
  EXPECT_TRUE(matches_name("ab", {"a?"}));
  EXPECT_FALSE(matches_name("ab", {"a", "b", "A*"}));
}

TEST(Gate, LeavesOutWhatThisRunSays) {
  Mark own = pending("deploy");
  own.url = "https://github.com/acme/shop/actions/runs/7/job/1";
  Mark other = good("tests");
  other.url = "https://github.com/acme/shop/actions/runs/71/job/1";
  EXPECT_EQ(judge_marks({own, other}, {.own_run = "7"}).state, State::passed);
  EXPECT_EQ(judge_marks({own, other}, {.wanted = {"*"}, .own_run = "7"}).state, State::passed);
  EXPECT_EQ(judge_marks({own, other}, {.own_run = "71"}).state, State::pending);
  EXPECT_EQ(judge_marks({own, other}, {.wanted = {"deploy"}, .own_run = "7"}).state,
            State::pending);
}

TEST(Gate, CountsOnlyTheAppsOwn) {
  Mark forged = good("Cloudflare Pages");
  forged.app = 1;
  EXPECT_EQ(judge_marks({forged}, {.app = 2}).state, State::pending);
  EXPECT_EQ(judge_marks({forged}, {.app = 1}).state, State::passed);
}

TEST(Gate, SaysTheSameOnlyOfTheSame) {
  const Verdict one = judge_marks({good("a"), good("b")}, {});
  EXPECT_EQ(one.fingerprint(), judge_marks({good("b"), good("a")}, {}).fingerprint());
  EXPECT_NE(one.fingerprint(), judge_marks({good("a")}, {}).fingerprint());
  EXPECT_NE(one.fingerprint(), judge_marks({good("a"), good("c")}, {}).fingerprint());
}

Mark::State check(const std::string& status, const std::string& conclusion) {
  Json json = Json::object();
  json.set("status", status).set("conclusion", conclusion);
  return read_check_mark(json).state;
}

TEST(Marks, OfChecksAreGoodOnlyWhenGitHubSaysSo) {
  for (const char* conclusion : {"success", "neutral", "skipped"}) {
    EXPECT_EQ(check("completed", conclusion), Mark::State::success) << conclusion;
    EXPECT_EQ(check("in_progress", conclusion), Mark::State::pending) << conclusion;
  }
  for (const char* conclusion : {"failure", "cancelled", "timed_out", "action_required", "stale",
                                 "startup_failure", "", "something new"}) {
    EXPECT_EQ(check("completed", conclusion), Mark::State::failure) << conclusion;
  }
  for (const char* status : {"queued", "waiting", "requested", "pending", "", "something new"}) {
    EXPECT_EQ(check(status, ""), Mark::State::pending) << status;
  }
}

TEST(Marks, OfStatusesAreAsTheyStand) {
  for (const auto& [said, state] : {std::pair("success", Mark::State::success),
                                    {"failure", Mark::State::failure},
                                    {"error", Mark::State::failure},
                                    {"pending", Mark::State::pending},
                                    {"something new", Mark::State::pending}}) {
    EXPECT_EQ(read_status_mark(Json::object().set("state", said)).state, state) << said;
  }
}

TEST(Marks, OfOtherShapesArePending) {
  for (const char* text : {"null", "[]", "5", R"({"name": 5, "status": [], "app": "x"})",
                           R"({"app": {"id": "85455"}, "output": null})"}) {
    const Mark mark = read_check_mark(*parse_json(text));
    EXPECT_EQ(mark.state, Mark::State::pending) << text;
    EXPECT_EQ(mark.app, 0) << text;
  }
}

}  // namespace
}  // namespace pca::commit_status
