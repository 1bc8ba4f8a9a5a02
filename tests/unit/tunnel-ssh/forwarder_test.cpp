#include "tunnel-ssh/forwarder.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <future>
#include <utility>

#include "support/fake_ssh.hpp"
#include "support/loopback.hpp"
#include "support/temp_folder.hpp"

namespace pca::tunnel_ssh {
namespace {

using test::FakeSession;

// Made anew by each test: these run in any order, long after the process began.
Budget soon() { return Budget::of(Milliseconds{30'000}); }

constexpr int glance_ms = 10;  // the code under test works on between two looks

ForwardSpec remote(const std::string& text) { return *parse_forward(ForwardKind::remote, text); }

class RemoteForwards : public ::testing::Test {
 protected:
  // Asks the host for the spec's port; gives what it was asked for.
  std::vector<std::string> ask() {
    asked_.clear();
    session_.on_listen = [this](const std::string& address, std::uint16_t port) {
      asked_.push_back(address + "|" + std::to_string(port));
      return grant_(port);
    };
    auto listening = forwarder_->listen_there(soon(), session_,
                                              [this](const std::string& text) { said_ += text; });
    worked_ = listening.has_value();
    return asked_;
  }

  FakeSession session_;
  std::optional<Forwarder> forwarder_;
  std::function<Result<std::uint16_t>(std::uint16_t)> grant_;
  std::vector<std::string> asked_;
  std::string said_;
  bool worked_ = false;
};

TEST_F(RemoteForwards, AskForTheChosenPortAgainAfterALoss) {
  forwarder_ = *Forwarder::open({remote("0:db:5432")});
  grant_ = [](std::uint16_t port) -> Result<std::uint16_t> {
    return static_cast<std::uint16_t>(port == 0 ? 40001 : port);
  };
  EXPECT_EQ(ask(), (std::vector<std::string>{"127.0.0.1|0"}));
  EXPECT_EQ(forwarder_->listening().front().port, 40001);
  EXPECT_EQ(ask(), (std::vector<std::string>{"127.0.0.1|40001"}));
  EXPECT_EQ(said_, "");
}

TEST_F(RemoteForwards, TakeAnotherPortWhenTheChosenOneIsGone) {
  forwarder_ = *Forwarder::open({remote("0:db:5432")});
  grant_ = [](std::uint16_t) -> Result<std::uint16_t> { return std::uint16_t{40001}; };
  (void)ask();
  grant_ = [](std::uint16_t port) -> Result<std::uint16_t> {
    if (port != 0) return failed("refused to listen");
    return std::uint16_t{40002};
  };
  EXPECT_EQ(ask(), (std::vector<std::string>{"127.0.0.1|40001", "127.0.0.1|0"}));
  EXPECT_TRUE(worked_);
  EXPECT_EQ(said_, "0:db:5432: the host listens on port 40002 now");
}

TEST_F(RemoteForwards, NeverTakeAnotherPortThanTheUserNamed) {
  forwarder_ = *Forwarder::open({remote("*:8080:db:5432")});
  grant_ = [](std::uint16_t) -> Result<std::uint16_t> { return failed("refused to listen"); };
  EXPECT_EQ(ask(), (std::vector<std::string>{"|8080"}));
  EXPECT_FALSE(worked_);
}

TEST_F(RemoteForwards, CarryNoMoreThan256ConnectionsAtOnce) {
  auto target = LocalListener::open({"127.0.0.1", 0, {}});
  ASSERT_TRUE(target);
  forwarder_ = *Forwarder::open({remote("0:127.0.0.1:" + std::to_string(target->port()))});
  grant_ = [](std::uint16_t) -> Result<std::uint16_t> { return std::uint16_t{40001}; };
  (void)ask();
  test::ChannelScript idle;
  std::vector<LocalSocket> sockets;  // of the target
  int accepted = 0;
  bool was_waiting = true;
  session_.on_accept = [&]() -> test::ChannelScript* {
    while (auto socket = target->accept()) sockets.push_back(*std::move(socket));
    return ++accepted <= 1000 ? &idle : nullptr;
  };
  // Until all have reached the target, and then nothing moves any more.
  session_.on_wait = [&] {
    pollfd arriving{target->fd(), POLLIN, 0};
    if (sockets.size() < 256) ::poll(&arriving, 1, glance_ms);
    while (auto socket = target->accept()) sockets.push_back(*std::move(socket));
    return std::exchange(was_waiting, sockets.size() < 256);
  };
  (void)forwarder_->serve(soon(), session_, [this](const std::string& text) { said_ += text; });
  EXPECT_EQ(accepted, 256);
  EXPECT_EQ(said_, "");
}

TEST_F(RemoteForwards, ATargetThatDoesNotAnswerHoldsUpNobodyElse) {
  const pca::testing::SilentListener silent("127.0.0.1");
  auto target = LocalListener::open({"127.0.0.1", 0, {}});
  ASSERT_TRUE(target);
  forwarder_ = *Forwarder::open({remote("0:127.0.0.1:" + std::to_string(silent.port())),
                                 remote("0:127.0.0.1:" + std::to_string(target->port()))});
  std::uint16_t next = 40001;
  grant_ = [&](std::uint16_t) -> Result<std::uint16_t> { return next++; };
  (void)ask();
  test::ChannelScript stuck;
  test::ChannelScript lively;
  lively.out = {"hello"};
  lively.at_end = true;
  std::deque<test::ChannelScript*> incoming{&stuck, &lively};
  session_.on_accept = [&]() -> test::ChannelScript* {
    if (incoming.empty()) return nullptr;
    test::ChannelScript* const next_one = incoming.front();
    incoming.pop_front();
    return next_one;
  };
  std::optional<LocalSocket> reached;
  std::string came;
  const auto read_on = [&] {
    std::array<char, 16> buffer{};
    const auto got = reached->read(buffer);
    if (got) came.append(buffer.data(), got->bytes);
  };
  session_.on_wait = [&] {
    pollfd arriving{reached ? reached->fd() : target->fd(), POLLIN, 0};
    ::poll(&arriving, 1, glance_ms);
    if (!reached) reached = target->accept();
    if (reached) read_on();
    return came.size() < 5;
  };
  (void)forwarder_->serve(soon(), session_, [this](const std::string& text) { said_ += text; });
  EXPECT_EQ(came, "hello");
  EXPECT_EQ(said_, "");  // the other target is still being tried
}

TEST(LocalSocketTest, ANameThatNobodyAnswersForEndsWithTheBudget) {
  std::promise<void> test_is_over;
  const std::shared_future<void> end = test_is_over.get_future().share();
  const Resolver silent = [end](const std::string&) -> Result<std::vector<std::string>> {
    end.wait();
    return std::vector<std::string>{};
  };
  const auto socket =
      connect_local(Budget::of(Milliseconds{20}), {"db.internal", 5432, {}}, silent);
  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().message, "timed out while looking up \"db.internal\"");
  test_is_over.set_value();
}

TEST(LocalListenerTest, ReplacesASocketThatADeadProcessLeftAndNothingElse) {
  const test::TempFolder folder;
  const Endpoint endpoint{{}, 0, folder.path("s.sock")};
  {
    auto listener = LocalListener::open(endpoint);
    ASSERT_TRUE(listener);
    const auto second = LocalListener::open(endpoint);  // it still listens
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message,
              "cannot listen on " + endpoint.path + ": address already in use");
    struct stat status {};
    ::stat(endpoint.path.c_str(), &status);
    EXPECT_EQ(status.st_mode & 0777U, 0700U);
    ASSERT_EQ(::link(endpoint.path.c_str(), folder.path("kept").c_str()), 0);
  }
  EXPECT_NE(::access(endpoint.path.c_str(), F_OK), 0);  // gone with the listener
  ASSERT_EQ(::rename(folder.path("kept").c_str(), endpoint.path.c_str()), 0);
  EXPECT_TRUE(LocalListener::open(endpoint));
  folder.write("s.sock", "a file of the user's");
  EXPECT_FALSE(LocalListener::open(endpoint));
  EXPECT_EQ(folder.read("s.sock"), "a file of the user's");
}

TEST(LocalListenerTest, RefusesWhatIsNoAddressOfThisMachine) {
  for (const char* host : {"db.internal", "192.0.2.1"}) {
    EXPECT_FALSE(LocalListener::open({host, 0, {}})) << host;
  }
}

}  // namespace
}  // namespace pca::tunnel_ssh
