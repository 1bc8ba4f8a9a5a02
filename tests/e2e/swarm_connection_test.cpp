// swarm-deploy on managers that are reached through SSH and by TCP with TLS: real Engines, a real
// sshd.

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "net/engine.hpp"
#include "support/cache_folder.hpp"
#include "support/comes_true.hpp"
#include "support/edge.hpp"
#include "support/require.hpp"
#include "support/round_trips.hpp"
#include "support/swarm.hpp"
#include "support/swarm_step.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca {
namespace {

using namespace test;
using pca::testing::SandboxEdge;

// One service, on the manager, whose Engine tells of its own containers only; `seconds` pass until
// it is healthy.
std::string stack_of(const std::string& variable, int seconds = 0) {
  return fmt::format(
      "services:\n  web:\n    image: app:v1\n    environment: {{VARIABLE: \"{}\"}}\n    command: "
      "[sh, -c, \"trap 'exit 0' TERM; sleep {}; echo > /tmp/well; while :; do sleep 0.2; done\"]\n "
      " "
      "  healthcheck: {{test: [CMD, test, -f, /tmp/well], interval: 300ms, retries: 100}}\n    "
      "stop_grace_period: 200ms\n    deploy: {{endpoint_mode: dnsrr, update_config: {{monitor: "
      "1s}}, placement: {{constraints: [node.role == manager]}}}}\n",
      variable, seconds);
}

// One swarm of a manager and a worker for all tests; each has a stack and an sshd of its own.
class SwarmOverSsh : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (Swarm::missing().empty()) swarm_ = std::make_unique<Swarm>(2);
  }
  static void TearDownTestSuite() { swarm_.reset(); }

  void SetUp() override {
    PCA_REQUIRE(Swarm::missing());
    PCA_REQUIRE(Sshd::missing());
    stack_ = to_lower(::testing::UnitTest::GetInstance()->current_test_info()->name());
    stack_.resize(std::min<std::size_t>(stack_.size(), 40));
    open_host("");
  }
  void TearDown() override {
    if (stack_.empty()) return;
    auto engine = Engine::connect(budget(), *parse_engine_endpoint("unix://" + swarm_->socket()));
    if (engine) {
      (void)(*engine)->ask(budget(), {.method = "DELETE", .path = "/services/" + stack_ + "_web"});
    }
  }

  // The manager's machine with further lines of sshd_config.
  void open_host(const std::string& config) {
    host_ = std::make_unique<HostForTests>(config);
    step_ = std::make_unique<SwarmStep>(swarm_->socket(), stack_);
    use(StepForTests(*host_));
  }
  // Connection inputs as tunnel-ssh has them.
  void use(const StepForTests& step) {
    for (const auto& [name, value] : step.inputs) step_->variables[name] = value;
  }
  void use(const std::string& name, const std::string& value) { step_->variables[name] = value; }
  // To the same sshd by another port.
  void go_by(std::uint16_t port) {
    use("INPUT_HOST", fmt::format("{}@127.0.0.1:{}", host_->sshd().user(), port));
    use("INPUT_HOST_KEY", host_->sshd().fingerprint("ed25519"));
  }

  [[nodiscard]] SwarmStep::Result run(const std::string& command, const std::string& yaml,
                                      std::vector<std::string> more = {}) const {
    step_->write(yaml);
    more.insert(more.begin(), {"--resolve-image", "never"});
    if (command == "deploy") more.insert(more.end(), {"--settle", "1s", "--timeout", "60s"});
    return step_->run(command, more);
  }
  // The Engine told of the service while it was waited for.
  void expect_events(const SwarmStep::Result& deployed, const std::string& type) const {
    const std::string line = fmt::format("because of an event: {} {}_web: ", type, stack_);
    EXPECT_NE(deployed.err.find(line), std::string::npos) << deployed.out << deployed.err;
    EXPECT_EQ(deployed.err.find("No events are heard"), std::string::npos) << deployed.err;
  }
  // How many connections the host has let in.
  [[nodiscard]] std::size_t logins() const {
    const std::string log = host_->sshd().log();
    std::size_t count = 0;
    for (auto at = log.find("Accepted publickey"); at != std::string::npos;
         at = log.find("Accepted publickey", at + 1))
      ++count;
    return count;
  }
  [[nodiscard]] std::string variable() const {
    const auto engine =
        Engine::connect(budget(), *parse_engine_endpoint("unix://" + swarm_->socket()));
    if (!engine) return engine.error().message;
    const auto service = (*engine)->json(budget(), {.path = "/services/" + stack_ + "_web"});
    if (!service) return service.error().message;
    const std::string text = service->dump();
    const auto at = text.find("VARIABLE=");
    return at == std::string::npos ? "" : text.substr(at + 9, text.find('"', at) - at - 9);
  }

  static Budget budget() { return Budget::of(Milliseconds{30'000}); }

  static std::unique_ptr<Swarm> swarm_;
  std::string stack_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<SwarmStep> step_;
};

std::unique_ptr<Swarm> SwarmOverSsh::swarm_;

TEST_F(SwarmOverSsh, OneConnectionCarriesAllOfADeploy) {
  const auto first = run("deploy", stack_of("one"));
  ASSERT_EQ(first.code, 0) << first.out << first.err;
  EXPECT_EQ(first.outputs.at("outcome"), "deployed");
  EXPECT_EQ(variable(), "one");
  EXPECT_EQ(logins(), 1U);

  const auto second = run("deploy", stack_of("one"));
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_EQ(second.outputs.at("outcome"), "unchanged");
  EXPECT_EQ(logins(), 2U);

  const auto third = run("deploy", stack_of("two"), {"--debug"});
  EXPECT_EQ(third.code, 0) << third.out << third.err;
  expect_events(third, "service");
  expect_events(third, "container");
  EXPECT_EQ(variable(), "two");
  EXPECT_TRUE(host_->falls_silent());
}

TEST_F(SwarmOverSsh, WhereNoSocketIsForwardedTheHostsDockerCommandPassesItOn) {
  open_host("AllowStreamLocalForwarding no\n");
  if (!std::filesystem::exists("/usr/bin/docker")) {  // Debian 13's docker.io does without
    std::filesystem::create_directories(host_->home().path("bin"));
    std::filesystem::create_symlink(cache_folder() + "/docker-cli/usr/bin/docker",
                                    host_->home().path("bin/docker"));
  }
  const auto deployed = run("deploy", stack_of("one"), {"--debug"});
  ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  expect_events(deployed, "container");
  EXPECT_EQ(variable(), "one");
  EXPECT_EQ(logins(), 1U);
  EXPECT_TRUE(host_->falls_silent());
}

TEST_F(SwarmOverSsh, WhereNeitherGoesTheHostsWordsAreTold) {
  open_host("AllowStreamLocalForwarding no\nForceCommand echo no docker here >&2; exit 1\n");
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 6) << planned.out;
  EXPECT_NE(planned.err.find("no docker here"), std::string::npos) << planned.err;
}

TEST_F(SwarmOverSsh, ASocketThatIsNotThereIsToldAsTheHostSeesIt) {
  step_ = std::make_unique<SwarmStep>(host_->home().path("no.sock"), stack_);
  use(StepForTests(*host_));
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 6) << planned.out << planned.err;
  EXPECT_NE(planned.err.find("no.sock"), std::string::npos) << planned.err;
  EXPECT_NE(planned.err.find("no such file or directory"), std::string::npos) << planned.err;
}

TEST_F(SwarmOverSsh, ALoginThatIsRefusedIsAPermission) {
  use("INPUT_USER", "");
  use("INPUT_HOST", fmt::format("nobody@127.0.0.1:{}", host_->sshd().port()));
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 5) << planned.out << planned.err;
}

TEST_F(SwarmOverSsh, GoesThroughCloudflareAccess) {
  const SandboxEdge edge({"--client-id", SandboxEdge::client_id, "--origin",
                          fmt::format("127.0.0.1:{}", host_->sshd().port())},
                         {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
  StepForTests step(*host_);
  step.go_through(edge);
  use(step);
  const auto deployed = run("deploy", stack_of("one"));
  ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_EQ(variable(), "one");
  EXPECT_EQ(edge.wait_for_records(1).size(), 1U);
}

TEST_F(SwarmOverSsh, UsesAnOpenSession) {
  StepForTests session(*host_);
  use("RUNNER_TEMP", session.folder().path());
  ASSERT_EQ(session.run({"session", "open"}).code, 0);
  const auto deployed = run("deploy", stack_of("one"), {"--debug"});
  EXPECT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  expect_events(deployed, "container");
  EXPECT_EQ(variable(), "one");
  EXPECT_EQ(logins(), 1U);
  session.inputs.clear();
  EXPECT_EQ(session.run({"session", "close"}).code, 0);
}

// Also when the service is there and the answer that says so is not: it is asked for again.
TEST_F(SwarmOverSsh, ATunnelThatIsCutIsOpenedAgainAndTheDeployGoesOn) {
  step_->write(stack_of("one", 4));
  Process process = step_->start("deploy", {"--resolve-image", "never", "--settle", "1s"});
  ASSERT_TRUE(comes_true([&] { return variable() == "one"; }));
  host_->cut();
  const auto deployed = step_->result_of(process);
  EXPECT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_EQ(deployed.outputs.at("outcome"), "deployed");
  EXPECT_EQ(logins(), 2U);
}

TEST_F(SwarmOverSsh, ACancelTakesBackWhatWasWritten) {
  ASSERT_EQ(run("deploy", stack_of("one")).code, 0);
  step_->write(stack_of("two", 60));
  Process process = step_->start("deploy", {"--resolve-image", "never"});
  ASSERT_TRUE(comes_true([&] { return variable() == "two"; }));
  process.send(SIGTERM);
  const auto cancelled = step_->result_of(process);
  EXPECT_EQ(cancelled.code, 143) << cancelled.out << cancelled.err;
  EXPECT_EQ(variable(), "one");
}

// A host that is not there, one that is no manager, then the manager.
TEST_F(SwarmOverSsh, SeveralManagersAreTriedInTheirOrder) {
  const std::string manager = step_->variables.at("INPUT_HOST");
  use("INPUT_HOST",
      host_->sshd().user() + "@127.0.0.1:9\n" + manager);  // discard: nobody listens there
  use("INPUT_TRIES", "1");
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 0) << planned.out << planned.err;
  EXPECT_NE(planned.out.find("cannot connect to 127.0.0.1:9"), std::string::npos) << planned.out;

  step_ = std::make_unique<SwarmStep>(swarm_->socket(2) + "\nunix://" + swarm_->socket(), stack_);
  const auto second = run("plan", stack_of("one"));
  EXPECT_EQ(second.code, 0) << second.out << second.err;
  EXPECT_NE(second.out.find("is no manager of its swarm"), std::string::npos) << second.out;
}

// ---- round trips

TEST_F(SwarmOverSsh, ADeployThatChangesNothingTakesFewRoundTrips) {
  ASSERT_EQ(run("deploy", stack_of("one")).code, 0);
  const double trips = round_trips_of(
      host_->sshd().port(), 14.4, [this](std::uint16_t port) { go_by(port); },
      [this] { EXPECT_EQ(run("deploy", stack_of("one")).outputs.at("outcome"), "unchanged"); });
  EXPECT_LT(trips, 14.5);
}

// A channel, the Engine's version, whether it manages a swarm, and all that is read.
TEST_F(SwarmOverSsh, ThroughAnOpenSessionItTakesFourRoundTrips) {
  ASSERT_EQ(run("deploy", stack_of("one")).code, 0);
  StepForTests session(*host_);
  use("RUNNER_TEMP", session.folder().path());
  const double trips = round_trips_of(
      host_->sshd().port(), 4.4,
      [&](std::uint16_t port) {
        go_by(port);
        session.inputs.clear();
        EXPECT_EQ(session.run({"session", "close"}).code, 0);
        session.inputs = StepForTests(*host_).inputs;
        for (const char* name : {"INPUT_HOST", "INPUT_HOST_KEY"})
          session.inputs[name] = step_->variables.at(name);
        EXPECT_EQ(session.run({"session", "open"}).code, 0);
      },
      [this] { EXPECT_EQ(run("deploy", stack_of("one")).outputs.at("outcome"), "unchanged"); });
  EXPECT_LT(trips, 4.5);
  session.inputs.clear();
  EXPECT_EQ(session.run({"session", "close"}).code, 0);
}

// ---- TCP

// This thread, and what it starts, in the network of another process.
class InNetworkOf {
 public:
  explicit InNetworkOf(int pid) : own_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    const FileDescriptor other(
        ::open(fmt::format("/proc/{}/ns/net", pid).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(::setns(other.get(), CLONE_NEWNET), 0);
  }
  ~InNetworkOf() { EXPECT_EQ(::setns(own_.get(), CLONE_NEWNET), 0); }
  InNetworkOf(const InNetworkOf&) = delete;
  InNetworkOf& operator=(const InNetworkOf&) = delete;

 private:
  FileDescriptor own_;
};

class SwarmOverTls : public SwarmOverSsh {
 protected:
  void SetUp() override {
    SwarmOverSsh::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    network_ = std::make_unique<InNetworkOf>(swarm_->engine_pid());
    step_ = std::make_unique<SwarmStep>(Swarm::tcp_address(), stack_);
    use("INPUT_ENGINE_CA", tls("ca.pem"));
    use("INPUT_ENGINE_CERT", content_of("client.pem"));
    use("INPUT_ENGINE_KEY", content_of("client-key.pem"));
  }
  void TearDown() override {
    host_.reset();
    network_.reset();
    SwarmOverSsh::TearDown();
  }

  [[nodiscard]] std::string tls(const std::string& file) const {
    return swarm_->tls_folder() + "/" + file;
  }
  [[nodiscard]] std::string content_of(const std::string& file) const {
    return *read_input_file(budget(), tls(file), 1 << 20);
  }

  std::unique_ptr<InNetworkOf> network_;
};

TEST_F(SwarmOverTls, BothSidesShowACertificate) {
  const auto deployed = run("deploy", stack_of("one"), {"--debug"});
  ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  expect_events(deployed, "container");
  EXPECT_EQ(variable(), "one");
}

TEST_F(SwarmOverTls, ThroughSshTheEngineStillShowsItsCertificate) {
  open_host("");  // in the Engine's network
  step_ = std::make_unique<SwarmStep>(Swarm::tcp_address(), stack_);
  use(StepForTests(*host_));
  use("INPUT_ENGINE_CA", tls("ca.pem"));
  use("INPUT_ENGINE_CERT", tls("client.pem"));
  use("INPUT_ENGINE_KEY", content_of("client-key.pem"));
  const auto deployed = run("deploy", stack_of("one"));
  ASSERT_EQ(deployed.code, 0) << deployed.out << deployed.err;
  EXPECT_EQ(logins(), 1U);
  use("INPUT_ENGINE_CA", tls("client.pem"));
  EXPECT_EQ(run("plan", stack_of("one")).code, 5);
}

TEST_F(SwarmOverTls, AnEngineOfAnotherAuthorityIsNotTrusted) {
  use("INPUT_ENGINE_CA", tls("client.pem"));
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 5) << planned.out << planned.err;
  EXPECT_NE(planned.err.find("is not trusted"), std::string::npos) << planned.err;
  EXPECT_NE(planned.err.find("engine-ca"), std::string::npos) << planned.err;
}

TEST_F(SwarmOverTls, AnEngineThatAsksForACertificateIsUnderstood) {
  step_->variables.erase("INPUT_ENGINE_CERT");
  step_->variables.erase("INPUT_ENGINE_KEY");
  const auto planned = run("plan", stack_of("one"));
  EXPECT_EQ(planned.code, 5) << planned.out << planned.err;
  EXPECT_NE(planned.err.find("engine-cert"), std::string::npos) << planned.err;
}

}  // namespace
}  // namespace pca
