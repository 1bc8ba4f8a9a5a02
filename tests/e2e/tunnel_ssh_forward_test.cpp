// tunnel-ssh forward against a real sshd, through the sandbox's edge.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/text.hpp"
#include "support/comes_true.hpp"
#include "support/loopback.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"
#include "tunnel-ssh/local_endpoint.hpp"

namespace pca::test {
namespace {

using pca::testing::Listener;
using pca::testing::SandboxEdge;
using std::chrono::milliseconds;
using tunnel_ssh::connect_local;
using tunnel_ssh::Endpoint;

constexpr milliseconds patience{30'000};
using namespace std::string_literals;

// Waits for what the socket wants to do.
void wait_for(const LocalSocket& socket, short events) {
  pollfd handle{socket.fd(), events, 0};
  ASSERT_EQ(::poll(&handle, 1, static_cast<int>(patience.count())), 1) << "nothing came";
}

std::string read_exactly(LocalSocket& socket, std::size_t size) {
  std::string all;
  while (all.size() < size && !::testing::Test::HasFatalFailure()) {
    std::array<char, 65536> buffer{};
    wait_for(socket, POLLIN);
    const auto read =
        socket.read(std::span(buffer).first(std::min(buffer.size(), size - all.size())));
    if (!read || read->end) break;
    all.append(buffer.data(), read->bytes);
  }
  return all;
}

std::string read_to_end(LocalSocket& socket) {
  std::string all;
  while (!::testing::Test::HasFatalFailure()) {
    std::array<char, 65536> buffer{};
    wait_for(socket, POLLIN);
    const auto read = socket.read(buffer);
    if (!read || read->end) break;
    all.append(buffer.data(), read->bytes);
  }
  return all;
}

void write_all(LocalSocket& socket, std::string_view text) {
  while (!text.empty() && !::testing::Test::HasFatalFailure()) {
    wait_for(socket, POLLOUT);
    const auto written = socket.write(text);
    if (!written) return;
    text.remove_prefix(*written);
  }
}

LocalSocket connect_to(const Endpoint& endpoint) {
  auto socket = connect_local(Budget::of(patience), endpoint);
  if (!socket) {
    ADD_FAILURE() << socket.error().message;
    return LocalSocket(FileDescriptor());
  }
  return *std::move(socket);
}
LocalSocket connect_to(std::uint16_t port) { return connect_to({"127.0.0.1", port, {}}); }

// Answers each connection with what it got, when the other side has said all, and ends.
class EchoServer {
 public:
  EchoServer() : thread_([this](const std::stop_token& stop) { serve(stop); }) {}
  ~EchoServer() {
    thread_.request_stop();
    connect_to(port());  // wakes accept()
  }
  [[nodiscard]] std::uint16_t port() const { return listener_.port(); }

 private:
  void serve(const std::stop_token& stop) {
    for (;;) {
      LocalSocket socket{listener_.accept()};
      if (stop.stop_requested()) return;
      ::fcntl(socket.fd(), F_SETFL, O_NONBLOCK);
      write_all(socket, read_to_end(socket));
    }
  }
  Listener listener_;
  std::jthread thread_;
};

class TunnelSshForward : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    edge_ = std::make_unique<SandboxEdge>(
        std::vector<std::string>{"--client-id", SandboxEdge::client_id, "--origin",
                                 "127.0.0.1:" + std::to_string(host_->sshd().port())},
        ProcessEnvironment{{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
    step_ = std::make_unique<StepForTests>(*host_);
    step_->go_through(*edge_);
  }
  void TearDown() override {
    if (background_ > 0) ::kill(background_, SIGKILL);
  }

  // Starts forwards in the background and gives their ports in the order of the output.
  std::vector<std::uint16_t> start(const std::vector<std::string>& arguments) {
    std::vector<std::string> all{"forward", "--background"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    result_ = step_->run(all);
    EXPECT_EQ(result_.code, 0) << result_.err;
    if (result_.code != 0) return {};
    background_ = std::stoi(result_.outputs.at("pid"));
    std::vector<std::uint16_t> ports;
    const auto list = parse_json(result_.outputs.at("ports"));
    for (const Json& entry : *list->as_array()) {
      const auto* port = entry.find("port")->as_int();
      ports.push_back(static_cast<std::uint16_t>(port == nullptr ? 0 : *port));
    }
    return ports;
  }
  [[nodiscard]] std::string to(const EchoServer& server) const {
    return "127.0.0.1:" + std::to_string(server.port());
  }
  // Sends, says that this was all, and reads the answer.
  static std::string ask(LocalSocket socket, const std::string& text) {
    write_all(socket, text);
    socket.end_writing();
    return read_to_end(socket);
  }

  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<SandboxEdge> edge_;
  std::unique_ptr<StepForTests> step_;
  StepResult result_;
  int background_ = 0;
};

TEST_F(TunnelSshForward, LocalPortsAndSocketsLeadThere) {
  const EchoServer server;
  const std::string path = step_->folder().path("s.sock");
  const auto ports = start({"-L", "0:" + to(server), "-L", path + ":" + to(server)});
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_EQ(ask(connect_to(ports[0]), "by port"), "by port");
  EXPECT_EQ(ask(connect_to({{}, 0, path}), "by socket"), "by socket");
  EXPECT_EQ(result_.outputs.at("port"), std::to_string(ports[0]));
  std::filesystem::perms mode = std::filesystem::status(path).permissions();
  EXPECT_EQ(mode & std::filesystem::perms::others_all, std::filesystem::perms::none);
}

TEST_F(TunnelSshForward, AUnixSocketThereIsReached) {
  const std::string path = host_->home().path("app.sock");
  auto listener = tunnel_ssh::LocalListener::open({{}, 0, path});
  ASSERT_TRUE(listener);
  const auto ports = start({"-L", "0:" + path});
  ASSERT_EQ(ports.size(), 1U);
  LocalSocket client = connect_to(ports[0]);
  write_all(client, "hello");
  pollfd handle{listener->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&handle, 1, static_cast<int>(patience.count())), 1);
  auto server = listener->accept();
  ASSERT_TRUE(server);
  EXPECT_EQ(read_exactly(*server, 5), "hello");
}

TEST_F(TunnelSshForward, RemotePortsLeadHere) {
  const EchoServer server;
  const auto ports = start({"-R", "0:" + to(server)});
  ASSERT_EQ(ports.size(), 1U);
  EXPECT_EQ(ask(connect_to(ports[0]), "from there"), "from there");
}

TEST_F(TunnelSshForward, RemoteSocketsLeadHereAndGoWithTheForward) {
  const EchoServer server;
  const std::string path = host_->home().path("there.sock");
  const auto ports = start({"-R", path + ":" + to(server)});
  ASSERT_EQ(ports.size(), 1U);
  EXPECT_EQ(ports[0], 0);
  EXPECT_NE(result_.outputs.at("ports").find("\"" + path + "\""), std::string::npos);
  EXPECT_EQ(ask(connect_to({{}, 0, path}), "from there"), "from there");
  EXPECT_EQ(ask(connect_to({{}, 0, path}), "again"), "again");
  ::kill(std::exchange(background_, 0), SIGTERM);
  EXPECT_TRUE(comes_true([&] { return !std::filesystem::exists(path); }));
}

TEST_F(TunnelSshForward, RemotePlacesLeadToSocketsHere) {
  const TempFolder here;
  auto listener = tunnel_ssh::LocalListener::open({{}, 0, here.path("app.sock")});
  ASSERT_TRUE(listener);
  const std::string there = host_->home().path("there.sock");
  const auto ports =
      start({"-R", "0:" + here.path("app.sock"), "-R", there + ":" + here.path("app.sock")});
  ASSERT_EQ(ports.size(), 2U);
  for (const Endpoint& from : {Endpoint{"127.0.0.1", ports[0], {}}, Endpoint{{}, 0, there}}) {
    LocalSocket client = connect_to(from);
    write_all(client, "hello");
    pollfd handle{listener->fd(), POLLIN, 0};
    ASSERT_EQ(::poll(&handle, 1, static_cast<int>(patience.count())), 1);
    auto server = listener->accept();
    ASSERT_TRUE(server);
    EXPECT_EQ(read_exactly(*server, 5), "hello");
  }
}

// sshd leaves its file behind.
TEST_F(TunnelSshForward, ARemoteSocketComesAgainWhenTheConnectionDropsOrItsProcessIsKilled) {
  const EchoServer server;
  const std::string path = host_->home().path("there.sock");
  ASSERT_EQ(start({"-R", path + ":" + to(server)}).size(), 1U);
  host_->cut();
  const auto answers = [&] {
    auto socket = connect_local(Budget::of(patience), {{}, 0, path});
    return socket && ask(*std::move(socket), "hello") == "hello";
  };
  EXPECT_TRUE(comes_true(answers));
  ::kill(std::exchange(background_, 0), SIGKILL);
  EXPECT_TRUE(comes_true([&] { return !answers(); }));
  EXPECT_TRUE(std::filesystem::exists(path));
  ASSERT_EQ(start({"-R", path + ":" + to(server)}).size(), 1U);
  EXPECT_TRUE(answers());
}

TEST_F(TunnelSshForward, ARemoteSocketOfSomebodyElseIsLeftAlone) {
  const std::string path = host_->home().path("there.sock");
  auto listener = tunnel_ssh::LocalListener::open({{}, 0, path});
  ASSERT_TRUE(listener);
  result_ = step_->run({"forward", "-R", path + ":127.0.0.1:1"});
  EXPECT_EQ(result_.code, 1) << result_.err;
  EXPECT_NE(result_.err.find("somebody listens on " + path), std::string::npos) << result_.err;
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(TunnelSshForward, ARemoteSocketInPlaceOfAFileIsRefused) {
  const std::string path = host_->home().write("there.sock", "");
  result_ = step_->run({"forward", "-R", path + ":127.0.0.1:1"});
  EXPECT_EQ(result_.code, 1) << result_.err;
  EXPECT_NE(result_.err.find("refused to listen on " + path), std::string::npos) << result_.err;
  EXPECT_NE(result_.err.find("StreamLocalBindUnlink"), std::string::npos) << result_.err;
}

TEST_F(TunnelSshForward, TheSocksProxyLeadsAnywhere) {
  const EchoServer server;
  const auto ports = start({"-D", "0"});
  ASSERT_EQ(ports.size(), 1U);
  const std::string port{static_cast<char>(server.port() >> 8),
                         static_cast<char>(server.port() & 255)};
  LocalSocket five = connect_to(ports[0]);
  write_all(five, "\x05\x01\x00"s);
  EXPECT_EQ(read_exactly(five, 2), "\x05\x00"s);
  write_all(five, "\x05\x01\x00\x03\x09localhost"s + port);
  EXPECT_EQ(read_exactly(five, 10).substr(0, 2), "\x05\x00"s);
  EXPECT_EQ(ask(std::move(five), "socks 5"), "socks 5");
  LocalSocket four = connect_to(ports[0]);
  write_all(four, "\x04\x01"s + port + "\x7f\x00\x00\x01\x00"s);
  EXPECT_EQ(read_exactly(four, 8).substr(0, 2), "\x00\x5a"s);
  EXPECT_EQ(ask(std::move(four), "socks 4"), "socks 4");
}

TEST_F(TunnelSshForward, ALocalStarIsReachedByBothFamilies) {
  const EchoServer server;
  const auto ports = start({"-L", "*:0:" + to(server)});
  ASSERT_EQ(ports.size(), 1U);
  for (const char* host : {"127.0.0.1", "::1"}) {
    EXPECT_EQ(ask(connect_to({host, ports[0], {}}), host), host);
  }
}

// One tool's SOCKS proxy is the other's way to the edge, as ALL_PROXY says it in a closed network.
TEST_F(TunnelSshForward, TheSocksProxyLeadsToAnEdge) {
  const auto ports = start({"-D", "0"});
  ASSERT_EQ(ports.size(), 1U);
  const SandboxEdge edge({"--no-auth", "--name", "ssh.example.test", "--origin",
                          "127.0.0.1:" + std::to_string(host_->sshd().port())});
  step_->go_through(edge);
  step_->inputs["INPUT_ACCESS_HOSTNAME"] = "ssh.example.test";
  step_->inputs["INPUT_ACCESS_CONNECT_TO"] = "127.0.0.1:" + std::to_string(edge.port());
  const std::string proxy = "127.0.0.1:" + std::to_string(ports[0]);
  for (const char* scheme : {"socks4a", "socks5", "socks5h"}) {
    step_->variables["ALL_PROXY"] = scheme + ("://" + proxy);
    const StepResult result = step_->run({"exec", "--command", "echo by a proxy"});
    EXPECT_EQ(result.code, 0) << scheme << ": " << result.err;
    EXPECT_NE(result.out.find("by a proxy"), std::string::npos) << scheme;
  }
  ::kill(std::exchange(background_, 0), SIGKILL);
  const StepResult result = step_->run({"exec", "--command", "true", "--connect-timeout", "3s"});
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_NE(result.err.find("cannot connect to the proxy " + proxy), std::string::npos)
      << result.err;
}

TEST_F(TunnelSshForward, ATargetThatRefusesBreaksOnlyItsOwnConnection) {
  const EchoServer server;
  const auto ports = start({"-L", "0:127.0.0.1:1", "-L", "0:" + to(server), "-D", "0"});
  ASSERT_EQ(ports.size(), 3U);
  // Reset, not an empty answer; on a slow machine before the client knows that it is connected.
  auto refused = connect_local(Budget::of(patience), {"127.0.0.1", ports[0], {}});
  if (refused) {
    wait_for(*refused, POLLIN);
    std::array<char, 16> buffer{};
    EXPECT_FALSE(refused->read(buffer));
  } else {
    EXPECT_NE(refused.error().message.find("reset by peer"), std::string::npos)
        << refused.error().message;
  }
  LocalSocket socks = connect_to(ports[2]);
  write_all(socks, "\x05\x01\x00"s + "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01"s);
  EXPECT_EQ(read_to_end(socks).substr(0, 4), "\x05\x00\x05\x05"s);
  EXPECT_EQ(ask(connect_to(ports[1]), "still well"), "still well");
}

TEST_F(TunnelSshForward, ATargetThatDoesNotAnswerHoldsUpNobodyElse) {
  const pca::testing::SilentListener silent("127.0.0.1");
  const EchoServer server;
  const std::string nowhere = "127.0.0.1:" + std::to_string(silent.port());
  const auto ports = start({"-L", "0:" + nowhere, "-L", "0:" + to(server), "-D", "0"});
  ASSERT_EQ(ports.size(), 3U);
  const LocalSocket stuck = connect_to(ports[0]);
  LocalSocket leaves = connect_to(ports[0]);
  EXPECT_EQ(ask(connect_to(ports[1]), "well"), "well");
  leaves = LocalSocket(FileDescriptor());
  for (const char* text : {"still", "well"}) EXPECT_EQ(ask(connect_to(ports[1]), text), text);
  LocalSocket socks = connect_to(ports[2]);
  write_all(socks, "\x05\x01\x00"s + "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01"s);
  EXPECT_EQ(read_to_end(socks).substr(0, 4), "\x05\x00\x05\x05"s);
}

TEST_F(TunnelSshForward, ManyConnectionsCarryMegabytesAtOnce) {
  const EchoServer server;
  const auto ports = start({"-L", "0:" + to(server)});
  ASSERT_EQ(ports.size(), 1U);
  std::vector<std::jthread> clients;
  for (int number = 0; number < 5; ++number) {
    clients.emplace_back([&, number] {
      const std::string sent(3'000'000, static_cast<char>('a' + number));
      EXPECT_TRUE(ask(connect_to(ports[0]), sent) == sent) << number;
    });
  }
}

TEST_F(TunnelSshForward, TheBackgroundProcessIsOnItsOwnAndEndsByTerm) {
  step_->variables["RUNNER_TRACKING_ID"] = "github_tracking";
  const EchoServer server;
  const std::string path = step_->folder().path("s.sock");
  const auto ports = start({"-L", path + ":" + to(server)});
  ASSERT_EQ(ports.size(), 1U);
  const std::string environment = environment_of(background_);
  EXPECT_NE(environment.find("RUNNER_TRACKING_ID=github_tracking"), std::string::npos);
  EXPECT_EQ(environment.find(SandboxEdge::client_secret), std::string::npos);
  EXPECT_EQ(environment.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(::getsid(background_), background_);
  for (const char* fd : {"0", "1", "2"}) {
    EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(background_) + "/fd/" + fd),
              "/dev/null");
  }
  ::kill(background_, SIGTERM);
  EXPECT_TRUE(ends(background_));
  EXPECT_FALSE(std::filesystem::exists(path));
  background_ = 0;
}

TEST_F(TunnelSshForward, ConnectsAgainWhenTheConnectionDrops) {
  const EchoServer server;
  const std::string log = step_->folder().path("forward.log");
  const auto ports = start({"-L", "0:" + to(server), "-R", "0:" + to(server), "--log-file", log});
  ASSERT_EQ(ports.size(), 2U);
  EXPECT_EQ(ask(connect_to(ports[0]), "before"), "before");
  host_->cut();
  // The local listener never went away: what comes before the loss is noticed breaks, later ones
  // wait in its queue until all is well.
  std::string answer;
  for (int tries = 0; tries < 1000 && answer.empty(); ++tries) {
    answer = ask(connect_to(ports[0]), "after");
  }
  EXPECT_EQ(answer, "after") << step_->folder().read("forward.log");
  const std::string said = step_->folder().read("forward.log");
  EXPECT_NE(said.find("connecting again"), std::string::npos);
  // Another program may have taken the host's port meanwhile.
  const std::string other = "the host listens on port ";
  const std::size_t at = said.find(other);
  const int port = at == std::string::npos ? ports[1] : std::stoi(said.substr(at + other.size()));
  EXPECT_EQ(ask(connect_to(static_cast<std::uint16_t>(port)), "from there"), "from there");
}

TEST_F(TunnelSshForward, SaysInItsLogWhyItCannotConnectAgain) {
  const EchoServer server;
  const std::string log = step_->folder().path("forward.log");
  ASSERT_EQ(start({"-L", "0:" + to(server), "--log-file", log}).size(), 1U);
  (void)host_->sshd().folder().write("authorized_keys", "");
  host_->cut();
  EXPECT_TRUE(ends(background_));
  const std::string said = step_->folder().read("forward.log");
  EXPECT_NE(said.find("error: "), std::string::npos) << said;
  EXPECT_NE(said.find("refused the login"), std::string::npos) << said;
}

TEST_F(TunnelSshForward, TheForegroundTellsItsPortAndEndsByInterrupt) {
  const EchoServer server;
  Process process = step_->start({"forward", "-L", "0:" + to(server)});
  ASSERT_TRUE(process.wait_for("listening on 127.0.0.1:", patience)) << process.err();
  process.interrupt();
  const StepResult step = step_->result_of(process, patience);
  EXPECT_EQ(step.code, 130);
}

TEST_F(TunnelSshForward, EndsWithItsLifetime) {
  const EchoServer server;
  const StepResult step =
      step_->run({"forward", "-L", "0:" + to(server), "--max-lifetime", "300ms"});
  EXPECT_EQ(step.code, 0) << step.err;
}

TEST_F(TunnelSshForward, WhatCannotListenIsAnErrorOfTheFirstProcess) {
  const Listener taken;
  const StepResult step =
      step_->run({"forward", "--background", "-L", std::to_string(taken.port()) + ":127.0.0.1:1"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("cannot listen on 127.0.0.1:" + std::to_string(taken.port())),
            std::string::npos)
      << step.err;
}

TEST_F(TunnelSshForward, AHostsPortThatIsTakenIsNamedAfterOneLogin) {
  const Listener taken;
  const std::string port = std::to_string(taken.port());
  const StepResult step =
      step_->run({"forward", "--background", "-R", "0:127.0.0.1:1", "-R", port + ":127.0.0.1:1"});
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("127.0.0.1:" + port), std::string::npos) << step.err;
  EXPECT_EQ(step.err.find("session"), std::string::npos) << step.err;
  const std::string log = host_->sshd().log();
  const std::string login = "Accepted publickey";
  EXPECT_EQ(log.find(login), log.rfind(login)) << log;
}

TEST_F(TunnelSshForward, HundredsStartInTheBackground) {
  const std::string label(60, 'x');
  const std::string forward = "0:" + label + "." + label + "." + label + ":1";
  std::vector<std::string> many;
  for (int i = 0; i < 320; ++i) many.insert(many.end(), {"-L", forward});
  EXPECT_EQ(start(many).size(), 320U);
}

TEST_F(TunnelSshForward, ARefusedLoginIsAnErrorOfTheFirstProcess) {
  step_->inputs.erase("INPUT_KNOWN_HOSTS");
  const StepResult step = step_->run({"forward", "--background", "-L", "0:127.0.0.1:1"});
  EXPECT_EQ(step.code, 5);
  EXPECT_FALSE(step.outputs.contains("pid"));
}

}  // namespace
}  // namespace pca::test
