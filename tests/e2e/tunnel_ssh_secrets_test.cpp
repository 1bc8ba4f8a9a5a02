// Where a secret goes: to the host and nowhere else. Every secret input of every command is a
// canary, and all that the tests can see is searched for them, when all goes well and when it does
// not.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "support/require.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{30'000};
constexpr const char* edge_name = "ssh.example.test";

// Other tests at work show theirs to ssh-keygen.
const std::string own = "-" + std::to_string(::getpid());
const std::string pass_env = "canary-of-pass-env-7d1f0c";
// Longer than a line of base64 holds.
const std::string long_pass_env =
    "canary-of-a-long-pass-env-9c41d07be2358f6a9c41d07be2358f6a9c41d07be2358f6a";
const std::string passphrase = "canary-of-the-passphrase" + own;
const std::string jump_passphrase = "canary-of-the-jump-passphrase" + own;
const std::string wrong_passphrase = "canary-of-a-wrong-passphrase";
const std::string password = "canary-of-the-password";
const std::string proxy_password = "canary-of-the-proxy-password";
const std::string wrong_proxy_password = "canary-of-a-wrong-proxy-password";
const std::string wrong_secret = "canary-of-a-wrong-client-secret";

// tunnel-ssh to a host behind a jump host behind an edge behind a proxy.
class TunnelSshSecrets : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    key_ = make_key(keys_, "key", {"-t", "ed25519", "-a", "1"}, passphrase);
    jump_key_ = make_key(keys_, "jump", {"-t", "ecdsa", "-a", "1"}, jump_passphrase);
    other_key_ = make_key(keys_, "other", {"-t", "ed25519"});
    host_ = std::make_unique<HostForTests>("AuthorizedKeysFile " +
                                           keys_.write("authorized", key_.public_line + "\n"));
    jump_ = std::make_unique<HostForTests>(
        "AuthorizedKeysFile " + keys_.write("authorized_at_jump", jump_key_.public_line + "\n"));
    edge_ = std::make_unique<SandboxEdge>(
        std::vector<std::string>{"--origin", "127.0.0.1:" + std::to_string(jump_->sshd().port()),
                                 "--client-id", SandboxEdge::client_id, "--name", edge_name,
                                 "--proxy", "--proxy-user", "ci"},
        ProcessEnvironment{{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret},
                           {"INPUT_JWT", SandboxEdge::jwt},
                           {"INPUT_PROXY_PASSWORD", proxy_password}});
  }

  // A step in which all goes well, with every secret there can be.
  [[nodiscard]] std::unique_ptr<StepForTests> good_step() const {
    auto step = std::make_unique<StepForTests>(*host_);
    step->in_actions();
    step->go_through(*edge_);
    step->variables["HTTPS_PROXY"] = proxy(proxy_password);
    step->variables["CANARY"] = pass_env;
    step->variables["LONG_CANARY"] = long_pass_env;
    auto& inputs = step->inputs;
    inputs["INPUT_ACCESS_HOSTNAME"] = edge_name;
    inputs["INPUT_ACCESS_PORT"] = "443";
    inputs["INPUT_KEY"] = key_.private_text;
    inputs["INPUT_PASSPHRASE"] = passphrase;
    inputs["INPUT_PASSWORD"] = password;
    inputs["INPUT_JUMP"] = jump_->address();
    inputs["INPUT_JUMP_KEYS"] = jump_key_.private_text;
    inputs["INPUT_JUMP_PASSPHRASES"] = jump_passphrase;
    inputs["INPUT_KNOWN_HOSTS"] += jump_->sshd().known_hosts();
    if (command() == "exec") {
      inputs["INPUT_PASS_ENV"] = "CANARY\nLONG_CANARY";
      // The host is this machine, so it sees all command lines, also those of its own processes.
      inputs["INPUT_SCRIPT"] =
          "echo \"$CANARY\"; echo \"$CANARY\" >&2; printf %s \"$CANARY\" | base64\n"
          "printf %s \"$LONG_CANARY\" | base64; printf %s \"$LONG_CANARY\" | base64 -w 60 >&2\n"
          "cat /proc/[0-9]*/cmdline >~/command-lines 2>/dev/null || true\n";
    }
    return step;
  }
  [[nodiscard]] std::string proxy(const std::string& with_password) const {
    return "http://ci:" + with_password + "@127.0.0.1:" + std::to_string(edge_->proxy_port());
  }
  [[nodiscard]] static std::string command() { return GetParam(); }
  // pin and stdio only pass the jump host.
  [[nodiscard]] static bool logs_in_to_the_host() {
    return command() != "pin" && command() != "stdio";
  }

  void run(const std::string& what, StepForTests& step, int expected) {
    SCOPED_TRACE(what);
    std::vector<std::string> arguments{command()};
    if (command() == "forward") {
      arguments.insert(arguments.end(), {"--background", "-L", "0:127.0.0.1:1", "--log-file",
                                         step.folder().path("forward.log")});
    }
    if (command() == "session") {
      arguments.insert(arguments.end(), {"open", "--log-file", step.folder().path("session.log")});
    }
    Process process = step.start(arguments);
    std::string seen = all_command_lines();
    const StepResult result = step.result_of(process, patience);
    EXPECT_EQ(result.code, expected) << result.out << result.err;
    if (const auto pid = result.outputs.find("pid"); pid != result.outputs.end()) {
      seen += all_command_lines() + end_background(std::stoi(pid->second));
    }
    expect_no_secret("a command line or environment", seen);
    if (command() == "stdio") expect_no_secret("the stream", result.out);
    expect_no_secret("stdout", as_logged(result.out));
    expect_no_secret("stderr", as_logged(result.err));
    for (const std::string& folder :
         {step.folder().path(), host_->home().path(), host_->temporary().path(),
          jump_->home().path(), jump_->temporary().path(),
          std::filesystem::path(edge_->ca_file()).parent_path().string()}) {
      expect_no_secret("a file below " + folder, all_files_below(folder));
    }
    expect_no_secret("sshd's log", host_->sshd().log() + jump_->sshd().log());
  }

  // Ends it; gives its environment but for what the job itself has there, which stays.
  static std::string end_background(int pid) {
    std::string inputs;
    for (const std::string& variable : split(environment_of(pid), '\0')) {
      if (variable.starts_with("INPUT_")) inputs += variable + "\n";
    }
    ::kill(pid, SIGTERM);
    EXPECT_TRUE(ends(pid));
    return inputs;
  }

  void expect_no_secret(const std::string& where, const std::string& text) const {
    std::vector<std::string> secrets{SandboxEdge::client_secret,
                                     SandboxEdge::jwt,
                                     pass_env,
                                     "Y2FuYXJ5LW9mLXBhc3MtZW52",  // the same as base64
                                     long_pass_env,
                                     "Y2FuYXJ5LW9mLWEtbG9uZy1wYXNzLWVu",
                                     "YTljNDFkMDdiZTIzNThmNm",  // its second line
                                     passphrase,
                                     jump_passphrase,
                                     wrong_passphrase,
                                     password,
                                     proxy_password,
                                     wrong_proxy_password,
                                     wrong_secret};
    for (const KeyPair* pair : {&key_, &jump_key_, &other_key_}) {
      for (const std::string& line : split_lines(pair->private_text)) {
        if (line.size() > 20 && !line.starts_with("-----")) secrets.push_back(line);
      }
    }
    for (const std::string& secret : secrets) {
      EXPECT_EQ(text.find(secret), std::string::npos) << secret << " is in " << where;
    }
  }

  TempFolder keys_;  // nothing the tool writes is there
  KeyPair key_;
  KeyPair jump_key_;
  KeyPair other_key_;
  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<HostForTests> jump_;
  std::unique_ptr<SandboxEdge> edge_;
};

TEST_P(TunnelSshSecrets, AreSeenNowhereWhenAllGoesWell) {
  auto step = good_step();
  run("with a service token", *step, 0);
  EXPECT_EQ(edge_->wait_for_records(1, "proxy").size(), 1U);  // so that it took the whole way
  if (command() == "exec") {
    EXPECT_NE(host_->home().read("command-lines").find("tunnel-ssh"), std::string::npos);
  }
  step = good_step();
  for (const char* name : {"INPUT_ACCESS_CLIENT_ID", "INPUT_ACCESS_CLIENT_SECRET"}) {
    step->inputs.erase(name);
  }
  step->inputs["INPUT_ACCESS_TOKEN"] = SandboxEdge::jwt;
  run("with a JWT", *step, 0);
}

TEST_P(TunnelSshSecrets, AreSeenNowhereWhenTheyAreRefused) {
  auto step = good_step();
  step->inputs["INPUT_JUMP_PASSPHRASES"] = wrong_passphrase;
  run("a passphrase of another key", *step, 2);
  step = good_step();
  step->variables["HTTPS_PROXY"] = proxy(wrong_proxy_password);
  run("refused by the proxy", *step, 5);
  step->variables["HTTPS_PROXY"].replace(0, 4, "htps");
  run("a proxy that is none", *step, 2);
  step = good_step();
  step->inputs["INPUT_ACCESS_CLIENT_SECRET"] = wrong_secret;
  run("refused by the edge", *step, 5);
  step = good_step();
  step->inputs["INPUT_JUMP_KEYS"] = other_key_.private_text;
  step->inputs.erase("INPUT_JUMP_PASSPHRASES");
  run("refused by the jump host", *step, 5);
  step = good_step();
  step->inputs["INPUT_KEY"] = other_key_.private_text;
  step->inputs.erase("INPUT_PASSPHRASE");
  step->inputs.erase("INPUT_JUMP_KEYS");
  step->inputs.erase("INPUT_JUMP_PASSPHRASES");
  run("refused by the jump host, which has no password", *step, 5);
  EXPECT_EQ(jump_->sshd().log().find("Failed password"), std::string::npos);
  step = good_step();
  step->inputs["INPUT_KEY"] = other_key_.private_text;
  step->inputs.erase("INPUT_PASSPHRASE");
  run("refused by the host, key and password", *step, logs_in_to_the_host() ? 5 : 0);
  EXPECT_EQ(host_->sshd().log().find("Failed password") != std::string::npos,
            logs_in_to_the_host());
}

INSTANTIATE_TEST_SUITE_P(All, TunnelSshSecrets,
                         ::testing::Values("exec", "check", "pin", "stdio", "forward", "session"),
                         [](const auto& test) { return std::string(test.param); });

// What was an input is gone from the environment as well, for as long as the step runs.
TEST(TunnelSshEnvironment, HoldsNoInputWhileAStepRuns) {
  PCA_REQUIRE(Sshd::missing());
  const HostForTests host;
  StepForTests step(host);
  const std::string mark = "3800." + std::to_string(::getpid());
  step.inputs["INPUT_SCRIPT"] = "echo ready; sleep " + mark + " & wait";
  Process process = step.start({"exec"});
  ASSERT_TRUE(process.wait_for("ready", patience)) << process.err();
  const std::string environment = environment_of(process.pid());
  process.interrupt();
  EXPECT_EQ(step.result_of(process, patience).code, 130);
  EXPECT_EQ(environment.find(split_lines(host.key()).at(1)), std::string::npos);
  EXPECT_NE(environment.find("RUNNER_TEMP="), std::string::npos);
  HostForTests::end_running("sleep " + mark);
}

}  // namespace
}  // namespace pca::test
