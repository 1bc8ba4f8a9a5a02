#include "tunnel-ssh/sync_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace pca::tunnel_ssh {
namespace {

TreeEntry file(const std::string& path, const std::string& digest, bool is_executable = false) {
  TreeEntry entry{.path = path};
  entry.digest = digest;
  entry.size = 10;
  entry.is_executable = is_executable;
  return entry;
}
TreeEntry folder(const std::string& path) { return {.path = path, .kind = EntryKind::folder}; }
TreeEntry link_to(const std::string& path, const std::string& target) {
  TreeEntry entry{.path = path, .kind = EntryKind::link};
  entry.target = target;
  return entry;
}

using Texts = std::vector<std::string>;

Texts uploads(const SyncPlan& plan) {
  Texts paths;
  for (const TreeEntry& entry : plan.uploads) paths.push_back(entry.path);
  return paths;
}

SyncPlan planned(const FileTree& ours, const FileTree& theirs, const SyncRules& rules = {}) {
  auto plan = plan_sync(ours, theirs, rules);
  if (!plan) ADD_FAILURE() << plan.error().message;
  return plan ? *std::move(plan) : SyncPlan();
}

PathPatterns patterns(const Texts& lines) { return *PathPatterns::parse(lines); }

TEST(SyncPlan, NothingIsDoneForWhatIsAlike) {
  const FileTree tree{folder("a"), file("a/x", "1"), link_to("l", "a/x")};
  const SyncPlan plan = planned(tree, tree);
  EXPECT_TRUE(plan.is_empty());
  EXPECT_EQ(plan.unchanged, 2U);
}

TEST(SyncPlan, ANewFolderMovesAsAWhole) {
  const SyncPlan plan =
      planned({folder("a"), folder("a/b"), file("a/b/x", "1"), file("c", "2")}, {});
  EXPECT_EQ(uploads(plan), (Texts{"a", "a/b", "a/b/x", "c"}));
  EXPECT_EQ(plan.moves.at(""), (Texts{"a", "c"}));
  EXPECT_EQ(plan.moves.size(), 1U);
  EXPECT_EQ(plan.added, 2U);
}

TEST(SyncPlan, ChangedFilesMoveIntoFoldersThatAreThere) {
  const SyncPlan plan = planned({folder("a"), file("a/x", "new"), file("a/y", "same")},
                                {folder("a"), file("a/x", "old"), file("a/y", "same")});
  EXPECT_EQ(uploads(plan), Texts{"a/x"});
  EXPECT_EQ(plan.moves.at("a"), Texts{"a/x"});
  EXPECT_EQ(plan.updated, 1U);
  EXPECT_EQ(plan.unchanged, 1U);
  EXPECT_EQ(plan.bytes, 10U);
}

TEST(SyncPlan, AFileWhoseDigestIsUnknownIsSent) {
  EXPECT_EQ(uploads(planned({file("x", "1")}, {file("x", "")})), Texts{"x"});
}

TEST(SyncPlan, OnlyTheModeOfAnEqualFileChanges) {
  const SyncPlan plan = planned({file("run", "1", true), file("plain", "2", false)},
                                {file("run", "1", false), file("plain", "2", true)});
  EXPECT_TRUE(plan.uploads.empty());
  EXPECT_EQ(plan.make_executable, Texts{"run"});
  EXPECT_EQ(plan.make_plain, Texts{"plain"});
}

TEST(SyncPlan, WhatElseIsThereStaysUnlessAsked) {
  const FileTree theirs{folder("old"), file("old/x", "1"), file("keep", "2")};
  EXPECT_TRUE(planned({file("keep", "2")}, theirs).is_empty());
  const SyncPlan plan = planned({file("keep", "2")}, theirs, {{}, true, 0.5});
  EXPECT_EQ(plan.delete_files, Texts{"old/x"});
  EXPECT_EQ(plan.delete_folders, Texts{"old"});
}

TEST(SyncPlan, FoldersAreDeletedFromWithinAndOnlyWhenNothingInThemIsKept) {
  const FileTree theirs{folder("a"), folder("a/b"), folder("a/b/c"), file("a/b/log", "1"),
                        file("x", "2")};
  SyncRules rules{{}, true, 1};
  rules.filter.exclude = patterns({"log"});
  const SyncPlan plan = planned({file("x", "2")}, theirs, rules);
  EXPECT_EQ(plan.delete_folders, Texts{"a/b/c"});
  EXPECT_TRUE(plan.delete_files.empty());
  rules.filter = {};
  EXPECT_EQ(planned({file("x", "2")}, theirs, rules).delete_folders, (Texts{"a/b/c", "a/b", "a"}));
}

TEST(SyncPlan, DeletingMoreThanTheLimitIsRefused) {
  const FileTree theirs{file("a", "1"), file("b", "2"), file("c", "3")};
  const auto plan = plan_sync({file("a", "1")}, theirs, {{}, true, 0.5});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message,
            "2 of 3 files on the host would be deleted, which is more than delete-limit (50%) "
            "allows; nothing was changed");
  EXPECT_TRUE(plan_sync({file("a", "1")}, theirs, {{}, true, 1}));
}

TEST(SyncPlan, AnotherKindIsMovedOutOfTheWay) {
  const SyncPlan plan = planned({folder("a"), file("a/x", "1"), file("l", "2")},
                                {file("a", "9"), link_to("l", "elsewhere")});
  EXPECT_EQ(plan.replaced, (Texts{"a", "l"}));
  EXPECT_EQ(plan.moves.at(""), (Texts{"a", "l"}));
}

TEST(SyncPlan, AFolderThatHoldsSomethingIsReplacedOnlyWhenDeletingIsAllowed) {
  const FileTree theirs{folder("a"), file("a/x", "1"), file("b", "2")};
  const auto plan = plan_sync({file("a", "3"), file("b", "2")}, theirs, {});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message, "a is a folder on the host, and holds a/x");
  const SyncPlan allowed = planned({file("a", "3"), file("b", "2")}, theirs, {{}, true, 0.5});
  EXPECT_EQ(allowed.replaced, Texts{"a"});
  EXPECT_TRUE(allowed.delete_files.empty());  // it goes with its folder
}

TEST(SyncPlan, ADryRunListsEachChange) {
  const FileTree theirs{file("b", "1"), file("old", "2")};
  const SyncPlan plan = planned({file("a", "1"), file("b", "2")}, theirs, {{}, true, 0.5});
  EXPECT_EQ(describe(plan, theirs), (Texts{"+ a", "~ b", "- old"}));
}

TEST(SyncPlan, SharesAreRead) {
  EXPECT_EQ(*parse_share("50%"), 0.5);
  EXPECT_EQ(*parse_share("100%"), 1);
  for (const char* text : {"", "50", "101%", "-1%", "half", "%"}) EXPECT_FALSE(parse_share(text));
}

}  // namespace
}  // namespace pca::tunnel_ssh
