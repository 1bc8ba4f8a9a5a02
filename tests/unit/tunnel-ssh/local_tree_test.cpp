#include "tunnel-ssh/local_tree.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

namespace fs = std::filesystem;
using test::TempFolder;

std::string digest_of(std::string_view text) { return to_hex(sha256(text)).substr(0, 16); }

// A host sends two files into a folder with an old one.
class LocalTrees : public ::testing::Test {
 protected:
  LocalTrees() {
    folder_.write("old", "old");
    plan_.uploads = {{.path = "a", .digest = digest_of("hello")},
                     {.path = "empty", .digest = digest_of("")},
                     {.path = "old", .is_executable = true, .digest = digest_of("new")}};
    plan_.moves[""] = {"a", "empty", "old"};
  }
  // All of it; an error's message, or "".
  std::string run(std::string_view bytes, std::size_t piece) {
    LocalTree tree(folder_.path(), plan_);
    Result<> done = tree.begin();
    while (done && !bytes.empty()) {
      done = tree.take(bytes.substr(0, piece));
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    if (done) done = tree.apply();
    return done ? "" : done.error().message;
  }
  void expect_nothing_changed() const {
    EXPECT_EQ(folder_.read("old"), "old");
    EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()), 1);
  }

  TempFolder folder_;
  SyncPlan plan_;
};

TEST_F(LocalTrees, WhatTheHostSendsIsPutInPlaceHoweverItIsCut) {
  for (const std::size_t piece : {1U, 3U, 100U}) {
    folder_.write("old", "old");
    EXPECT_EQ(run("5\n0\n3\n\nhellonew", piece), "");
    EXPECT_EQ(folder_.read("a"), "hello");
    EXPECT_EQ(folder_.read("empty"), "");
    EXPECT_EQ(folder_.read("old"), "new");
    EXPECT_NE(fs::status(folder_.path("old")).permissions() & fs::perms::owner_exec,
              fs::perms::none);
  }
}

TEST_F(LocalTrees, WhatMadeRoomComesBackWhenNothingTakesItsPlace) {
  plan_.replaced = {"old"};
  plan_.moves[""] = {"never came", "old"};
  EXPECT_NE(run("5\n0\n3\n\nhellonew", 100).find("cannot put in place"), std::string::npos);
  expect_nothing_changed();
}

TEST_F(LocalTrees, WhatIsNotWhatWasListedChangesNothing) {
  for (const auto& [bytes, message] : std::vector<std::pair<std::string, std::string>>{
           {"5\n0\n3\n\nhellonex", "old changed on the host while it was read"},
           {"5\n0\n3\n\nhellone", "what the host sent was cut short"},
           {"5\n0\n3\n\nhellonew!", "the host sent more than it said"},
           {"5\n0\n", "what the host sent was cut short"},
           {"5\n0\n\nhello", "the host's sizes cannot be read"},
           {"5\n0\n3\n4\n", "the host's sizes cannot be read"},
           {"-5\n", "the host's sizes cannot be read"},
           {std::string(21, '1'), "the host's sizes cannot be read"},
           {"", "what the host sent was cut short"}}) {
    EXPECT_EQ(run(bytes, 100), message) << bytes;
    expect_nothing_changed();
  }
}

TEST(LocalTree, ALinkStaysWithinOrLeadsOut) {
  for (const auto& [path, target] : std::vector<std::pair<std::string, std::string>>{
           {"l", "x"}, {"l", "./x/../y"}, {"a/l", "../x"}, {"a/b/l", "../../x/y"}, {"l", "..x"}}) {
    EXPECT_TRUE(stays_within(path, target)) << path << " -> " << target;
  }
  for (const auto& [path, target] :
       std::vector<std::pair<std::string, std::string>>{{"l", "/x"},
                                                        {"l", ".."},
                                                        {"l", "a/../../x"},
                                                        {"a/l", "../../x"},
                                                        {"l", ""},
                                                        {"a/l", "../../a/x"}}) {
    EXPECT_FALSE(stays_within(path, target)) << path << " -> " << target;
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
