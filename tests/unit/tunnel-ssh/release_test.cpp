#include <gtest/gtest.h>
#include <poll.h>

#include <thread>

#include "deploy/provenance.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_manifest.hpp"
#include "tunnel-ssh/rendezvous.hpp"

namespace pca::tunnel_ssh {
namespace {

using namespace std::string_literals;

const std::string digest_a(64, 'a');

FileTree some_tree() {
  return {{.path = "b", .kind = EntryKind::folder},
          {.path = "b/a file", .is_executable = true, .size = 5, .digest = digest_a},
          {.path = "a\nb", .size = 0, .digest = digest_a},
          {.path = "link", .kind = EntryKind::link, .target = "f 1 x"}};
}

TEST(ReleaseManifest, SaysWhatATreeIsMadeOf) {
  EXPECT_EQ(write_manifest(some_tree()),
            "f 0 " + digest_a + " a\nb\0d b\0x 5 "s + digest_a + " b/a file\0l link\0f 1 x\0"s);
}

TEST(ReleaseManifest, IsReadAsItWasWritten) {
  const std::string text = write_manifest(some_tree());
  const auto tree = parse_manifest(text);
  ASSERT_TRUE(tree) << tree.error().message;
  ASSERT_EQ(tree->size(), 4U);
  EXPECT_EQ(write_manifest(*tree), text);
}

TEST(ReleaseManifest, WhatIsNoneIsRefused) {
  for (const std::string& text :
       {"x"s, "q a\0"s, "d \0"s, "f 1 a\0"s, "f -1 "s + digest_a + " a\0"s, "l a\0"s, "\0"s,
        "f 99999999999999999999 "s + digest_a + " a\0"s, "f 1 "s + digest_a + " a"s}) {
    EXPECT_FALSE(parse_manifest(text)) << text;
  }
}

std::string history_line(const std::string& action, const std::string& release,
                         const std::string& result) {
  return R"({"time":"t","action":")" + action + R"(","release":")" + release + R"(","result":")" +
         result + "\"}\n";
}

std::string state_text(const std::string& current, const std::string& history,
                       const std::string& releases) {
  return current + '\0' + '\0' + '\0' + history + '\0' + releases + '\0' + '\0';
}

TEST(ReleaseStateTest, KnowsWhatIsGoodAndWhereToGoBackTo) {
  const auto state = parse_release_state(state_text(
      "r4",
      history_line("deploy", "r1", "deployed") + "half a line\n" +
          history_line("deploy", "r2", "deployed") + history_line("revert", "r3", "rolled-back") +
          history_line("deploy", "r4", "deployed"),
      "r1\nr2\nr3\nr4\n../x\n"));
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->releases, (std::vector<std::string>{"r1", "r2", "r3", "r4"}));
  EXPECT_TRUE(state->is_good("r1"));
  EXPECT_FALSE(state->is_good("r3"));
  EXPECT_FALSE(state->is_good("r5"));
  EXPECT_EQ(state->rollback_target(), "r2");
}

TEST(ReleaseStateTest, NeverGoesBackToWhatSomebodyWentBackFrom) {
  const std::string back =
      R"({"time":"t","action":"rollback","release":"r1","previous":"r2","result":"deployed"})"
      "\n";
  const std::string deploys =
      history_line("deploy", "r1", "deployed") + history_line("deploy", "r2", "deployed");
  const auto left = parse_release_state(
      state_text("r3", deploys + back + history_line("deploy", "r3", "deployed"), "r1\nr2\nr3\n"));
  ASSERT_TRUE(left) << left.error().message;
  EXPECT_EQ(left->rollback_target(), "r1");
  const std::string forward =
      R"({"time":"t","action":"rollback","release":"r2","previous":"r1","result":"deployed"})"
      "\n";
  const auto again = parse_release_state(state_text("r2", deploys + back + forward, "r1\nr2\n"));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_TRUE(again->is_good("r2"));
  EXPECT_EQ(again->rollback_target(), "r1");
}

TEST(ReleaseStateTest, BadReleasesNeverPushOutGoodOnes) {
  const auto state = parse_release_state(state_text(
      "r5",
      history_line("deploy", "r1", "deployed") + history_line("deploy", "r2", "deployed") +
          history_line("revert", "r3", "rolled-back") +
          history_line("revert", "r4", "rolled-back") + history_line("deploy", "r5", "deployed"),
      "r1\nr2\nr3\nr4\nr5\n"));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->dispensable(5, "r5", "r2"), (std::vector<std::string>{"r4", "r3"}));
  EXPECT_EQ(state->dispensable(2, "r5", "r2"), (std::vector<std::string>{"r4", "r3", "r1"}));
  // However few are wanted.
  EXPECT_EQ(state->dispensable(1, "r5", "r1"), (std::vector<std::string>{"r4", "r3", "r2"}));
}

TEST(ReleaseStateTest, AnAlteredFileIsAsIfItWereNotThere) {
  const auto state = parse_release_state("r1\0\0\0\0r1\0gone\0other\0\0f 1 "s + digest_a +
                                         " gone\0f 1 "s + digest_a + " kept\0"s);
  ASSERT_TRUE(state) << state.error().message;
  EXPECT_EQ(state->tree[0].digest, "");
  EXPECT_EQ(state->tree[1].digest, digest_a);
}

TEST(ReleaseStateTest, TellsWhoseTheLockIsAndWhetherTheHostCanUnpack) {
  const auto state = [](const std::string& lock) {
    return parse_release_state("\0\0"s + lock + "\0\0\0\0"s).value();
  };
  EXPECT_TRUE(state("ours").is_locked && !state("ours").has_gzip);
  EXPECT_TRUE(state("ours gzip").is_locked && state("ours gzip").has_gzip);
  EXPECT_FALSE(state("{}").is_locked || state("{}").has_gzip);
  EXPECT_EQ(state("{}").lock, "{}");
}

TEST(ReleaseStateTest, WhatMakesNoSenseIsRefused) {
  for (const std::string& text : {""s, "r1"s, "../r1\0\0\0\0\0\0"s, "r1\0no json\0\0\0\0\0"s,
                                  "r1\0\0\0\0\0"s, "r1\0\0\0\0\0\0rest"s}) {
    EXPECT_FALSE(parse_release_state(text)) << text;
  }
}

TEST(ReleaseId, IsSafeInAnyPath) {
  EXPECT_TRUE(is_release_id("20261124T093000Z-1a2b3c4"));
  for (const char* text : {"", "-rf", "..", "a/b", "a b", "a;b"}) EXPECT_FALSE(is_release_id(text));
}

Result<> wait_for(int fd) {
  pollfd handle{fd, POLLIN, 0};
  if (::poll(&handle, 1, 10'000) == 1) return {};
  return unreachable("nobody came");
}

TEST(RendezvousTest, AllComeBeforeAnyGoesOn) {
  Rendezvous rendezvous(3);
  std::atomic<int> arrived = 0;
  const auto member = [&] {
    ++arrived;
    const auto all = rendezvous.meet(Meeting::staged, true, wait_for);
    EXPECT_TRUE(all && *all);
    EXPECT_EQ(arrived, 3);
  };
  std::jthread first(member);
  std::jthread second(member);
  member();
}

TEST(RendezvousTest, OneBadVerdictIsEverybodys) {
  Rendezvous rendezvous(2);
  std::jthread other([&] {
    const auto all = rendezvous.meet(Meeting::healthy, true, wait_for);
    EXPECT_TRUE(all && !*all);
  });
  const auto all = rendezvous.meet(Meeting::healthy, false, wait_for);
  EXPECT_TRUE(all && !*all);
}

TEST(RendezvousTest, WhoLeavesKeepsNobodyWaiting) {
  Rendezvous rendezvous(2);
  rendezvous.leave(Meeting::staged);
  const auto staged = rendezvous.meet(Meeting::staged, true, wait_for);
  EXPECT_TRUE(staged && !*staged);
  const auto healthy = rendezvous.meet(Meeting::healthy, true, wait_for);
  EXPECT_TRUE(healthy && !*healthy);
}

}  // namespace
}  // namespace pca::tunnel_ssh
