#include "tunnel-ssh/forwarder.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
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

TEST(LocalListenerTest, AStarIsAllAddressesOfBothFamilies) {
  auto listener = LocalListener::open({"*", 0, {}});
  ASSERT_TRUE(listener);
  for (const char* host : {"127.0.0.1", "::1"}) {
    ASSERT_TRUE(connect_local(soon(), {host, listener->port(), {}})) << host;
    EXPECT_TRUE(listener->accept()) << host;
  }
}

// How many descriptors this process may have, for as long as it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit lower{limit, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &lower);
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST(LocalListenerTest, RestsWhenNoDescriptorIsLeft) {
  auto listener = LocalListener::open({"127.0.0.1", 0, {}});
  ASSERT_TRUE(listener);
  const auto client = connect_local(soon(), {"127.0.0.1", listener->port(), {}});
  ASSERT_TRUE(client);
  {
    const DescriptorLimit none(static_cast<rlim_t>(client->fd()) + 1);
    EXPECT_FALSE(listener->accept());
  }
  // Not asked for, because poll() would tell of the same connection again and again.
  const PollHandle resting = listener->poll_handle();
  EXPECT_EQ(resting.fd, -1);
  ASSERT_NE(resting.wake_at, Clock::time_point::max());
  (void)wait_ready(soon(), {}, resting.wake_at, "resting");
  EXPECT_EQ(listener->poll_handle().fd, listener->fd());
  EXPECT_TRUE(listener->accept());
}

// A forward of its own for SOCKS clients; `client` looks at its sockets until it says that it is
// done.
class SocksForwards : public ::testing::Test {
 protected:
  void SetUp() override {
    forwarder_ = *Forwarder::open({*parse_forward(ForwardKind::dynamic, "0")});
  }
  [[nodiscard]] LocalSocket connect() const {
    return *connect_local(soon(), {"127.0.0.1", forwarder_->listening().front().port, {}});
  }
  // Serves until the socket has come to its end.
  void serve_until_end_of(LocalSocket& socket) {
    session_.on_wait = [&] {
      pollfd handle{socket.fd(), POLLIN, 0};
      ::poll(&handle, 1, glance_ms);
      std::array<char, 16> buffer{};
      const auto read = socket.read(buffer);
      return read && !read->end;
    };
    (void)forwarder_->serve(soon(), session_, [this](const std::string& text) { said_ += text; });
  }

  FakeSession session_;
  std::optional<Forwarder> forwarder_;
  std::string said_;
};

TEST_F(SocksForwards, AClientThatSaysNothingIsLetGoQuietly) {
  LocalSocket silent = connect();
  const Clock::time_point begin = Clock::now();
  serve_until_end_of(silent);
  EXPECT_GE(Clock::now() - begin, Milliseconds{9'000});  // a slow client is not cut off
  EXPECT_EQ(said_, "");
}

TEST_F(SocksForwards, AClientThatStopsInMidSentenceIsTold) {
  LocalSocket slow = connect();
  ASSERT_TRUE(slow.write(std::string_view("\x05")));
  serve_until_end_of(slow);
  EXPECT_EQ(said_, "a SOCKS client did not say within 10s what it wants");
}

TEST_F(SocksForwards, AClientThatLeavesAtOnceIsNoNews) {
  LocalSocket leaves = connect();
  leaves.end_writing();
  serve_until_end_of(leaves);
  EXPECT_EQ(said_, "");
}

TEST_F(SocksForwards, AClientThatLeavesInMidSentenceIsTold) {
  LocalSocket leaves = connect();
  ASSERT_TRUE(leaves.write(std::string_view("\x05")));
  leaves.end_writing();
  serve_until_end_of(leaves);
  EXPECT_EQ(said_, "a SOCKS client left before it said what it wants");
}

}  // namespace
}  // namespace pca::tunnel_ssh
