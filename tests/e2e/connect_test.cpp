#include "net/connect.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <thread>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/delay_proxy.hpp"
#include "support/edge.hpp"
#include "support/loopback.hpp"
#include "support/require.hpp"
#include "support/ssh_client.hpp"

namespace pca {
namespace {

using namespace test;

// Settings for real sshds, and what connecting told.
class ConnectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    key_ = make_key(folder_, "user", {"-t", "ed25519"});
    settings_.key = redactor_.protect(key_.private_text);
    settings_.retry = {3, Milliseconds{1}, Milliseconds{10}};
    observer_.on_phase = [this](const ConnectEvent& event) {
      phases_ += event.phase + ": " + event.detail + "\n";
    };
    observer_.on_warning = [this](const std::string& warning) { warnings_ += warning + "\n"; };
    observer_.on_retry = [this](const Error& error, int next_try, Milliseconds) {
      retries_ += std::to_string(next_try) + ": " + error.message + "\n";
    };
    observer_.facts = &facts_;
  }

  std::unique_ptr<Sshd> start(const std::string& public_line, const std::string& config = "") {
    auto server = std::make_unique<Sshd>(
        SshdSettings{.authorized_keys = public_line + "\n", .config = config});
    settings_.user = server->user();
    return server;
  }
  static HostAddress address_of(const Sshd& server) { return {"", "127.0.0.1", server.port()}; }
  void trust(const std::string& known_hosts, const std::vector<std::string>& fingerprints = {}) {
    auto parsed = HostKeyPins::parse(known_hosts, fingerprints);
    ASSERT_TRUE(parsed) << parsed.error().message;
    settings_.pins = *std::move(parsed);
  }
  Result<std::unique_ptr<SshSession>> connect(const HostAddress& host) {
    return connect_ssh(seconds(60), settings_, host, observer_);
  }
  Error failure(const HostAddress& host) {
    const auto connected = connect(host);
    if (!connected) return connected.error();
    ADD_FAILURE() << "connected";
    return {};
  }
  static int count_in_log(const Sshd& server, std::string_view text) {
    const std::string log = server.log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at) ++count;
    return count;
  }
  static int connections_to(const Sshd& server) { return count_in_log(server, "Connection from"); }

  TempFolder folder_;
  KeyPair key_;
  Redactor redactor_;
  ConnectionSettings settings_;
  ConnectObserver observer_;
  SshFacts facts_;
  std::string phases_;
  std::string warnings_;
  std::string retries_;
};

TEST_F(ConnectTest, EveryPhaseOfADirectConnectionIsTold) {
  const auto server = start(key_.public_line);
  trust(server->known_hosts());
  const HostAddress host = address_of(*server);
  auto session = connect(host);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_EQ(run_command(**session, "echo here").out, "here\n");
  EXPECT_EQ(phases_, "tcp: " + host.text() +
                         "\n"
                         "kex: curve25519-sha256, " +
                         facts_.cipher + " with " + facts_.server_banner +
                         "\n"
                         "host key: ssh-ed25519 " +
                         server->fingerprint("ed25519") +
                         "\n"
                         "auth: publickey (ed25519)\n");
  EXPECT_EQ(warnings_ + retries_, "");
}

TEST_F(ConnectTest, LookingUpANameIsAPhaseOfItsOwn) {
  const auto server = start(key_.public_line);
  settings_.policy = HostKeyPolicy::insecure;
  const HostAddress host{"", "localhost", server->port()};
  auto session = connect(host);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_TRUE(phases_.starts_with("dns: localhost\ntcp: " + host.text() + "\nkex: ")) << phases_;
}

TEST_F(ConnectTest, ThroughAccessEveryPhaseHasItsTime) {
  const auto server = start(key_.public_line);
  trust(server->known_hosts());
  const HostAddress host = address_of(*server);
  const pca::testing::SandboxEdge edge({"--no-auth", "--origin", host.text()});
  settings_.via = Via::access;
  settings_.access.hostname = "localhost";
  settings_.access.port = edge.port();
  settings_.access.ca_file = edge.ca_file();
  settings_.access.user_agent = "tests/1.0";
  auto session = connect(host);
  ASSERT_TRUE(session) << session.error().message;
  const std::string peer = "Access edge localhost:" + std::to_string(edge.port());
  EXPECT_TRUE(
      phases_.starts_with("dns: localhost\ntcp: " + peer + "\ntls: " + peer + "\nupgrade: CF-RAY "))
      << phases_;
}

// Two round trips until the edge lets us through, at least four more until the host has let us in.
TEST_F(ConnectTest, ToReachAHostAndToLogInShareTheTimeOfOneTry) {
  const auto server = start(key_.public_line);
  trust(server->known_hosts());
  const HostAddress host = address_of(*server);
  const pca::testing::SandboxEdge edge({"--no-auth", "--origin", host.text(), "--rtt", "150ms"});
  settings_.via = Via::access;
  settings_.access.hostname = "localhost";
  settings_.access.port = edge.port();
  settings_.access.ca_file = edge.ca_file();
  settings_.access.user_agent = "tests/1.0";
  settings_.connect_timeout = Milliseconds{5 * 150};
  const Error error = failure(host);
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_NE(error.message.find(": timed out while "), std::string::npos) << error.message;
}

TEST_F(ConnectTest, AJumpChainOfTwoGoesThroughWithItsOwnKeysAndPins) {
  const KeyPair first_key = make_key(folder_, "first", {"-t", "ecdsa"});
  const KeyPair second_key =
      make_key(folder_, "second", {"-t", "ed25519", "-a", "4"}, "open sesame");
  const auto first = start(first_key.public_line);
  const auto second = start(second_key.public_line);
  const auto target = start(key_.public_line);
  trust(first->known_hosts("rsa") + second->known_hosts("ecdsa") + target->known_hosts());
  settings_.jumps.push_back({address_of(*first), redactor_.protect(first_key.private_text), {}});
  settings_.jumps.push_back({address_of(*second), redactor_.protect(second_key.private_text),
                             redactor_.protect("open sesame")});
  auto session = connect(address_of(*target));
  ASSERT_TRUE(session) << session.error().message;
  std::string sent(std::size_t{8} << 20U, '\0');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * i >> 8U);
  const Ran ran = run_command(**session, "cat; echo $SSH_CONNECTION >&2", sent);
  EXPECT_EQ(to_hex(sha256(ran.out)), to_hex(sha256(sent)));
  EXPECT_TRUE(ran.err.ends_with(" " + std::to_string(target->port()) + "\n")) << ran.err;
  EXPECT_EQ(facts_.host_key.fingerprint(), target->fingerprint("ed25519"));
  EXPECT_TRUE((*session)->close(seconds(5)));
  // Every session of the chain says goodbye, the innermost first.
  for (const auto* server : {target.get(), second.get(), first.get()}) {
    EXPECT_TRUE(const_cast<Sshd*>(server)->wait_for_log("Disconnected from user"));
  }
}

TEST_F(ConnectTest, AHopWithoutAPinStopsTheChainThere) {
  const auto first = start(key_.public_line);
  const auto target = start(key_.public_line);
  trust(target->known_hosts());
  settings_.jumps.push_back({address_of(*first), {}, {}});
  const Error error = failure(address_of(*target));
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_EQ(error.message, "while connecting to " + address_of(*target).text() +
                               ": no host key of 127.0.0.1 is known; it showed ssh-ed25519 " +
                               first->fingerprint("ed25519"));
  EXPECT_EQ(connections_to(*target), 0);
  EXPECT_EQ(connections_to(*first), 1);
}

TEST_F(ConnectTest, AJumpHostThatCannotReachTheNextIsTriedAgain) {
  const auto first = start(key_.public_line);
  const pca::testing::ClosedPort closed;
  trust(first->known_hosts());
  settings_.jumps.push_back({address_of(*first), {}, {}});
  const Error error = failure({"", "127.0.0.1", closed.port()});
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_TRUE(error.message.ends_with(": Channel open failure (connect failed)")) << error.message;
  EXPECT_EQ(connections_to(*first), 3);
}

TEST_F(ConnectTest, AJumpHostThatMayNotGoOnIsAskedOnce) {
  const auto first = start(key_.public_line, "AllowTcpForwarding no");
  const auto target = start(key_.public_line);
  trust(first->known_hosts() + target->known_hosts());
  settings_.jumps.push_back({address_of(*first), {}, {}});
  const Error error = failure(address_of(*target));
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_TRUE(error.message.ends_with(": Channel open failure (administratively prohibited)"))
      << error.message;
  EXPECT_NE(error.hint.find("AllowTcpForwarding"), std::string::npos) << error.hint;
  EXPECT_EQ(connections_to(*first), 1);
  EXPECT_EQ(retries_, "");
}

TEST_F(ConnectTest, AJumpHostThatIsTooSlowToConnectIsTriedAgain) {
  const auto first = start(key_.public_line);
  const pca::testing::SilentListener silent("127.0.0.1");
  trust(first->known_hosts());
  settings_.jumps.push_back({address_of(*first), {}, {}});
  settings_.connect_timeout = Milliseconds{3000};  // enough to log in on a busy machine
  const Error error = failure({"", "127.0.0.1", silent.port()});
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_NE(error.message.find(": timed out while "), std::string::npos) << error.message;
  EXPECT_EQ(connections_to(*first), 3);
}

TEST_F(ConnectTest, AJumpHostThatIsLostWhileItConnectsIsTriedAgain) {
  const auto first = start(key_.public_line, "LogLevel DEBUG1");
  const pca::testing::SilentListener silent("127.0.0.1");
  trust(first->known_hosts());
  settings_.jumps.push_back({address_of(*first), {}, {}});
  std::thread cut([&] {
    for (int number = 1; number <= 3; ++number) {
      EXPECT_TRUE(comes_true([&] { return count_in_log(*first, "ctype direct-tcpip") >= number; }));
      for (const int pid : descendants_of(first->pid())) ::kill(pid, SIGKILL);
    }
  });
  const Error error = failure({"", "127.0.0.1", silent.port()});
  cut.join();
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_NE(error.message.find(": the connection was lost while "), std::string::npos)
      << error.message;
  EXPECT_EQ(connections_to(*first), 3);
}

TEST_F(ConnectTest, OnlyTheStreamIsGivenToWhoSpeaksSshHimself) {
  const auto first = start(key_.public_line);
  const auto target = start(key_.public_line);
  trust(first->known_hosts());  // the target's key is none of our business
  settings_.jumps.push_back({address_of(*first), {}, {}});
  auto stream = connect_stream(seconds(30), settings_, address_of(*target), observer_);
  ASSERT_TRUE(stream) << stream.error().message;
  std::string text;
  while (text.find('\n') == std::string::npos) {
    std::string buffer(100, '\0');
    const auto got = (*stream)->read(buffer);
    ASSERT_TRUE(got);
    text += buffer.substr(0, got->bytes);
    if (got->bytes > 0) continue;
    const PollHandle handle = (*stream)->poll_handle();
    ASSERT_TRUE(wait_ready(seconds(10), {&handle, 1}, Clock::time_point::max(), "waiting"));
    ASSERT_TRUE((*stream)->service());
  }
  EXPECT_TRUE(text.starts_with("SSH-2.0-OpenSSH_")) << text;
  EXPECT_TRUE((*stream)->close(seconds(5)));
}

TEST_F(ConnectTest, AFingerprintOfAnyOfTheServersKeysWillDo) {
  const auto server = start(key_.public_line);
  for (const char* type : {"ed25519", "ecdsa", "rsa"}) {
    SCOPED_TRACE(type);
    trust("", {server->fingerprint(type)});
    auto session = connect(address_of(*server));
    ASSERT_TRUE(session) << session.error().message;
    EXPECT_EQ(facts_.host_key.fingerprint(), server->fingerprint(type));
  }
}

TEST_F(ConnectTest, AFingerprintOfNoKeyIsAnAlarmAfterEachTypeWasSeenOnce) {
  const auto server = start(key_.public_line);
  trust("", {"SHA256:" + std::string(42, 'A') + "E"});
  const Error error = failure(address_of(*server));
  EXPECT_EQ(error.kind, ErrorKind::permission);
  EXPECT_TRUE(error.message.starts_with("while connecting to " + address_of(*server).text() +
                                        ": THE HOST KEY OF 127.0.0.1 IS NOT THE PINNED ONE. It "
                                        "showed ssh-ed25519 "))
      << error.message;
  EXPECT_EQ(connections_to(*server), 3);
}

TEST_F(ConnectTest, ARefusedLoginIsNeverTriedAgain) {
  const auto server = start(make_key(folder_, "other", {"-t", "ed25519"}).public_line);
  trust(server->known_hosts());
  EXPECT_EQ(failure(address_of(*server)).kind, ErrorKind::permission);
  EXPECT_EQ(connections_to(*server), 1);
  EXPECT_EQ(retries_, "");
}

// Hangs up on the first clients, then passes one on.
class FlakyProxy {
 public:
  FlakyProxy(std::uint16_t target, int failures) : good_(target, Milliseconds{0}) {
    thread_ = std::jthread([this, failures] {
      for (int i = 0; i < failures; ++i) static_cast<void>(listener_.accept());
      FileDescriptor client = listener_.accept();
      const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", good_.port());
      (void)::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      std::array<pollfd, 2> set{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
      std::array<char, 65536> bytes{};
      while (::poll(set.data(), set.size(), 10'000) > 0) {
        for (const std::size_t from : {std::size_t{0}, std::size_t{1}}) {
          if (set[from].revents == 0) continue;
          const ssize_t got = ::recv(set[from].fd, bytes.data(), bytes.size(), 0);
          if (got <= 0) return;
          ::send(set[1 - from].fd, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
        }
      }
    });
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  DelayProxy good_;
  pca::testing::Listener listener_;
  std::jthread thread_;
};

TEST_F(ConnectTest, AConnectionThatBreaksBeforeTheLoginIsTriedAgain) {
  const auto server = start(key_.public_line);
  const FlakyProxy proxy(server->port(), 2);
  settings_.policy = HostKeyPolicy::accept_new;
  const HostAddress host{"", "127.0.0.1", proxy.port()};
  auto session = connect(host);
  ASSERT_TRUE(session) << session.error().message;
  const std::vector<std::string> lines = split_lines(retries_);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].starts_with("2: the connection was lost while exchanging keys with " +
                                   host.text() + ": "))
      << lines[0];
  EXPECT_TRUE(lines[1].starts_with("3: ")) << lines[1];
}

TEST_F(ConnectTest, TriesEnd) {
  const pca::testing::ClosedPort closed;
  const Error error = failure({"", "127.0.0.1", closed.port()});
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(split_lines(retries_).size(), 2U);
}

TEST_F(ConnectTest, AcceptingAnUnknownHostKeyIsTold) {
  const auto server = start(key_.public_line);
  settings_.policy = HostKeyPolicy::accept_new;
  const HostAddress host = address_of(*server);
  ASSERT_TRUE(connect(host));
  EXPECT_EQ(warnings_, "The host key of " + host.text() +
                           " was accepted unseen (host-key-policy accept-new). Compare it by hand "
                           "and pin it with this line in known-hosts: " +
                           facts_.host_key.known_hosts_line(host.name, host.port) + "\n");
  trust(server->known_hosts());
  warnings_.clear();
  ASSERT_TRUE(connect(host));
  EXPECT_EQ(warnings_, "");
}

TEST_F(ConnectTest, AnInsecurePolicyWarnsEachTime) {
  const auto server = start(key_.public_line);
  settings_.policy = HostKeyPolicy::insecure;
  trust(server->known_hosts());
  ASSERT_TRUE(connect(address_of(*server)));
  EXPECT_EQ(warnings_,
            "The host key of " + address_of(*server).text() +
                " counts for nothing (host-key-policy insecure): it showed ssh-ed25519 " +
                server->fingerprint("ed25519") +
                ". Whoever can get between could read and change everything.\n");
}

TEST_F(ConnectTest, AHostKeyAuthorityIsRefusedBeforeAnythingIsContacted) {
  const auto server = start(key_.public_line);
  trust("@cert-authority * " + key_.public_line + "\n");
  EXPECT_EQ(failure(address_of(*server)).kind, ErrorKind::bad_input);
  EXPECT_EQ(connections_to(*server), 0);
}

TEST_F(ConnectTest, ASilentServerIsGivenUpAfterTheTimeOfEachTry) {
  const pca::testing::Listener silent;  // its kernel answers, nobody else
  settings_.connect_timeout = Milliseconds{100};
  const Error error = failure({"", "127.0.0.1", silent.port()});
  EXPECT_EQ(error.kind, ErrorKind::unreachable);
  EXPECT_EQ(error.message, "while connecting to 127.0.0.1:" + std::to_string(silent.port()) +
                               ": timed out while exchanging keys with 127.0.0.1:" +
                               std::to_string(silent.port()));
  EXPECT_EQ(split_lines(retries_).size(), 2U);
}

}  // namespace
}  // namespace pca
