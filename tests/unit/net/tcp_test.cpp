#include "net/tcp.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <thread>

#include "support/loopback.hpp"

namespace pca {
namespace {

using testing::ClosedPort;
using testing::Listener;
using testing::SilentListener;

const Milliseconds patience{20'000};

Resolver answering(std::vector<std::string> addresses) {
  return [addresses](const std::string&) { return addresses; };
}

// Gives a test's promise to a look-up that nobody waits for any more, so that it ends with the
// test.
struct StuckResolver {
  std::shared_ptr<std::promise<void>> release = std::make_shared<std::promise<void>>();
  std::shared_ptr<std::promise<void>> started = std::make_shared<std::promise<void>>();
  std::shared_ptr<std::promise<void>> ended = std::make_shared<std::promise<void>>();

  [[nodiscard]] Resolver resolver() const {
    return [release = release->get_future().share(), started = started,
            ended = ended](const std::string&) -> Result<std::vector<std::string>> {
      started->set_value();
      release.wait();
      ended->set_value();
      return std::vector<std::string>{"127.0.0.1"};
    };
  }
  ~StuckResolver() {
    release->set_value();
    ended->get_future().wait();
  }
};

Result<std::string> read_some(ByteStream& stream) {
  const Budget budget = Budget::of(patience);
  std::string text(100, '\0');
  while (true) {
    PCA_TRY(const ByteStream::Read got, stream.read(text));
    if (got.bytes > 0 || got.end) {
      text.resize(got.bytes);
      return text;
    }
    const PollHandle handle = stream.poll_handle();
    PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), "reading"));
  }
}

TEST(Tcp, CarriesBytesBothWaysWithoutDelay) {
  const Listener listener;
  auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", listener.port());
  ASSERT_TRUE(stream) << stream.error().message;
  const FileDescriptor peer = listener.accept();
  EXPECT_EQ((*stream)->peer(), "127.0.0.1:" + std::to_string(listener.port()));

  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ::getsockopt((*stream)->poll_handle().fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_NE(no_delay, 0);

  EXPECT_EQ((*stream)->write(std::string("ping")), std::size_t{4});
  std::array<char, 10> got{};
  EXPECT_EQ(::recv(peer.get(), got.data(), got.size(), 0), 4);
  ASSERT_EQ(::send(peer.get(), "pong", 4, MSG_NOSIGNAL), 4);
  EXPECT_EQ(read_some(**stream), "pong");
  EXPECT_EQ((*stream)->service(), true);
}

TEST(Tcp, ReportsTheEndAndWouldBlockApart) {
  const Listener listener;
  auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", listener.port());
  ASSERT_TRUE(stream) << stream.error().message;
  FileDescriptor peer = listener.accept();
  std::array<char, 10> buffer{};
  auto nothing = (*stream)->read(buffer);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->end);
  EXPECT_EQ(nothing->bytes, 0U);
  peer.reset();
  EXPECT_EQ(read_some(**stream), "");
  auto end = (*stream)->read(buffer);
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->end);
}

TEST(Tcp, TakesNoMoreThanThePeerDoes) {
  const Listener listener;
  auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", listener.port());
  ASSERT_TRUE(stream) << stream.error().message;
  const FileDescriptor peer = listener.accept();
  const std::string block(1 << 20, 'x');
  std::size_t sent = 0;
  while (true) {
    auto taken = (*stream)->write(block);
    ASSERT_TRUE(taken) << taken.error().message;
    if (*taken == 0) break;
    sent += *taken;
    ASSERT_LT(sent, std::size_t{1} << 30);
  }
  EXPECT_GT(sent, 0U);
}

TEST(Tcp, ClosesTwiceAndLetsThePeerReadEverythingFirst) {
  const Listener listener;
  auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", listener.port());
  ASSERT_TRUE(stream) << stream.error().message;
  const FileDescriptor peer = listener.accept();
  ASSERT_EQ(::send(peer.get(), "unread", 6, MSG_NOSIGNAL), 6);
  ASSERT_EQ((*stream)->write(std::string("last words")), std::size_t{10});
  EXPECT_TRUE((*stream)->close(Budget::of(patience)));
  EXPECT_TRUE((*stream)->close(Budget::of(patience)));
  std::array<char, 20> got{};
  EXPECT_EQ(::recv(peer.get(), got.data(), got.size(), 0), 10);
  EXPECT_EQ(::recv(peer.get(), got.data(), got.size(), 0), 0);
}

TEST(Tcp, NamesAResetAsSomethingThatMayPass) {
  const Listener listener;
  auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", listener.port());
  ASSERT_TRUE(stream) << stream.error().message;
  FileDescriptor peer = listener.accept();
  const linger abort{1, 0};
  ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
  peer.reset();
  const auto got = read_some(**stream);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(got.error().transient);
  EXPECT_EQ(got.error().message,
            "the connection to " + (*stream)->peer() + " broke: connection reset by peer");
}

TEST(Tcp, ARefusedConnectionMayPass) {
  const ClosedPort port;
  const auto stream = connect_tcp(Budget::of(patience), "127.0.0.1", port.port());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(stream.error().transient);
  EXPECT_EQ(stream.error().message,
            "cannot connect to 127.0.0.1:" + std::to_string(port.port()) + ": connection refused");
  EXPECT_EQ(stream.error().hint,
            "Check that a server listens on this port and that no firewall refuses it.");
}

TEST(Tcp, NamesEveryAddressThatFailed) {
  const ClosedPort port;
  const auto stream = connect_tcp(Budget::of(patience), "two.example", port.port(),
                                  answering({"127.0.0.1", "127.0.0.2"}));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().message, "cannot connect to two.example:" + std::to_string(port.port()) +
                                        ": connection refused (127.0.0.1), "
                                        "connection refused (127.0.0.2)");
}

TEST(Tcp, GoesOnToTheNextAddressAtOnceWhenOneRefuses) {
  const Listener listener("127.0.0.99");
  std::vector<std::string> addresses;
  for (int last = 2; last < 22; ++last) addresses.push_back("127.0.0." + std::to_string(last));
  addresses.emplace_back("127.0.0.99");
  const auto start = Clock::now();
  auto stream =
      connect_tcp(Budget::of(patience), "many.example", listener.port(), answering(addresses));
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_LT(Clock::now() - start, Milliseconds{20 * 250 / 2});
}

TEST(Tcp, DoesNotWaitForASilentAddress) {
  const SilentListener silent("127.0.0.2");
  const Listener listener("127.0.0.3", silent.port());
  const auto start = Clock::now();
  auto stream = connect_tcp(Budget::of(patience), "two.example", listener.port(),
                            answering({"127.0.0.2", "127.0.0.3"}));
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_GE(Clock::now() - start, Milliseconds{250});
  EXPECT_LT(Clock::now() - start, Milliseconds{5'000});
  EXPECT_TRUE(listener.accept().is_open());
}

TEST(Tcp, TriesTheOtherFamilySecond) {
  // The preferred family is silent on all its addresses: the other one must not come last.
  std::vector<std::unique_ptr<SilentListener>> silent;
  std::vector<std::string> addresses;
  for (int last = 2; last < 14; ++last) {
    addresses.push_back("127.0.0." + std::to_string(last));
    silent.push_back(std::make_unique<SilentListener>(addresses.back().c_str(),
                                                      silent.empty() ? 0 : silent[0]->port()));
  }
  addresses.emplace_back("::1");
  const FileDescriptor ipv6(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(silent[0]->port());
  address.sin6_addr = in6addr_loopback;
  if (!ipv6.is_open() ||
      ::bind(ipv6.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    GTEST_SKIP() << "this machine has no IPv6 loopback";
  }
  ASSERT_EQ(::listen(ipv6.get(), 1), 0);
  const auto start = Clock::now();
  auto stream =
      connect_tcp(Budget::of(patience), "both.example", silent[0]->port(), answering(addresses));
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_LT(Clock::now() - start, Milliseconds{12 * 250 / 2});
}

TEST(Tcp, TimesOutOnASilentAddress) {
  const SilentListener silent("127.0.0.1");
  const auto stream = connect_tcp(Budget::of(Milliseconds{50}), "127.0.0.1", silent.port());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(stream.error().transient);
  EXPECT_EQ(stream.error().message,
            "timed out while connecting to 127.0.0.1:" + std::to_string(silent.port()));
}

TEST(Tcp, IsCancelledWhileConnecting) {
  const SilentListener silent("127.0.0.1");
  std::stop_source stop;
  std::jthread canceller([&] { stop.request_stop(); });
  const auto stream =
      connect_tcp(Budget::of(patience, stop.get_token()), "127.0.0.1", silent.port());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::cancelled);
}

TEST(Tcp, ABudgetHoldsOverAStuckResolver) {
  const StuckResolver stuck;
  const auto stream =
      connect_tcp(Budget::of(Milliseconds{20}), "slow.example", 22, stuck.resolver());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().message, "timed out while looking up \"slow.example\"");
  EXPECT_TRUE(stream.error().transient);
}

TEST(Tcp, IsCancelledWhileLookingUpAName) {
  const StuckResolver stuck;
  std::stop_source stop;
  std::jthread canceller([&] {
    stuck.started->get_future().wait();
    stop.request_stop();
  });
  const auto stream =
      connect_tcp(Budget::of(patience, stop.get_token()), "slow.example", 22, stuck.resolver());
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::cancelled);
}

TEST(Tcp, NeverAsksAboutNumericAddresses) {
  const ClosedPort port;
  const Resolver forbidden = [](const std::string&) -> Result<std::vector<std::string>> {
    ADD_FAILURE() << "asked";
    return std::vector<std::string>{};
  };
  EXPECT_FALSE(connect_tcp(Budget::of(patience), "127.0.0.1", port.port(), forbidden));
  EXPECT_FALSE(connect_tcp(Budget::of(Milliseconds{50}), "::1", port.port(), forbidden));
}

TEST(Tcp, AnUnknownNameIsTriedAgainAndVisible) {
  const auto stream = connect_tcp(Budget::of(patience), "no\nhost", 22, answering({}));
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::unreachable);
  EXPECT_TRUE(stream.error().transient);
  EXPECT_EQ(stream.error().message, "the host name \"no\\x0Ahost\" is not known");
  EXPECT_EQ(stream.error().hint,
            "Check its spelling. Only DNS and /etc/hosts are asked, not mDNS or sssd.");
}

TEST(Tcp, TheSystemKnowsLocalhost) {
  const auto addresses = resolve_host("localhost");
  ASSERT_TRUE(addresses) << addresses.error().message;
  EXPECT_NE(std::find(addresses->begin(), addresses->end(), "127.0.0.1"), addresses->end());
}

}  // namespace
}  // namespace pca
