#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <fstream>

#include <atomic>
#include <csignal>
#include <thread>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "support/delay_proxy.hpp"
#include "support/loopback.hpp"
#include "support/noise.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/ssh_client.hpp"
#include "support/test_keys.hpp"

namespace pca {
namespace {

using namespace test;

// An sshd that one Ed25519 key opens.
class SshSessionTest : public ::testing::Test {
 protected:
  void SetUp() override { PCA_REQUIRE(Sshd::missing()); }

  void start(SshdSettings settings = {}) {
    key_ = make_key(folder_, "user", {"-t", "ed25519"});
    settings.authorized_keys += key_.public_line + "\n";
    server_ = std::make_unique<Sshd>(settings);
    client_ = std::make_unique<SshClient>(*server_);
    client_->use_key(key_.private_text);
  }
  // The session to work with; `start()` unless that was called.
  SshSession& session() {
    if (server_ == nullptr) start();
    if (session_ == nullptr) session_ = client_->session();
    if (session_ == nullptr) throw std::runtime_error("no session");
    return *session_;
  }
  Error login_error() {
    const auto opened = client_->open();
    if (!opened) return opened.error();
    ADD_FAILURE() << "the login succeeded";
    return {};
  }

  TempFolder folder_;
  KeyPair key_;
  std::unique_ptr<Sshd> server_;
  std::unique_ptr<SshClient> client_;
  std::unique_ptr<SshSession> session_;
};

TEST_F(SshSessionTest, ACommandRunsWithItsOutputsApart) {
  const Ran ran = run_command(session(), "echo out; echo err >&2; exit 42");
  EXPECT_FALSE(ran.error) << ran.error->message;
  EXPECT_EQ(ran.out, "out\n");
  EXPECT_EQ(ran.err, "err\n");
  ASSERT_TRUE(ran.exit);
  EXPECT_EQ(ran.exit->code, 42);
  EXPECT_EQ(ran.exit->signal, "");
  EXPECT_TRUE(session().close(seconds(5)));
  EXPECT_TRUE(session().close(seconds(5)));
  EXPECT_TRUE(server_->wait_for_log("Disconnected from user"));
}

TEST_F(SshSessionTest, WhatWasLearntIsTold) {
  session();
  const SshFacts& facts = client_->facts;
  EXPECT_EQ(facts.host_key.type, "ssh-ed25519");
  EXPECT_EQ(facts.host_key.fingerprint(), server_->fingerprint("ed25519"));
  EXPECT_EQ(facts.verdict, HostKeyVerdict::trusted);
  EXPECT_TRUE(facts.server_banner.starts_with("SSH-2.0-OpenSSH_")) << facts.server_banner;
  EXPECT_EQ(facts.kex, "curve25519-sha256");
  // sshd offers chacha20 too, and first; a processor without instructions for AES wants that.
  std::ifstream processor("/proc/cpuinfo");
  const std::string flags{std::istreambuf_iterator<char>(processor), {}};
  const bool has_aes = flags.find(" aes ") != std::string::npos;
  EXPECT_EQ(facts.cipher.find("-gcm@openssh.com") != std::string::npos, has_aes) << facts.cipher;
  EXPECT_EQ(facts.auth_method, "publickey (ed25519)");
  EXPECT_GT(facts.kex_ms, 0);
  EXPECT_GT(facts.auth_ms, 0);
}

TEST_F(SshSessionTest, ASignalThatEndsACommandIsTold) {
  const Ran ran = run_command(session(), "kill -KILL $$");
  ASSERT_TRUE(ran.exit);
  EXPECT_EQ(ran.exit->code, 128 + SIGKILL);
  EXPECT_EQ(ran.exit->signal, "KILL");
}

TEST_F(SshSessionTest, OpenSshDoesNotNameEverySignal) {
  const Ran ran = run_command(session(), "kill -BUS $$");
  ASSERT_TRUE(ran.exit);
  EXPECT_EQ(ran.exit->code, 128);
  EXPECT_EQ(ran.exit->signal, SshChannel::unnamed_signal);
}

// OpenSSH passes signals on for ordinary users only, never for root.
TEST_F(SshSessionTest, ASignalIsPassedToTheWholeProcessGroup) {
  if (::geteuid() == 0) {
    PCA_REQUIRE(Sshd::missing(true));
    start({.has_tester = true});
  }
  auto channel = session().exec(seconds(10), "sleep 300 & echo $!; wait");
  ASSERT_TRUE(channel);
  std::string buffer(100, '\0');
  std::string child;
  while (child.empty()) {
    ASSERT_TRUE(session().wait(seconds(10), {}, Clock::time_point::max(), "waiting"));
    const auto got = (*channel)->read(buffer);
    ASSERT_TRUE(got);
    child = buffer.substr(0, got->bytes);
  }
  ASSERT_TRUE((*channel)->send_signal("TERM"));
  const Ran ran = run_to_end(session(), **channel, {}, seconds(10));
  ASSERT_TRUE(ran.exit);
  EXPECT_EQ(ran.exit->signal, "TERM");
  EXPECT_EQ(ran.exit->code, 128 + SIGTERM);
  EXPECT_TRUE(ends(std::stoi(child))) << "the child of the shell lives on";
}

TEST_F(SshSessionTest, TheExitIsKnownWhileSomethingStillHoldsTheOutput) {
  auto channel = session().exec(seconds(10), "read -r go; sleep 300 & echo $!; exit 0");
  ASSERT_TRUE(channel);
  EXPECT_FALSE((*channel)->exit());
  std::string go = "\n";  // which a server takes only once it has started the command
  std::string buffer(100, '\0');
  std::string child;
  while (!(*channel)->exit() || child.empty()) {
    const auto sent = (*channel)->write(go);
    ASSERT_TRUE(sent);
    go.erase(0, *sent);
    const auto got = (*channel)->read(buffer);
    ASSERT_TRUE(got);
    child += buffer.substr(0, got->bytes);
    if (*sent + got->bytes > 0) continue;
    ASSERT_TRUE(session().wait(seconds(10), {}, Clock::time_point::max(), "waiting"));
  }
  EXPECT_EQ((*channel)->exit()->code, 0);
  EXPECT_FALSE((*channel)->is_at_end());
  ::kill(std::stoi(child), SIGKILL);
}

TEST_F(SshSessionTest, SixtyFourMebibytesArriveUnchangedBothWays) {
  const std::string sent = noise(std::size_t{64} << 20U);
  const Ran up = run_command(session(), "sha256sum", sent);
  EXPECT_EQ(up.out.substr(0, 64), to_hex(sha256(sent)));
  const Ran both = run_command(session(), "cat", sent);
  EXPECT_FALSE(both.error);
  EXPECT_EQ(to_hex(sha256(both.out)), to_hex(sha256(sent)));
}

TEST_F(SshSessionTest, KeysCanBeExchangedAgainInMidTransfer) {
  start({.config = "RekeyLimit 1M"});
  const std::string sent = noise(std::size_t{16} << 20U);
  const Ran both = run_command(session(), "cat", sent);
  EXPECT_FALSE(both.error) << both.error->message;
  EXPECT_EQ(to_hex(sha256(both.out)), to_hex(sha256(sent)));
  const Ran up = run_command(session(), "sha256sum", sent);
  EXPECT_EQ(up.out.substr(0, 64), to_hex(sha256(sent)));
}

TEST_F(SshSessionTest, ACommandNeedNotReadItsInput) {
  const Ran ran = run_command(session(), "head -c 1 >/dev/null; exit 3", noise(8U << 20U));
  EXPECT_FALSE(ran.error) << ran.error->message;
  ASSERT_TRUE(ran.exit);
  EXPECT_EQ(ran.exit->code, 3);

  auto channel = session().exec(seconds(10), "true");
  ASSERT_TRUE(channel);
  for (bool is_closed = false; !is_closed;) {
    ASSERT_TRUE(session().wait(seconds(10), {}, Clock::now() + Milliseconds{20}, "waiting"));
    const auto taken = (*channel)->write(std::string_view("x"));
    ASSERT_TRUE(taken);
    is_closed = (*channel)->is_at_end() && *taken == 0;
  }
}

TEST_F(SshSessionTest, SeveralCommandsRunAtOnce) {
  std::vector<std::unique_ptr<SshChannel>> channels;
  for (int i = 0; i < 8; ++i) {
    auto channel = session().exec(seconds(10), "cat; echo " + std::to_string(i));
    ASSERT_TRUE(channel);
    channels.push_back(*std::move(channel));
  }
  for (int i = 7; i >= 0; --i) {
    const Ran ran = run_to_end(session(), *channels[static_cast<std::size_t>(i)], "x", seconds(10));
    EXPECT_EQ(ran.out, "x" + std::to_string(i) + "\n");
  }
}

TEST_F(SshSessionTest, AChannelTooManyIsRefusedWithTheReason) {
  start({.config = "MaxSessions 1"});
  const auto first = session().exec(seconds(10), "cat");
  ASSERT_TRUE(first);
  const auto second = session().exec(seconds(10), "cat");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "127.0.0.1:" + std::to_string(server_->port()) +
                                        " refused a channel for a command: Channel open failure "
                                        "(connect failed)");
  EXPECT_EQ(second.error().hint, "Check MaxSessions in sshd_config.");
}

TEST_F(SshSessionTest, ALostConnectionIsNotTheEndOfACommand) {
  auto channel = session().exec(seconds(10), "sleep 300");
  ASSERT_TRUE(channel);
  for (const int process : descendants_of(server_->pid())) ::kill(process, SIGKILL);
  const Ran ran = run_to_end(session(), **channel, {}, seconds(10));
  ASSERT_TRUE(ran.error);
  EXPECT_EQ(ran.error->kind, ErrorKind::unreachable);
  EXPECT_FALSE(ran.exit);
  EXPECT_TRUE(ran.error->message.starts_with("the connection was lost while "))
      << ran.error->message;
}

TEST_F(SshSessionTest, AServerThatGoesSilentIsGivenUp) {
  start();
  EXPECT_EQ(client_->login.keepalive, Milliseconds{15'000});  // what a user gets
  EXPECT_EQ(client_->login.keepalive_limit, 4);
  client_->login.keepalive = Milliseconds{50};
  auto channel = session().exec(seconds(10), "sleep 300");
  ASSERT_TRUE(channel);
  for (const int process : descendants_of(server_->pid())) ::kill(process, SIGSTOP);
  const Ran ran = run_to_end(session(), **channel, {}, seconds(10));
  ASSERT_TRUE(ran.error);
  EXPECT_EQ(ran.error->kind, ErrorKind::unreachable);
  EXPECT_EQ(ran.error->message,
            "no sign of life from 127.0.0.1:" + std::to_string(server_->port()) +
                " for 250ms while running a command");
}

// Reads a stream to its end as `stdio` does, by polling for itself. Gives how much came, or why
// not.
Result<std::size_t> poll_to_end(ByteStream& stream, const Budget& budget) {
  std::string buffer(65536, '\0');
  std::size_t size = 0;
  while (true) {
    PCA_CHECK(stream.service());
    PCA_TRY(const ByteStream::Read got, stream.read(buffer));
    size += got.bytes;
    if (got.end) return size;
    if (got.bytes > 0) continue;
    const PollHandle handle = stream.poll_handle();
    PCA_CHECK(wait_ready(budget, {&handle, 1}, budget.deadline(), "reading"));
  }
}

// Takes in all there is before anyone asks for it, so that poll() has nothing more to tell.
class GreedyStream : public ByteStream {
 public:
  explicit GreedyStream(std::unique_ptr<ByteStream> below) : below_(std::move(below)) {}

  Result<Read> read(std::span<char> into) override {
    PCA_CHECK(service());
    const std::size_t size = held_.copy(into.data(), into.size());
    held_.erase(0, size);
    return Read{size, size == 0 && has_ended_};
  }
  Result<std::size_t> write(std::span<const char> from) override { return below_->write(from); }
  Result<bool> service() override {
    std::string buffer(65536, '\0');
    while (!has_ended_) {
      PCA_TRY(const Read got, below_->read(buffer));
      held_.append(buffer, 0, got.bytes);
      has_ended_ = got.end;
      if (got.bytes == 0) break;
    }
    return true;
  }
  [[nodiscard]] PollHandle poll_handle() const override { return below_->poll_handle(); }
  [[nodiscard]] std::string peer() const override { return below_->peer(); }
  Result<> close(const Budget& budget) override { return below_->close(budget); }

 private:
  std::unique_ptr<ByteStream> below_;
  std::string held_;
  bool has_ended_ = false;
};

TEST_F(SshSessionTest, BytesThatTheStreamHoldsAreNotSleptOver) {
  start();
  auto tcp = connect_tcp(seconds(10), "127.0.0.1", server_->port());
  ASSERT_TRUE(tcp);
  auto opened = SshSession::open(seconds(10), std::make_unique<GreedyStream>(*std::move(tcp)),
                                 client_->login);
  ASSERT_TRUE(opened) << opened.error().message;
  constexpr std::size_t size = std::size_t{12} << 20U;  // fits into the window
  auto channel = (*opened)->exec(seconds(10), "head -c " + std::to_string(size) + " /dev/zero");
  ASSERT_TRUE(channel);
  const auto stream = channel_stream(*std::move(opened), *std::move(channel), "the command");
  const auto came = poll_to_end(*stream, seconds(10));
  ASSERT_TRUE(came) << came.error().message;
  EXPECT_EQ(*came, size);
}

TEST_F(SshSessionTest, AJumpHostThatGoesSilentIsGivenUpByWhoPollsForHimself) {
  start();
  client_->login.keepalive = Milliseconds{50};
  auto channel = session().exec(seconds(10), "sleep 300");
  ASSERT_TRUE(channel);
  const auto stream = channel_stream(std::move(session_), *std::move(channel), "the next hop");
  for (const int process : descendants_of(server_->pid())) ::kill(process, SIGSTOP);
  const auto size = poll_to_end(*stream, seconds(10));
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().kind, ErrorKind::unreachable);
  EXPECT_EQ(size.error().message,
            "no sign of life from 127.0.0.1:" + std::to_string(server_->port()) +
                " for 250ms while passing its connection on");
}

TEST_F(SshSessionTest, ASilentCommandIsKeptAlive) {
  start();
  client_->login.keepalive = Milliseconds{2000};
  client_->login.keepalive_limit = 1;
  const Ran ran = run_command(session(), "sleep 5; echo done");
  EXPECT_FALSE(ran.error) << ran.error->message;
  EXPECT_EQ(ran.out, "done\n");
}

TEST_F(SshSessionTest, CancellingEndsAWaitAtOnce) {
  auto channel = session().exec(seconds(10), "sleep 300");
  ASSERT_TRUE(channel);
  std::stop_source stop;
  const Budget budget(Clock::now() + Milliseconds{60'000}, stop.get_token());
  Clock::time_point asked;
  std::jthread canceller([&] {
    const Budget pause = Budget::of(Milliseconds{100});
    static_cast<void>(wait_ready(pause, {}, pause.deadline(), "pausing"));
    asked = Clock::now();
    stop.request_stop();
  });
  const Ran ran = run_to_end(session(), **channel, {}, budget);
  const auto took = Clock::now() - asked;
  ASSERT_TRUE(ran.error);
  EXPECT_EQ(ran.error->kind, ErrorKind::cancelled);
  EXPECT_LT(took, Milliseconds{100});
}

// Connections through the session.

TEST_F(SshSessionTest, AConnectionToAPortPassesThrough) {
  const pca::testing::Listener listener;
  std::jthread echo([&] {
    const FileDescriptor peer = listener.accept();
    std::array<char, 100> bytes{};
    const ssize_t got = ::recv(peer.get(), bytes.data(), bytes.size(), 0);
    ::send(peer.get(), bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
  });
  auto channel = session().open_tcp(seconds(10), "127.0.0.1", listener.port());
  ASSERT_TRUE(channel);
  EXPECT_EQ(run_to_end(session(), **channel, "hello", seconds(10)).out, "hello");
}

TEST_F(SshSessionTest, AConnectionToAUnixSocketPassesThrough) {
  const std::string path = folder_.path("socket");
  const FileDescriptor listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  std::jthread greeter([&] {
    const FileDescriptor peer(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ::send(peer.get(), "from the socket", 15, MSG_NOSIGNAL);
  });
  auto channel = session().open_unix(seconds(10), path);
  ASSERT_TRUE(channel) << channel.error().message;
  EXPECT_EQ(run_to_end(session(), **channel, {}, seconds(10)).out, "from the socket");
}

TEST_F(SshSessionTest, AConnectionThatTheServerCannotMakeIsAnError) {
  const pca::testing::ClosedPort closed;
  const auto channel = session().open_tcp(seconds(10), "127.0.0.1", closed.port());
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().message,
            "127.0.0.1:" + std::to_string(server_->port()) + " refused a connection to 127.0.0.1:" +
                std::to_string(closed.port()) + ": Channel open failure (connect failed)");
}

TEST_F(SshSessionTest, BeginningAConnectionDoesNotWait) {
  const pca::testing::Listener listener;
  std::jthread greeter([&] {
    const FileDescriptor peer = listener.accept();
    ::send(peer.get(), "hi", 2, MSG_NOSIGNAL);
  });
  const pca::testing::ClosedPort closed;
  session();
  const auto refused = session_->begin_tcp("127.0.0.1", closed.port());
  const auto dropped = session_->begin_tcp("127.0.0.1", closed.port());
  const auto good = session_->begin_tcp("127.0.0.1", listener.port());
  EXPECT_FALSE(good->is_open());
  EXPECT_EQ(run_to_end(*session_, *good, {}, seconds(10)).out, "hi");
  std::string buffer(10, '\0');
  EXPECT_FALSE(refused->read(buffer));
}

TEST_F(SshSessionTest, TheServerListensForUs) {
  session();
  const auto port = session_->listen(seconds(10), {"127.0.0.1", 0});
  ASSERT_TRUE(port) << port.error().message;
  EXPECT_NE(port->port, 0);
  auto nobody = session_->accept(*port);
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, nullptr);

  std::string answer;
  std::jthread outside([&, port = port->port] {
    auto stream = connect_tcp(seconds(10), "127.0.0.1", port);
    ASSERT_TRUE(stream);
    ASSERT_TRUE((*stream)->write(std::string_view("knock")));
    while (answer.empty()) {
      const PollHandle handle = (*stream)->poll_handle();
      ASSERT_TRUE(wait_ready(seconds(10), {&handle, 1}, Clock::time_point::max(), "waiting"));
      std::string buffer(100, '\0');
      const auto got = (*stream)->read(buffer);
      ASSERT_TRUE(got);
      answer = buffer.substr(0, got->bytes);
    }
  });
  std::unique_ptr<SshChannel> channel;
  while (channel == nullptr) {
    ASSERT_TRUE(session_->wait(seconds(10), {}, Clock::time_point::max(), "waiting"));
    auto accepted = session_->accept(*port);
    ASSERT_TRUE(accepted);
    channel = *std::move(accepted);
  }
  ASSERT_TRUE(channel->write(std::string_view("who is there")));
  EXPECT_EQ(run_to_end(*session_, *channel, {}, seconds(10)).out, "knock");
  outside.join();
  EXPECT_EQ(answer, "who is there");
}

TEST_F(SshSessionTest, ARefusalToListenSaysWhatToCheck) {
  start({.config = "AllowTcpForwarding no"});
  const auto port = session().listen(seconds(10), {"127.0.0.1", 0});
  ASSERT_FALSE(port);
  EXPECT_EQ(port.error().message,
            "127.0.0.1:" + std::to_string(server_->port()) + " refused to listen on 127.0.0.1:0");
}

TEST_F(SshSessionTest, ARefusalToListenOnAUnixSocketSaysWhatToCheck) {
  start({.config = "AllowStreamLocalForwarding no"});
  const TempFolder folder;
  const std::string path = folder.path("there.sock");
  const auto place = session().listen(seconds(10), {path});
  ASSERT_FALSE(place);
  EXPECT_NE(place.error().message.find("refused to listen on " + path), std::string::npos);
  EXPECT_NE(place.error().hint.find("AllowStreamLocalForwarding"), std::string::npos);
}

TEST_F(SshSessionTest, OnePlaceIsListenedOnOnce) {
  start({.config = "StreamLocalBindUnlink yes"});
  const TempFolder folder;
  const ListeningPlace place{folder.path("there.sock")};
  const auto first = session().listen(seconds(10), place);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = session_->listen(seconds(10), place);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("already"), std::string::npos);
  auto nobody = session_->accept(place);
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, nullptr);
}

}  // namespace
}  // namespace pca
