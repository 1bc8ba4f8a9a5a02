#include "net/session_socket.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <filesystem>

#include "support/temp_folder.hpp"

namespace pca {
namespace {

namespace fs = std::filesystem;

const std::string name(64, 'a');

class SessionFolderTest : public ::testing::Test {
 protected:
  SessionFolder folder() {
    auto made = SessionFolder::make(path_);
    if (!made) throw std::runtime_error(made.error().message);
    return *std::move(made);
  }
  static std::string why(const Result<SessionFolder>& opened) {
    return opened ? "opened" : opened.error().message;
  }
  test::TempFolder temp_;
  std::string path_ = temp_.path("sessions");
};

TEST_F(SessionFolderTest, FramesComeThroughASocketThatOnlyItsOwnerReaches) {
  const SessionFolder sessions = folder();
  const auto listener = sessions.listen(name);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(sessions.names(), std::vector<std::string>{name});
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(fs::path(path_) / name).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  auto client = sessions.connect(name);
  ASSERT_TRUE(client);
  FileDescriptor accepted = accept_own(*listener);
  ASSERT_TRUE(accepted.is_open());
  EXPECT_EQ(peer_process(accepted.get()), ::getpid());
  SessionSocket server(std::move(accepted));
  client->send(SessionFrameType::data, "hello");
  ASSERT_TRUE(client->flush());
  const auto frame = server.front();
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->payload, "hello");
  EXPECT_FALSE(accept_own(*listener).is_open());
}

TEST_F(SessionFolderTest, ASocketThatNobodyListensAtIsRemovedByWhoeverFindsIt) {
  const SessionFolder sessions = folder();
  { const auto dead = sessions.listen(name); }
  ASSERT_EQ(sessions.names().size(), 1U);
  EXPECT_FALSE(sessions.connect(name));
  EXPECT_TRUE(sessions.names().empty());
}

TEST_F(SessionFolderTest, OnlyOneListensAtATimeAndADeadOneIsReplaced) {
  const SessionFolder sessions = folder();
  {
    const auto first = sessions.listen(name);
    ASSERT_TRUE(first);
    const auto second = sessions.listen(name);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  }
  EXPECT_TRUE(sessions.listen(name));
}

TEST_F(SessionFolderTest, AFolderThatOthersMayEnterIsNotTrusted) {
  fs::create_directory(path_);
  fs::permissions(path_, fs::perms::owner_all | fs::perms::group_exec);
  EXPECT_EQ(why(SessionFolder::make(path_)),
            path_ + " belongs to somebody else or is open to others");
  fs::permissions(path_, fs::perms::owner_all);
  EXPECT_EQ(why(SessionFolder::make(path_)), "opened");
}

TEST_F(SessionFolderTest, ALinkToAFolderIsNotFollowed) {
  fs::create_directory(temp_.path("elsewhere"));
  fs::create_directory_symlink(temp_.path("elsewhere"), path_);
  EXPECT_NE(why(SessionFolder::make(path_)), "opened");
}

TEST_F(SessionFolderTest, WhatIsNoSessionsSocketIsNotListed) {
  const SessionFolder sessions = folder();
  temp_.write("sessions/lock", "");
  temp_.write("sessions/" + name + ".17", "");
  temp_.write("sessions/" + std::string(64, 'Z'), "");
  EXPECT_TRUE(sessions.names().empty());
}

TEST_F(SessionFolderTest, TheLockWaitsAndGivesUpWithItsBudget) {
  const SessionFolder sessions = folder();
  auto held = sessions.lock(Budget::of(Milliseconds{1000}));
  ASSERT_TRUE(held);
  const auto second = sessions.lock(Budget::of(Milliseconds{30}));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::unreachable);
  held->reset();
  EXPECT_TRUE(sessions.lock(Budget::of(Milliseconds{1000})));
}

}  // namespace
}  // namespace pca
