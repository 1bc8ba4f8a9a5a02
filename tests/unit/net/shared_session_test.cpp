// The guest's end of an open session, against a holder that the test plays.

#include "net/shared_session.hpp"

#include <gtest/gtest.h>

#include <array>
#include <future>

#include "support/temp_folder.hpp"

namespace pca {
namespace {

constexpr Milliseconds patience{10'000};

class SharedSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    settings_.user = "deploy";
    settings_.session_folder = temp_.path("sessions");
    auto folder = SessionFolder::make(settings_.session_folder);
    ASSERT_TRUE(folder) << folder.error().message;
    const auto identity = session_identity(settings_, host_);
    ASSERT_TRUE(identity) << identity.error().message;
    auto listener = folder->listen(identity->digest());
    ASSERT_TRUE(listener) << listener.error().message;
    listener_ = *std::move(listener);

    auto attached = std::async(std::launch::async, [&] {
      return attach_session(Budget::of(patience), settings_, host_, [](const std::string&) {});
    });
    presence_ = admit();
    auto session = attached.get();
    ASSERT_TRUE(session) << session.error().message;
    session_ = *std::move(session);
    ASSERT_NE(session_, nullptr);
  }

  // Takes in the guest's next connection and gives it what it asks for.
  std::unique_ptr<SessionSocket> admit() {
    const std::array handles{PollHandle{listener_.get(), POLLIN}};
    const Budget budget = Budget::of(patience);
    if (!wait_ready(budget, handles, budget.deadline(), "waiting for the guest")) return nullptr;
    auto socket = std::make_unique<SessionSocket>(accept_own(listener_));
    while (!budget.is_over()) {
      const auto frame = socket->front();
      if (!frame) return nullptr;
      if (*frame) break;
      const std::array request{socket->poll_handle()};
      (void)wait_ready(budget, request, budget.deadline(), "waiting for the request");
    }
    socket->pop();
    socket->send(SessionFrameType::opened);
    EXPECT_TRUE(socket->flush().value_or(false));
    return socket;
  }

  std::unique_ptr<SshChannel> open_channel() {
    std::unique_ptr<SshChannel> channel = session_->begin_exec("cat >/dev/null");
    holder_ = admit();
    const Budget budget = Budget::of(patience);
    while (!channel->is_open() && !budget.is_over()) turn();
    return channel;
  }

  // One turn of the guest's loop, in which it has nothing to say itself.
  void turn() {
    const auto turned =
        session_->wait(Budget::of(patience), {}, Clock::now() + Milliseconds{5}, "testing");
    EXPECT_TRUE(turned) << turned.error().message;
  }

  // Writes until the socket is full. Gives how much the channel has taken.
  static std::size_t fill(SshChannel& channel) {
    const std::string chunk(longest_session_payload, 'x');
    std::size_t taken = 0;
    for (;;) {
      const auto wrote = channel.write(chunk);
      EXPECT_TRUE(wrote);
      if (!wrote || *wrote == 0) return taken;
      taken += *wrote;
    }
  }

  // How much data the holder finds in its socket now.
  std::size_t take_what_came() {
    std::size_t bytes = 0;
    for (;;) {
      const auto frame = holder_->front();
      EXPECT_TRUE(frame);
      if (!frame || !*frame) return bytes;
      if ((*frame)->type == SessionFrameType::data) bytes += (*frame)->payload.size();
      holder_->pop();
    }
  }

  test::TempFolder temp_;
  ConnectionSettings settings_;
  HostAddress host_{{}, "web1", 22};
  FileDescriptor listener_;
  std::unique_ptr<SessionSocket> presence_;
  std::unique_ptr<SessionSocket> holder_;
  std::unique_ptr<SshSession> session_;
};

TEST_F(SharedSessionTest, WhatDidNotFitIntoTheSocketFollowsThoughNobodyWritesMore) {
  const auto channel = open_channel();
  ASSERT_TRUE(channel->is_open());
  const std::size_t written = fill(*channel);
  ASSERT_GT(written, 0U);
  std::size_t came = 0;
  const Budget budget = Budget::of(patience);
  while (came < written && !budget.is_over()) {
    came += take_what_came();
    turn();
  }
  EXPECT_EQ(came, written);
}

TEST_F(SharedSessionTest, ThereIsNewsWhenAFullSocketTakesMoreAgain) {
  const auto channel = open_channel();
  ASSERT_TRUE(channel->is_open());
  (void)fill(*channel);
  (void)take_what_came();
  // A loop that waits long for its peer has to be woken to write on.
  const auto woken = session_->wait(Budget::of(patience), {}, Clock::time_point::max(), "testing");
  ASSERT_TRUE(woken) << woken.error().message;
  const auto wrote = channel->write(std::string_view("more"));
  ASSERT_TRUE(wrote);
  EXPECT_EQ(*wrote, 4U);
}

TEST_F(SharedSessionTest, ServiceSaysWhenAllHasGone) {
  const auto channel = open_channel();
  ASSERT_TRUE(channel->is_open());
  (void)fill(*channel);
  auto all_gone = session_->service();
  ASSERT_TRUE(all_gone);
  EXPECT_FALSE(*all_gone);
  const Budget budget = Budget::of(patience);
  while (all_gone && !*all_gone && !budget.is_over()) {
    (void)take_what_came();
    all_gone = session_->service();
  }
  ASSERT_TRUE(all_gone);
  EXPECT_TRUE(*all_gone);
}

TEST_F(SharedSessionTest, AHolderThatEndsWhileTheSocketIsFullIsNamed) {
  const auto channel = open_channel();
  ASSERT_TRUE(channel->is_open());
  (void)fill(*channel);
  holder_.reset();
  std::array<char, 16> buffer{};
  Result<ByteStream::Read> got{ByteStream::Read{}};
  const Budget budget = Budget::of(patience);
  while (got && !budget.is_over()) {
    turn();
    got = channel->read(buffer);
  }
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::unreachable);
  EXPECT_NE(got.error().message.find("web1"), std::string::npos) << got.error().message;
}

}  // namespace
}  // namespace pca
