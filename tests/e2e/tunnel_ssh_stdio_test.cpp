// tunnel-ssh stdio as the ProxyCommand of the real ssh, rsync and git, through the sandbox's edge.

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{120'000};

std::string missing(const std::string& program) {
  for (const char* folder : {"/usr/bin/", "/bin/"}) {
    if (::access((folder + program).c_str(), X_OK) == 0) return {};
  }
  return "no " + program + " here";
}

std::int64_t number(const Json& record, const char* key) {
  const Json* value = record.find(key);
  return value == nullptr || value->as_int() == nullptr ? -1 : *value->as_int();
}

class TunnelSshStdio : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    host_ = std::make_unique<HostForTests>();
    folder_.write("known_hosts", host_->sshd().known_hosts());
  }

  [[nodiscard]] SandboxEdge edge(std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.end(), {"--client-id", SandboxEdge::client_id, "--origin",
                                       "127.0.0.1:" + std::to_string(host_->sshd().port())});
    return SandboxEdge(arguments, {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
  }

  // The user's own ssh as words of a command line.
  [[nodiscard]] std::vector<std::string> ssh() const {
    return {"ssh",
            "-F",
            "none",
            "-i",
            host_->key_pair().path,
            "-p",
            std::to_string(host_->sshd().port()),
            "-o",
            "UserKnownHostsFile=" + folder_.path("known_hosts"),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "ProxyCommand=" + StepForTests::executable() + " stdio %h %p"};
  }
  [[nodiscard]] std::string target() const { return host_->sshd().user() + "@127.0.0.1"; }

  // What stdio needs to know comes by the environment that ssh hands on.
  static ProcessEnvironment through(const SandboxEdge& gate) {
    ProcessEnvironment environment = plain_environment();
    environment["INPUT_VIA"] = "access";
    environment["INPUT_ACCESS_HOSTNAME"] = "localhost";
    environment["INPUT_ACCESS_PORT"] = std::to_string(gate.port());
    environment["INPUT_ACCESS_CA"] = gate.ca_file();
    environment["INPUT_ACCESS_CLIENT_ID"] = SandboxEdge::client_id;
    environment["INPUT_ACCESS_CLIENT_SECRET"] = SandboxEdge::client_secret;
    return environment;
  }

  Finished run(std::vector<std::string> argv, const ProcessEnvironment& environment,
               const std::string& input = "") {
    return run_process({.argv = std::move(argv), .environment = environment, .input = input},
                       patience);
  }

  static std::string big_text() {
    std::string text(64U << 20U, '\0');
    std::uint32_t state = 1;
    for (char& c : text) {
      state = state * 1664525 + 1013904223;
      c = static_cast<char>(state >> 24U);
    }
    return text;
  }
  static std::vector<std::string> joined(std::vector<std::string> words,
                                         const std::vector<std::string>& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  std::unique_ptr<HostForTests> host_;
  TempFolder folder_;
};

TEST_F(TunnelSshStdio, CarriesTheRealSsh) {
  const SandboxEdge gate = edge();
  const Finished done = run(joined(ssh(), {target(), "echo hello; exit 3"}), through(gate));
  EXPECT_EQ(done.code, 3);
  EXPECT_EQ(done.out, "hello\n");
  EXPECT_EQ(done.err, "");
}

TEST_F(TunnelSshStdio, Carries64MebibytesBothWaysWhilePingsArrive) {
  const SandboxEdge gate = edge({"--ping-every", "2ms"});
  const std::string sent = big_text();
  const Finished done = run(joined(ssh(), {target(), "cat"}), through(gate), sent);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out.size(), sent.size());
  EXPECT_EQ(to_hex(sha256(done.out)), to_hex(sha256(sent)));
  EXPECT_EQ(done.err, "");
  const Json record = gate.wait_for_records(1).front();
  EXPECT_GT(number(record, "pings-sent"), 0);
  EXPECT_GT(number(record, "pongs-received"), 0);
  EXPECT_GT(number(record, "bytes-up"), std::int64_t{64} << 20);
  EXPECT_EQ(number(record, "cut-messages"), 0);
}

TEST_F(TunnelSshStdio, CarriesRsync) {
  PCA_REQUIRE(missing("rsync"));
  const SandboxEdge gate = edge();
  const TempFolder source;
  for (int i = 0; i < 50; ++i) {
    source.write("file" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 997, 'x'));
  }
  std::vector<std::string> words = ssh();
  words.back() = "'" + words.back() + "'";
  const Finished done = run({"rsync", "-a", "-e", join(words, " "), source.path() + "/",
                             target() + ":" + host_->home().path("copy") + "/"},
                            through(gate));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(host_->home().read("copy/file49"), source.read("file49"));
}

TEST_F(TunnelSshStdio, CarriesGit) {
  PCA_REQUIRE(missing("git"));
  const SandboxEdge gate = edge();
  const std::string repository = host_->home().path("repository.git");
  ProcessEnvironment environment = through(gate);
  environment["HOME"] = folder_.path();
  EXPECT_EQ(run({"git", "init", "-q", "--bare", repository}, environment).code, 0);
  std::vector<std::string> words = ssh();
  words.back() = "'" + words.back() + "'";
  environment["GIT_SSH_COMMAND"] = join(words, " ");
  const Finished done = run(
      {"git", "clone", "-q", "ssh://" + target() + repository, folder_.path("clone")}, environment);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_NE(folder_.read("clone/.git/config").find("repository.git"), std::string::npos);
}

TEST_F(TunnelSshStdio, ARefusalIsOneClearLineOnStderr) {
  const SandboxEdge gate = edge();
  ProcessEnvironment environment = through(gate);
  environment["INPUT_ACCESS_CLIENT_SECRET"] = "wrong-secret-0123456789";
  const Finished done = run({StepForTests::executable(), "stdio", "127.0.0.1"}, environment);
  EXPECT_EQ(done.code, 5);
  EXPECT_EQ(done.out, "");
  EXPECT_TRUE(done.err.starts_with("error: while connecting to 127.0.0.1: ")) << done.err;
  EXPECT_NE(done.err.find("302"), std::string::npos) << done.err;
}

TEST_F(TunnelSshStdio, ABannerComesAlsoWhenNothingIsSent) {
  const SandboxEdge gate = edge();
  const Finished done = run({StepForTests::executable(), "stdio", "127.0.0.1"}, through(gate));
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_TRUE(done.out.starts_with("SSH-2.0-OpenSSH")) << done.out;
}

TEST_F(TunnelSshStdio, EndsWithTheHost) {
  const SandboxEdge gate = edge();
  ProcessSpec spec{.argv = {StepForTests::executable(), "stdio", "127.0.0.1"},
                   .environment = through(gate)};
  spec.keep_input_open = true;
  Process process(std::move(spec));
  ASSERT_TRUE(process.wait_for("SSH-2.0-OpenSSH", patience));
  process.write("no ssh at all\r\n");
  EXPECT_EQ(process.wait(patience), 0) << process.err();
}

TEST_F(TunnelSshStdio, EndsByASignalQuietlyWhenItIsTheOneOfSsh) {
  const SandboxEdge gate = edge();
  for (const int signal : {SIGHUP, SIGTERM, SIGINT}) {
    ProcessSpec spec{.argv = {StepForTests::executable(), "stdio", "127.0.0.1"},
                     .environment = through(gate)};
    spec.keep_input_open = true;
    Process process(std::move(spec));
    ASSERT_TRUE(process.wait_for("SSH-2.0-OpenSSH", patience));
    process.send(signal);
    EXPECT_EQ(process.wait(patience), signal == SIGHUP ? 0 : 128 + signal);
    EXPECT_EQ(process.err(), signal == SIGHUP ? "" : "error: ended by a signal\n");
  }
}

TEST_F(TunnelSshStdio, PassesThroughJumpHosts) {
  const HostForTests inner;
  const SandboxEdge gate = edge();
  ProcessEnvironment environment = through(gate);
  environment["INPUT_JUMP"] = host_->address();
  environment["INPUT_KEY"] = host_->key();
  environment["INPUT_KNOWN_HOSTS"] = host_->sshd().known_hosts();
  folder_.write("known_hosts", inner.sshd().known_hosts());
  std::vector<std::string> words = ssh();
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == "-i") words[i + 1] = inner.key_pair().path;
    if (words[i] == "-p") words[i + 1] = std::to_string(inner.sshd().port());
  }
  const Finished done = run(joined(words, {target(), "cd; pwd"}), environment);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, inner.home().path() + "\n");
}

}  // namespace
}  // namespace pca::test
