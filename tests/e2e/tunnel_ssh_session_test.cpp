// tunnel-ssh session: one connection for a whole job, against a real sshd.

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "net/session_protocol.hpp"
#include "support/comes_true.hpp"
#include "support/loopback.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{30'000};

class TunnelSshSession : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>("MaxSessions 100");
    step_ = std::make_unique<StepForTests>(*host_);
  }
  void TearDown() override {
    for (const int pid : holders_) ::kill(pid, SIGKILL);
  }

  // Opens a session as a step would, and gives its holder's pid.
  int open(const std::vector<std::string>& arguments = {}) {
    std::vector<std::string> all{"session", "open"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    opened_ = step_->run(all);
    EXPECT_EQ(opened_.code, 0) << opened_.out << opened_.err;
    const auto pid = parse_integer(opened_.outputs["pid"], 2, 1 << 30);
    if (!pid) return 0;
    holders_.push_back(static_cast<int>(*pid));
    return holders_.back();
  }
  [[nodiscard]] StepResult exec(const std::string& script) {
    return step_->run({"exec", "--script", script});
  }
  // A command that takes no connection inputs.
  [[nodiscard]] Process start_alone(const std::vector<std::string>& arguments) {
    const auto inputs = std::exchange(step_->inputs, {});
    Process process = step_->start(arguments);
    step_->inputs = inputs;
    return process;
  }
  [[nodiscard]] StepResult run_alone(const std::vector<std::string>& arguments) {
    Process process = start_alone(arguments);
    return step_->result_of(process, patience);
  }
  [[nodiscard]] fs::path folder() const {
    return fs::path(step_->folder().path()) / "private-cloud-sessions";
  }
  [[nodiscard]] std::vector<fs::path> sockets() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder())) {
      if (entry.is_socket()) found.push_back(entry.path());
    }
    return found;
  }
  // How many logins sshd has seen.
  [[nodiscard]] int logins() const {
    const std::string log = host_->sshd().log();
    int count = 0;
    for (std::size_t at = 0; (at = log.find("Accepted publickey", at)) != std::string::npos; ++at)
      ++count;
    return count;
  }

  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
  StepResult opened_;
  std::vector<int> holders_;
};

TEST_F(TunnelSshSession, LaterCallsUseTheConnectionThatIsOpen) {
  ASSERT_GT(open(), 0);
  for (int call = 0; call < 3; ++call) {
    const StepResult step = exec("echo out; echo err >&2; cat; exit 7");
    EXPECT_EQ(step.code, 1) << step.err;
    EXPECT_EQ(step.outputs.at("exit-code"), "7");
    EXPECT_EQ(step.outputs.at("stdout"), "out\n");
    EXPECT_EQ(step.outputs.at("stderr"), "err\n");
  }
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, ASecondOpenWithTheSameInputsFindsItOpenAlready) {
  const int holder = open();
  EXPECT_NE(opened_.out.find(": the session is open\n"), std::string::npos) << opened_.out;
  EXPECT_EQ(open(), holder);
  EXPECT_NE(opened_.out.find(": the session is already open\n"), std::string::npos) << opened_.out;
  EXPECT_EQ(sockets().size(), 1U);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, ItsHolderIsOnItsOwnAndOnlyItsUserCanReachIt) {
  step_->variables["RUNNER_TRACKING_ID"] = "github_tracking";
  const int holder = open();
  ASSERT_GT(holder, 0);
  const std::string environment = environment_of(holder);
  EXPECT_NE(environment.find("RUNNER_TRACKING_ID=github_tracking"), std::string::npos);
  EXPECT_EQ(environment.find("PRIVATE KEY"), std::string::npos);
  EXPECT_EQ(::getsid(holder), holder);
  for (const char* fd : {"0", "1", "2"}) {
    EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(holder) + "/fd/" + fd), "/dev/null");
  }
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
  ASSERT_EQ(sockets().size(), 1U);
  EXPECT_EQ(fs::status(sockets().front()).permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  const std::string files = all_files_below(folder());
  EXPECT_EQ(files.find("PRIVATE KEY"), std::string::npos);
}

TEST_F(TunnelSshSession, OtherInputsConnectByThemselvesAndSaySo) {
  ASSERT_GT(open(), 0);
  step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
  StepResult step = exec("echo mine");
  EXPECT_EQ(step.outputs["stdout"], "mine\n");
  EXPECT_NE(step.out.find("was opened with other inputs (known-hosts), so this call connects by "
                          "itself"),
            std::string::npos)
      << step.out;
  EXPECT_EQ(logins(), 2);
  step_->inputs.erase("INPUT_HOST_KEY");
  step_->inputs["INPUT_HOST_KEY_POLICY"] = "insecure";
  step = exec("echo mine");
  EXPECT_EQ(step.outputs["stdout"], "mine\n");
  EXPECT_NE(step.out.find("with other inputs (host-key-policy)"), std::string::npos) << step.out;
  EXPECT_EQ(logins(), 3);
}

TEST_F(TunnelSshSession, AnInsecureSessionServesInsecureCallsOnly) {
  step_->inputs["INPUT_HOST_KEY_POLICY"] = "insecure";
  ASSERT_GT(open(), 0);
  const StepResult step = exec("true");
  EXPECT_EQ(step.code, 0);
  EXPECT_NE(step.err.find("trusts any host key (host-key-policy insecure)"), std::string::npos)
      << step.err;
  EXPECT_EQ(logins(), 1);
  step_->inputs.erase("INPUT_HOST_KEY_POLICY");
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 2);
  step_->inputs["INPUT_KNOWN_HOSTS"] = "";
  EXPECT_EQ(exec("true").code, 5) << "strict, and no key is known";
}

TEST_F(TunnelSshSession, AnotherKeyOfTheSameUserIsNotServed) {
  ASSERT_GT(open(), 0);
  const KeyPair other = make_key(step_->folder(), "other", {"-t", "ed25519"});
  step_->inputs["INPUT_KEY"] = other.private_text;
  const StepResult step = exec("true");
  EXPECT_EQ(step.code, 5) << step.out << step.err;
  EXPECT_NE(step.out.find("with other inputs (key)"), std::string::npos) << step.out;
}

TEST_F(TunnelSshSession, StatusListsItAndCloseEndsIt) {
  const int holder = open();
  ASSERT_GT(holder, 0);
  StepResult step = run_alone({"session", "status"});
  EXPECT_EQ(step.code, 0);
  const auto list = parse_json(step.outputs.at("sessions"));
  ASSERT_TRUE(list && list->as_array()->size() == 1);
  const Json& entry = list->as_array()->front();
  EXPECT_EQ(*entry.find("host")->as_string(), host_->address());
  EXPECT_EQ(*entry.find("state")->as_string(), "connected");
  EXPECT_EQ(*entry.find("pid")->as_int(), holder);
  EXPECT_EQ(run_alone({"session", "close", "another.example.com"}).outputs.at("sessions"), "[]");
  step = run_alone({"session", "close", "127.0.0.1"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find(host_->address() + ": the session is closed"), std::string::npos);
  EXPECT_TRUE(ends(holder));
  EXPECT_TRUE(sockets().empty());
  step = run_alone({"session", "close"});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("no session was open"), std::string::npos);
}

TEST_F(TunnelSshSession, OpensSeveralHostsAtOnceOrNone) {
  const HostForTests second;
  step_->inputs["INPUT_HOST"] = host_->address() + "\n" + second.address();
  step_->inputs["INPUT_KNOWN_HOSTS"] = host_->sshd().known_hosts() + second.sshd().known_hosts();
  EXPECT_EQ(step_->run({"session", "open"}).code, 5) << "the second does not know the key";
  EXPECT_TRUE(sockets().empty());
  step_->inputs["INPUT_HOST"] =
      host_->address() + "\nlocalhost:" + std::to_string(host_->sshd().port());
  step_->inputs["INPUT_USER"] = host_->sshd().user();
  step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
  const int before = logins();
  ASSERT_GT(open(), 0);
  EXPECT_EQ(sockets().size(), 2U);
  EXPECT_EQ(logins(), before + 2);
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), before + 2);
}

TEST_F(TunnelSshSession, ACancelledCommandEndsOnTheHostAndTheSessionStays) {
  ASSERT_GT(open(), 0);
  const std::string remote = "sleep 3901." + std::to_string(::getpid());
  Process process = step_->start({"exec", "--script", "echo started; " + remote});
  ASSERT_TRUE(process.wait_for("started", patience)) << process.err();
  process.interrupt();
  EXPECT_EQ(step_->result_of(process, milliseconds{7500}).code, 130);
  EXPECT_TRUE(HostForTests::stops_running(remote));
  HostForTests::end_running(remote);
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, MegabytesBothWaysAtOnceComeWhole) {
  ASSERT_GT(open(), 0);
  const StepResult step = exec("head -c 30000000 /dev/zero | sha256sum & seq 1 1000000; wait");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("\n1000000\n"), std::string::npos);
  const std::string text(20'000'000, 'x');
  fs::create_directory(step_->folder().path("site"));
  step_->folder().write("site/file", text);
  const StepResult synced = step_->run(
      {"sync", "--upload", step_->folder().path("site") + " -> " + host_->home().path("site")});
  EXPECT_EQ(synced.code, 0) << synced.err;
  EXPECT_TRUE(host_->home().read("site/file") == text);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, ManyCallsAtOnceShareIt) {
  ASSERT_GT(open(), 0);
  std::vector<Process> processes;
  for (int number = 0; number < 12; ++number) {
    processes.push_back(
        step_->start({"exec", "--script", "echo number " + std::to_string(number)}));
  }
  for (std::size_t number = 0; number < processes.size(); ++number) {
    EXPECT_EQ(processes[number].wait(patience), 0) << processes[number].err();
    EXPECT_NE(processes[number].out().find("number " + std::to_string(number)), std::string::npos);
  }
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, CallsBeyondWhatTheHostRunsAtOnceWaitForTheirTurn) {
  host_ = std::make_unique<HostForTests>("MaxSessions 2");
  step_ = std::make_unique<StepForTests>(*host_);
  ASSERT_GT(open(), 0);
  std::vector<Process> processes;
  for (int number = 0; number < 6; ++number) {
    processes.push_back(
        step_->start({"exec", "--script", "sleep 1; echo number " + std::to_string(number)}));
  }
  int waited = 0;
  for (std::size_t number = 0; number < processes.size(); ++number) {
    EXPECT_EQ(processes[number].wait(patience), 0) << processes[number].err();
    EXPECT_NE(processes[number].out().find("number " + std::to_string(number)), std::string::npos);
    const std::string all = processes[number].out() + processes[number].err();
    if (all.find("waiting for another command on the open session to end") != std::string::npos)
      ++waited;
  }
  EXPECT_GE(waited, 1);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, ACallWaitsForItsTurnNoLongerThanItsOwnTimeout) {
  host_ = std::make_unique<HostForTests>("MaxSessions 1");
  step_ = std::make_unique<StepForTests>(*host_);
  ASSERT_GT(open(), 0);
  Process first = step_->start({"exec", "--script", "echo begun; sleep 300"});
  ASSERT_TRUE(first.wait_for("begun", patience)) << first.err();
  const StepResult second = step_->run({"exec", "--timeout", "2s", "--script", "echo never"});
  EXPECT_EQ(second.code, 1) << second.err;
  EXPECT_EQ(second.out.find("never\n"), std::string::npos);
  EXPECT_NE((second.out + second.err).find("waiting for another command"), std::string::npos)
      << second.out << second.err;
  first.send(SIGTERM);
  EXPECT_EQ(first.wait(patience), 143);
}

TEST_F(TunnelSshSession, AHostThatRunsNoCommandsAtAllSaysSoAtOnce) {
  host_ = std::make_unique<HostForTests>("MaxSessions 0");
  step_ = std::make_unique<StepForTests>(*host_);
  ASSERT_GT(open(), 0);
  const StepResult result = exec("echo never");
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_NE(result.err.find("MaxSessions"), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("waiting for another"), std::string::npos) << result.err;
}

TEST_F(TunnelSshSession, ConnectsAgainWhenTheConnectionDrops) {
  const std::string log = step_->folder().path("session.log");
  ASSERT_GT(open({"--log-file", log}), 0);
  Process running = step_->start({"exec", "--script", "echo started; exec sleep 3902"});
  ASSERT_TRUE(running.wait_for("started", patience)) << running.err();
  host_->cut();
  const StepResult step = step_->result_of(running, patience);
  EXPECT_EQ(step.code, 4) << step.err;
  EXPECT_NE(step.err.find("the connection broke while the command ran"), std::string::npos);
  for (int tries = 0; tries < 200 && logins() < 2; ++tries) ::poll(nullptr, 0, 50);
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 2);
  const std::string said = step_->folder().read("session.log");
  EXPECT_NE(said.find("; connecting again"), std::string::npos) << said;
  EXPECT_NE(said.find("connected again"), std::string::npos) << said;
  HostForTests::end_running("sleep 3902");
}

TEST_F(TunnelSshSession, AnEdgeThatGoesAwayMidwayLeavesTheOutcomeUnknownAndTheSessionTrying) {
  SandboxEdge edge({"--client-id", SandboxEdge::client_id, "--origin",
                    "127.0.0.1:" + std::to_string(host_->sshd().port())},
                   {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
  step_->go_through(edge);
  const int holder = open();
  ASSERT_GT(holder, 0);
  Process running = step_->start({"exec", "--script", "echo started; exec sleep 3904"});
  ASSERT_TRUE(running.wait_for("started", patience)) << running.err();
  edge.stop();
  EXPECT_EQ(step_->result_of(running, patience).code, 4);
  const StepResult step = exec("true");
  EXPECT_EQ(step.code, 6) << step.err;
  EXPECT_NE(step.out.find("so this call connects by itself"), std::string::npos) << step.out;
  EXPECT_EQ(run_alone({"session", "close"}).code, 0);
  EXPECT_TRUE(ends(holder));
  HostForTests::end_running("sleep 3904");
}

TEST_F(TunnelSshSession, AHolderThatIsKilledLeavesTheOutcomeUnknownAndLaterCallsConnect) {
  const int holder = open();
  ASSERT_GT(holder, 0);
  Process running = step_->start({"exec", "--script", "echo started; exec sleep 3903"});
  ASSERT_TRUE(running.wait_for("started", patience)) << running.err();
  ::kill(holder, SIGKILL);
  const StepResult step = step_->result_of(running, patience);
  EXPECT_EQ(step.code, 4) << step.err;
  EXPECT_NE(step.err.find("ended while it carried a channel for a command"), std::string::npos)
      << step.err;
  EXPECT_EQ(sockets().size(), 1U) << "nobody has removed it yet";
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 2);
  EXPECT_TRUE(sockets().empty());
  EXPECT_GT(open(), 0);
  HostForTests::end_running("sleep 3903");
}

TEST_F(TunnelSshSession, AHolderThatDoesNotAnswerIsPassedByAndClosedAllTheSame) {
  const int holder = open();
  ASSERT_GT(holder, 0);
  ::kill(holder, SIGSTOP);
  const StepResult step = exec("true");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_NE(step.out.find("so this call connects by itself"), std::string::npos) << step.out;
  EXPECT_EQ(run_alone({"session", "close"}).code, 0);
  ::kill(holder, SIGCONT);
  EXPECT_TRUE(ends(holder));
}

TEST_F(TunnelSshSession, EndsWithItsLifetime) {
  const int holder = open({"--max-lifetime", "300ms"});
  ASSERT_GT(holder, 0);
  EXPECT_TRUE(ends(holder));
  EXPECT_TRUE(sockets().empty());
}

TEST_F(TunnelSshSession, EndsByTermAndRemovesItsSocket) {
  const int holder = open();
  ::kill(holder, SIGTERM);
  EXPECT_TRUE(ends(holder));
  EXPECT_TRUE(sockets().empty());
}

TEST_F(TunnelSshSession, ARefusedLoginIsAnErrorOfOpen) {
  step_->inputs.erase("INPUT_KNOWN_HOSTS");
  const StepResult step = step_->run({"session", "open"});
  EXPECT_EQ(step.code, 5);
  EXPECT_FALSE(step.outputs.contains("pid"));
  EXPECT_TRUE(sockets().empty());
}

TEST_F(TunnelSshSession, WorksInAFolderWhosePathIsLongerThanASocketsMayBe) {
  const std::string deep = step_->folder().path(std::string(120, 'd'));
  fs::create_directory(deep);
  step_->variables["RUNNER_TEMP"] = deep;
  ASSERT_GT(open(), 0);
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, CheckConnectsByItself) {
  ASSERT_GT(open(), 0);
  EXPECT_EQ(step_->run({"check"}).code, 0);
  EXPECT_EQ(logins(), 2);
}

TEST_F(TunnelSshSession, AForwardGoesByTheSessionAndConnectsAgainWhenThatIsClosed) {
  ASSERT_GT(open(), 0);
  const std::string target = "127.0.0.1:" + std::to_string(host_->sshd().port());
  const std::string log = step_->folder().path("forward.log");
  const StepResult step = step_->run(
      {"forward", "--background", "-L", "0:" + target, "-R", "0:" + target, "--log-file", log});
  ASSERT_EQ(step.code, 0) << step.err;
  holders_.push_back(std::stoi(step.outputs.at("pid")));
  EXPECT_EQ(logins(), 1);
  const auto greeting_at = [&](const std::string& port) {
    const Finished seen = run_process(
        {.argv = {"ssh-keyscan", "-T", "10", "-t", "ed25519", "-p", port, "127.0.0.1"}}, patience);
    return seen.out;
  };
  const auto ports = parse_json(step.outputs.at("ports"));
  ASSERT_TRUE(ports && ports->as_array()->size() == 2);
  for (const Json& entry : *ports->as_array()) {
    const std::string port = std::to_string(*entry.find("port")->as_int());
    EXPECT_NE(greeting_at(port).find("ssh-ed25519"), std::string::npos) << entry.dump();
  }
  EXPECT_EQ(run_alone({"session", "close"}).code, 0);
  std::string greeting;
  for (int tries = 0; tries < 100 && greeting.empty(); ++tries) {
    greeting = greeting_at(step.outputs.at("port"));
  }
  EXPECT_NE(greeting.find("ssh-ed25519"), std::string::npos) << step_->folder().read("forward.log");
  EXPECT_EQ(logins(), 2);
}

bool is_open(std::uint16_t port) {
  const FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = pca::testing::loopback_address("127.0.0.1", port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool closes(std::uint16_t port) {
  for (int tries = 0; tries < 200 && is_open(port); ++tries) ::poll(nullptr, 0, 25);
  return !is_open(port);
}

TEST_F(TunnelSshSession, AnEndedForwardListensNoMoreOnTheHost) {
  ASSERT_GT(open(), 0);
  const std::string target = "127.0.0.1:" + std::to_string(host_->sshd().port());
  const std::string socket = host_->home().path("there.sock");
  const StepResult step =
      step_->run({"forward", "--background", "-R", "0:" + target, "-R", socket + ":" + target});
  ASSERT_EQ(step.code, 0) << step.err;
  holders_.push_back(std::stoi(step.outputs.at("pid")));
  const auto port = static_cast<std::uint16_t>(std::stoi(step.outputs.at("port")));
  EXPECT_TRUE(is_open(port));
  EXPECT_TRUE(fs::exists(socket));
  ::kill(holders_.back(), SIGTERM);
  EXPECT_TRUE(ends(holders_.back()));
  EXPECT_TRUE(closes(port));
  EXPECT_TRUE(comes_true([&] { return !fs::exists(socket); }));
  EXPECT_EQ(exec("true").code, 0);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, StdioGoesByTheSessionToTheHostsOwnPort) {
  ASSERT_GT(open(), 0);
  Process process = step_->start({"stdio", "--debug"});
  EXPECT_TRUE(process.wait_for("SSH-2.0-", patience)) << process.err();
  EXPECT_NE(process.err().find("session: " + host_->address()), std::string::npos) << process.err();
}

TEST_F(TunnelSshSession, StdioGoesByTheSessionOfItsLastJumpHost) {
  const HostForTests inner;
  step_->inputs["INPUT_KNOWN_HOSTS"] = host_->sshd().known_hosts() + inner.sshd().known_hosts();
  ASSERT_GT(open(), 0);
  step_->inputs["INPUT_JUMP"] = host_->address();
  step_->inputs["INPUT_HOST"] = inner.address();
  Process process = step_->start({"stdio", "--debug"});
  EXPECT_TRUE(process.wait_for("SSH-2.0-", patience)) << process.err();
  EXPECT_NE(process.err().find("session: " + inner.address()), std::string::npos) << process.err();
  EXPECT_EQ(logins(), 1);
}

// A socket to the holder, as a process of somebody else or of none of ours would have it.
class RawGuest {
 public:
  explicit RawGuest(const fs::path& path)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    // The path itself may be too long for a socket's address.
    const FileDescriptor parent(
        ::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string name =
        "/proc/self/fd/" + std::to_string(parent.get()) + "/" + path.filename().string();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    is_connected_ =
        ::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  [[nodiscard]] bool is_connected() const { return is_connected_; }
  void send(std::string_view bytes) const {
    (void)!::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  // The same bytes again and again until nothing was taken for a while; gives how many were.
  [[nodiscard]] std::size_t send_until_full(std::string_view bytes) const {
    std::size_t sent = 0;
    pollfd handle{socket_.get(), POLLOUT, 0};
    while (::poll(&handle, 1, 500) == 1) {
      const std::string_view rest = bytes.substr(sent % bytes.size());
      const ssize_t size =
          ::send(socket_.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (size <= 0) break;
      sent += static_cast<std::size_t>(size);
    }
    return sent;
  }
  // One frame's payload.
  [[nodiscard]] std::string read_frame() const {
    std::string bytes;
    pollfd handle{socket_.get(), POLLIN, 0};
    while (::poll(&handle, 1, static_cast<int>(patience.count())) == 1) {
      char byte = 0;
      if (::recv(socket_.get(), &byte, 1, 0) != 1) break;
      bytes += byte;
      // A type and a length of four bytes, the last of which is enough here.
      if (bytes.size() >= 5 && bytes.size() == 5U + static_cast<unsigned char>(bytes[4])) break;
    }
    return bytes.size() < 5 ? "" : bytes.substr(5);
  }
  // Whoever sends to it is told that nobody reads there, before its end is seen.
  void stop_reading() const { ::shutdown(socket_.get(), SHUT_RD); }
  // Everything until the holder hangs up.
  [[nodiscard]] std::string read_to_end() const {
    std::string all;
    pollfd handle{socket_.get(), POLLIN, 0};
    while (::poll(&handle, 1, static_cast<int>(patience.count())) == 1) {
      std::array<char, 4096> buffer{};
      const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(size));
    }
    ADD_FAILURE() << "the holder does not hang up";
    return all;
  }

 private:
  FileDescriptor socket_;
  bool is_connected_ = false;
};

TEST_F(TunnelSshSession, GarbageEndsOnlyItsSender) {
  ASSERT_GT(open(), 0);
  Process running =
      step_->start({"exec", "--script", "echo started; read -t 1 x </dev/zero || echo ended"});
  ASSERT_TRUE(running.wait_for("started", patience));
  using Kind = SessionRequest::Kind;
  std::string unknown_identity;
  append_session_frame(
      unknown_identity, SessionFrameType::request,
      encode_request({.kind = Kind::exec, .identity = std::string(64, 'a'), .text = "id"}));
  std::string data_first;
  append_session_frame(data_first, SessionFrameType::data, "x");
  const std::string lengthy("\x01\xff\xff\xff\xff", 5);
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), lengthy, data_first, unknown_identity}) {
    const RawGuest guest(sockets().front());
    guest.send(bytes);
    const std::string answer = guest.read_to_end();
    ASSERT_FALSE(answer.empty());
    EXPECT_EQ(answer.front(), static_cast<char>(SessionFrameType::error));
  }
  EXPECT_EQ(step_->result_of(running, patience).code, 0);
  EXPECT_EQ(logins(), 1);
}

TEST_F(TunnelSshSession, AGuestThatBreaksListensNoMoreOnTheHost) {
  ASSERT_GT(open(), 0);
  const RawGuest guest(sockets().front());
  std::string request;
  append_session_frame(request, SessionFrameType::request,
                       encode_request({.kind = SessionRequest::Kind::listen,
                                       .identity = sockets().front().filename().string(),
                                       .text = "127.0.0.1"}));
  guest.send(request);
  const auto port = parse_integer(guest.read_frame(), 1, 65535);
  ASSERT_TRUE(port);
  guest.stop_reading();
  EXPECT_TRUE(closes(static_cast<std::uint16_t>(*port)));
  EXPECT_EQ(exec("true").code, 0);
}

// Processor time that a process has used, in clock ticks (proc(5), stat).
long ticks_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::vector<std::string> fields = split(text.substr(text.rfind(')') + 2), ' ');
  return std::stol(fields.at(11)) + std::stol(fields.at(12));
}

TEST_F(TunnelSshSession, WaitsAsleepForAHostThatReadsNothing) {
  const int holder = open();
  ASSERT_GT(holder, 0);
  const RawGuest guest(sockets().front());
  std::string bytes;
  append_session_frame(bytes, SessionFrameType::request,
                       encode_request({.kind = SessionRequest::Kind::exec,
                                       .identity = sockets().front().filename().string(),
                                       .text = "exec sleep 3905"}));
  guest.send(bytes);
  bytes.clear();
  append_session_frame(bytes, SessionFrameType::data, std::string(50'000, 'x'));
  ASSERT_GT(guest.send_until_full(bytes), 2'000'000U);
  const long before = ticks_of(holder);
  ::poll(nullptr, 0, 1000);
  EXPECT_LT(ticks_of(holder) - before, ::sysconf(_SC_CLK_TCK) / 4);
  EXPECT_EQ(exec("true").code, 0);
  HostForTests::end_running("sleep 3905");
}

TEST_F(TunnelSshSession, AnotherUserIsRefused) {
  PCA_REQUIRE(::geteuid() == 0 ? "" : "root, to become another user");
  ASSERT_GT(open(), 0);
  const fs::path socket = sockets().front();
  const auto connects_as_nobody = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      const bool is_nobody =
          ::setgroups(0, nullptr) == 0 && ::setgid(65534) == 0 && ::setuid(65534) == 0;
      const RawGuest guest(socket);
      if (!is_nobody) ::_exit(3);
      if (!guest.is_connected()) ::_exit(1);
      guest.send("x");
      ::_exit(guest.read_to_end().empty() ? 0 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(connects_as_nobody(), 1) << "the folder keeps others out";
  for (const fs::path& path : {fs::path(step_->folder().path()), folder(), socket}) {
    fs::permissions(path, fs::perms::all);
  }
  EXPECT_EQ(connects_as_nobody(), 0) << "the holder hangs up without an answer";
  const StepResult step = exec("true");
  EXPECT_EQ(step.code, 0);
  EXPECT_NE(step.out.find("belongs to somebody else or is open to others"), std::string::npos);
  EXPECT_EQ(logins(), 2);
}

// The channel, the command, and its input, for which sshd has no room before; a trip is whole, so
// half of one is left to the machine's noise.
TEST_F(TunnelSshSession, ASecondExecTakesAtMostThreeRoundTripsThroughTheEdge) {
  const auto least_ms = [this](milliseconds round_trip) {
    const SandboxEdge edge(
        {"--client-id", SandboxEdge::client_id, "--rtt", std::to_string(round_trip.count()) + "ms",
         "--origin", "127.0.0.1:" + std::to_string(host_->sshd().port())},
        {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
    step_->go_through(edge);
    open();
    double least = 1e9;
    for (int tries = 0; tries < 5; ++tries) {
      const auto start = std::chrono::steady_clock::now();
      EXPECT_EQ(exec("true").code, 0);
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - start;
      least = std::min(least, took.count());
    }
    EXPECT_EQ(run_alone({"session", "close"}).code, 0);
    return least;
  };
  constexpr milliseconds near{50};
  constexpr milliseconds far{650};  // a busy machine's noise is no trip of it
  const double base = least_ms(near);
  const double trips = (least_ms(far) - base) / static_cast<double>((far - near).count());
  EXPECT_GT(trips, 2.5);
  EXPECT_LT(trips, 3.5);
}

}  // namespace
}  // namespace pca::test
