// tunnel-ssh exec on several hosts, pin and check, against a real sshd.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "support/flaky_proxy.hpp"
#include "support/require.hpp"
#include "support/runner_model.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{60'000};

// Many hosts are one sshd that listens on many loopback addresses.
class TunnelSshHosts : public ::testing::Test {
 protected:
  static constexpr int most_hosts = 16;  // sshd listens on no more

  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    std::string config;
    for (int number = 2; number <= most_hosts; ++number)
      config += "ListenAddress " + name(number) + "\n";
    host_ = std::make_unique<HostForTests>(config);
    step_ = std::make_unique<StepForTests>(*host_);
    step_->inputs.erase("INPUT_KNOWN_HOSTS");
    step_->inputs["INPUT_HOST_KEY"] = host_->sshd().fingerprint("ed25519");
    step_->inputs["INPUT_USER"] = host_->sshd().user();
  }

  static std::string name(int number) { return "127.0.0." + std::to_string(number); }
  [[nodiscard]] std::string address(int number) const {
    return name(number) + ":" + std::to_string(host_->sshd().port());
  }
  void use_hosts(int count) {
    std::string list;
    for (int number = 1; number <= count; ++number) list += address(number) + "\n";
    step_->inputs["INPUT_HOST"] = list;
  }
  // SSH_CONNECTION ends with the address and port that were connected to.
  static constexpr const char* own_number = "set -- $SSH_CONNECTION; me=${3##*.}\n";

  StepResult run_script(const std::string& script) {
    step_->inputs["INPUT_SCRIPT"] = own_number + script;
    return step_->run({"exec"});
  }
  static std::map<std::string, std::string> outcomes(const StepResult& step) {
    std::map<std::string, std::string> found;
    const auto results = parse_json(step.outputs.at("results"));
    for (const Json& entry : *results->as_array()) {
      found[*entry.find("host")->as_string()] = *entry.find("outcome")->as_string();
    }
    return found;
  }

  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

TEST_F(TunnelSshHosts, EveryHostIsRunAndListed) {
  use_hosts(most_hosts);
  step_->inputs["INPUT_PARALLEL"] = "5";
  const StepResult step = run_script("echo I am $me");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(outcomes(step).size(), 16U);
  for (int number = 1; number <= most_hosts; ++number) {
    const std::string mine = "I am " + std::to_string(number) + "\n";
    EXPECT_NE(step.out.find(address(number) + ": " + mine), std::string::npos) << number;
    EXPECT_NE(step.outputs.at("stdout").find(address(number) + ": " + mine), std::string::npos)
        << number;
  }
  EXPECT_NE(step.out.find("\nhost "), std::string::npos);
}

TEST_F(TunnelSshHosts, OneThatFailsEndsNoOther) {
  use_hosts(4);
  const StepResult step = run_script("[ $me != 2 ] || exit 7\necho done");
  EXPECT_EQ(step.code, 1);
  EXPECT_EQ(step.outputs.at("failed-hosts"), address(2));
  EXPECT_EQ(step.outputs.at("exit-code"), "7");
  EXPECT_EQ(outcomes(step).at(address(4)), "succeeded");
  EXPECT_NE(step.err.find("1 of 4 hosts failed (" + address(2) + "); the gravest: "),
            std::string::npos)
      << step.err;
}

TEST_F(TunnelSshHosts, AFailedBatchIsTheLast) {
  use_hosts(6);
  step_->inputs["INPUT_BATCH"] = "2";
  const StepResult step = run_script("[ $me != 3 ] || exit 7\ntouch ~/ran-$me");
  EXPECT_EQ(step.code, 1);
  const auto found = outcomes(step);
  EXPECT_EQ(found.at(address(1)), "succeeded");
  EXPECT_EQ(found.at(address(3)), "failed");
  EXPECT_EQ(found.at(address(4)), "succeeded");  // of the same batch
  EXPECT_EQ(found.at(address(5)), "skipped");
  EXPECT_EQ(found.at(address(6)), "skipped");
  EXPECT_EQ(host_->home().read("ran-5"), "");
  EXPECT_FALSE(std::ifstream(host_->home().path("ran-5")).is_open());
  EXPECT_NE(step.err.find("2 not started"), std::string::npos) << step.err;
}

TEST_F(TunnelSshHosts, TheCanaryGoesFirst) {
  use_hosts(5);
  step_->inputs["INPUT_CANARY"] = "1";
  const StepResult step = run_script("[ $me != 1 ] || exit 7");
  EXPECT_EQ(step.code, 1);
  const auto found = outcomes(step);
  EXPECT_EQ(found.at(address(1)), "failed");
  for (int number = 2; number <= 5; ++number) EXPECT_EQ(found.at(address(number)), "skipped");
}

TEST_F(TunnelSshHosts, TheGravestOutcomeIsTheExitCode) {
  use_hosts(2);
  step_->inputs["INPUT_HOST"] += "127.0.0.1:1\n";
  step_->inputs["INPUT_TRIES"] = "1";
  const StepResult step = run_script("[ $me != 2 ] || exit 7");
  EXPECT_EQ(step.code, 6);
  EXPECT_EQ(outcomes(step).at("127.0.0.1:1"), "unreachable");
  EXPECT_EQ(outcomes(step).at(address(2)), "failed");
}

TEST_F(TunnelSshHosts, GroupedOutputIsOneBlockAHost) {
  use_hosts(3);
  step_->in_actions();
  step_->inputs["INPUT_OUTPUT"] = "grouped";
  const StepResult step = run_script("for i in 1 2 3; do echo $me-$i; done");
  EXPECT_EQ(step.code, 0) << step.err;
  RunnerModel runner;
  runner.feed(step.out);
  runner.finish();
  int groups = 0;
  for (const auto& command : runner.commands()) groups += command.name == "group" ? 1 : 0;
  EXPECT_EQ(groups, 3);
  const std::string log = join(runner.log(), "\n");
  for (const char* block : {"1-1\n1-2\n1-3\n", "2-1\n2-2\n2-3\n", "3-1\n3-2\n3-3\n"}) {
    EXPECT_NE(log.find(block), std::string::npos) << log;
  }
}

TEST_F(TunnelSshHosts, NoLineOfAGroupLandsInTheMiddleOfAnother) {
  use_hosts(2);
  step_->inputs["INPUT_OUTPUT"] = "grouped";
  const StepResult step = run_script("printf start-$me; echo err-$me >&2; echo -end-$me");
  EXPECT_EQ(step.code, 0) << step.err;
  const std::vector<std::string> lines = split_lines(step.out);
  for (const char* line : {"start-1-end-1", "err-1", "start-2-end-2", "err-2"}) {
    EXPECT_EQ(std::count(lines.begin(), lines.end(), line), 1) << step.out;
  }
}

// The runner keeps ten annotations of a step.
TEST_F(TunnelSshHosts, WarningsOfManyHostsAreOneAnnotationOfEachKind) {
  use_hosts(12);
  step_->in_actions();
  step_->inputs.erase("INPUT_HOST_KEY");
  step_->inputs["INPUT_HOST_KEY_POLICY"] = "accept-new";
  step_->inputs["INPUT_COMMAND"] = "true";
  step_->variables["GITHUB_OUTPUT"] = "/nonexistent/output";
  const StepResult step = step_->run({"exec"});
  EXPECT_EQ(step.code, 0) << step.out << step.err;
  RunnerModel runner;
  runner.feed(step.out);
  runner.finish();
  std::map<std::string, std::string> warnings;
  for (const RunnerModel::Command& command : runner.commands()) {
    if (command.name != "warning") continue;
    EXPECT_TRUE(warnings.emplace(command.properties.at("title"), command.data).second) << step.out;
  }
  ASSERT_EQ(warnings.size(), 2U) << step.out;
  EXPECT_TRUE(warnings.at("Host keys").starts_with("The host key of "));
  EXPECT_TRUE(warnings.at("Lost outputs").starts_with("The output \"stdout\" is lost: "));
  for (int number = 1; number <= 12; ++number) {
    const std::string pin = "known-hosts: [" + name(number) + "]:";
    EXPECT_NE(step.summary.find(pin), std::string::npos) << step.summary;
    EXPECT_NE(step.out.find(pin), std::string::npos) << step.out;
  }
}

TEST_F(TunnelSshHosts, SessionsOfManyHostsWarnOnceToo) {
  use_hosts(3);
  step_->in_actions();
  step_->inputs.erase("INPUT_HOST_KEY");
  step_->inputs["INPUT_HOST_KEY_POLICY"] = "accept-new";
  const StepResult step = step_->run({"session", "open"});
  EXPECT_EQ(step.code, 0) << step.out << step.err;
  step_->inputs.clear();
  const StepResult closed = step_->run({"session", "close"});
  EXPECT_EQ(closed.code, 0) << closed.err;
  RunnerModel runner;
  runner.feed(step.out);
  runner.finish();
  std::vector<std::string> warnings;
  for (const RunnerModel::Command& command : runner.commands()) {
    if (command.name == "warning") warnings.push_back(command.data);
  }
  ASSERT_EQ(warnings.size(), 1U) << step.out;
  EXPECT_EQ(split_lines(warnings.front()).size(), 3U) << warnings.front();
}

TEST_F(TunnelSshHosts, HostileOutputOfFailedHostsIsNoCommandAndNoMarkup) {
  const std::string hostile =
      "EOF\n::set-env name=PATH::/evil\n##[set-output name=stdout]evil\n::stop-commands::evil\n"
      "::endgroup::\n::error::evil\na\r::error::evil\n\x1b[31mred\x1b[0m \x07\x80\xff\n"
      "stdout<<EOF\nevil\nEOF\noutcome=evil\n"
      "```\n</details><script>evil</script>\n| evil | succeeded |\n# evil\n";
  for (const char* output : {"interleaved", "grouped"}) {
    SCOPED_TRACE(output);
    use_hosts(2);
    step_->in_actions();
    step_->inputs["INPUT_OUTPUT"] = output;
    const StepResult step =
        run_script("cat <<'the end' | tee /dev/stderr\n" + hostile + "the end\nexit 1\n");
    EXPECT_EQ(step.code, 1);
    EXPECT_EQ(step.outputs.size(), 9U);
    EXPECT_EQ(step.outputs.at("outcome"), "failed");
    EXPECT_EQ(step.outputs.at("exit-code"), "1");
    EXPECT_EQ(step.outputs.at("failed-hosts"), address(1) + "\n" + address(2));
    EXPECT_NE(step.outputs.at("stdout").find("outcome=evil"), std::string::npos);

    const std::string ours = "2 of 2 hosts failed (" + address(1) + ", " + address(2) +
                             "); the gravest: " + address(1) +
                             ": the command failed with exit code 1";
    std::multiset<std::string> obeyed;
    for (const std::string& stream : {step.out, step.err}) {
      RunnerModel runner;
      runner.feed(stream);
      runner.finish();
      EXPECT_FALSE(runner.is_stopped());
      for (const RunnerModel::Command& command : runner.commands()) {
        if (command.name != "add-mask") obeyed.insert(command.name + " " + command.data);
      }
    }
    std::multiset<std::string> expected{"error " + ours};
    if (std::string(output) == "grouped") {
      expected.insert({"endgroup ", "endgroup ", "group " + address(1), "group " + address(2)});
    }
    EXPECT_EQ(obeyed, expected);
    EXPECT_EQ((step.out + step.err + step.summary).find('\x1b'), std::string::npos);

    // In the summary all of it stands in code blocks, which its lines cannot end.
    int evil_lines = 0;
    for (const std::string& line : split_lines(step.summary)) {
      if (line.find("evil") == std::string::npos) continue;
      ++evil_lines;
      EXPECT_TRUE(line.starts_with("    ")) << line;
    }
    EXPECT_GT(evil_lines, 10) << step.summary;
  }
}

// sshd drops connections at random when more than ten have not logged in yet (MaxStartups).
TEST_F(TunnelSshHosts, AJumpHostIsNotRushed) {
  const HostForTests jump("MaxStartups 10:30:100");  // sshd's own default
  use_hosts(most_hosts);
  step_->inputs["INPUT_JUMP"] = jump.address();
  step_->inputs["INPUT_JUMP_KEYS"] = jump.key();
  step_->inputs["INPUT_HOST_KEY"] += "\n" + jump.sshd().fingerprint("ed25519");
  const StepResult step = run_script("true");
  EXPECT_EQ(step.code, 0) << step.err;
  int starting = 0;
  int most_starting = 0;
  int accepted = 0;
  for (const std::string& line : split_lines(jump.sshd().log())) {
    if (line.starts_with("Connection from ")) most_starting = std::max(most_starting, ++starting);
    if (!line.starts_with("Accepted publickey ")) continue;
    --starting;
    ++accepted;
  }
  EXPECT_EQ(accepted, most_hosts);
  EXPECT_LE(most_starting, 8);
  EXPECT_GT(most_starting, 1);
}

TEST_F(TunnelSshHosts, ACancelEndsAllAndStartsNoMore) {
  use_hosts(4);
  const std::string mark = "3700." + std::to_string(::getpid());
  step_->inputs["INPUT_PARALLEL"] = "2";
  step_->inputs["INPUT_SCRIPT"] = "sleep " + mark + " & echo ready; wait";
  Process process = step_->start({"exec"});
  ASSERT_TRUE(process.wait_for("ready", patience));
  process.interrupt();
  const StepResult step = step_->result_of(process, milliseconds{7000});
  EXPECT_EQ(step.code, 130);
  EXPECT_TRUE(HostForTests::stops_running("sleep " + mark));
  for (int number = 1; number <= 4; ++number) {  // the last two were never started
    EXPECT_EQ(outcomes(step).at(address(number)), "cancelled") << number;
  }
  HostForTests::end_running("sleep " + mark);
}

// ---- pin and check

TEST_F(TunnelSshHosts, PinShowsTheKeysThroughTheEdgeAndLogsInNowhere) {
  const SandboxEdge gate({"--no-auth", "--origin", address(1)});
  SshdSettings all;
  const Sshd sshd(all);
  const SandboxEdge other({"--no-auth", "--origin", "127.0.0.1:" + std::to_string(sshd.port())});
  step_->inputs = {};
  step_->go_through(other);
  const StepResult step = step_->run({"pin", "127.0.0.1:" + std::to_string(sshd.port()), "--json"});
  EXPECT_EQ(step.code, 0) << step.err;
  for (const char* type : {"ed25519", "ecdsa", "rsa"}) {
    const std::vector<std::string> words = split(std::string(trim(sshd.known_hosts(type))), ' ');
    const std::string line = words[0] + " " + words[1] + " " + words[2];
    EXPECT_NE(step.err.find(line + "\n# " + sshd.fingerprint(type)), std::string::npos) << step.err;
    EXPECT_NE(step.outputs.at("known-hosts").find(line), std::string::npos);
    EXPECT_NE(step.outputs.at("fingerprints").find(sshd.fingerprint(type)), std::string::npos);
  }
  EXPECT_NE(step.err.find("# Not verified"), std::string::npos) << step.err;
  EXPECT_NE(step.out.find("\"verified\": false"), std::string::npos) << step.out;
  EXPECT_EQ(sshd.log().find("Accepted"), std::string::npos) << sshd.log();
  EXPECT_EQ(sshd.log().find("Failed"), std::string::npos) << sshd.log();
}

TEST_F(TunnelSshHosts, PinTriesAgainWhatMayPass) {
  // No identification at first, then one but no key exchange; the same for the next type of key.
  const SshdSettings all;
  const Sshd sshd(all);
  const FlakyProxy proxy(sshd.port(), {{1, 0}, {2, 40}, {4, 0}, {5, 40}});
  step_->inputs = {};
  const StepResult step = step_->run({"pin", "127.0.0.1:" + std::to_string(proxy.port())});
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(split_lines(step.outputs.at("fingerprints")).size(), 3U) << step.out;
  EXPECT_NE(step.out.find("; try 3 of 3 in "), std::string::npos) << step.out;
}

TEST_F(TunnelSshHosts, PinKeepsTheKeysItSawBeforeAFailure) {
  const SshdSettings all;
  const Sshd sshd(all);
  const FlakyProxy proxy(sshd.port(), {{2, 0}, {3, 0}});
  const std::string flaky = "127.0.0.1:" + std::to_string(proxy.port());
  step_->inputs = {};
  const StepResult step =
      step_->run({"pin", "127.0.0.1:1", flaky, address(1), "--tries", "2", "--json"});
  EXPECT_EQ(step.code, 6) << step.err;
  const std::vector<std::string> lines = split_lines(step.outputs.at("known-hosts"));
  ASSERT_EQ(lines.size(), 2U) << step.outputs.at("known-hosts");
  EXPECT_TRUE(lines[0].starts_with("[127.0.0.1]:" + std::to_string(proxy.port()) + " "))
      << lines[0];
  EXPECT_TRUE(lines[1].starts_with("[127.0.0.1]:" + std::to_string(host_->sshd().port()) + " "));
  const std::size_t last_key = step.err.find(lines[1]);
  const std::size_t error =
      step.err.find("error: 2 of 3 hosts failed (127.0.0.1:1, " + flaky + ")");
  ASSERT_NE(last_key, std::string::npos) << step.err;
  ASSERT_NE(error, std::string::npos) << step.err;
  EXPECT_LT(last_key, error);
  EXPECT_NE(step.out.find("\"error\": \"while connecting to " + flaky), std::string::npos)
      << step.out;
}

TEST_F(TunnelSshHosts, CheckNamesEachPhaseAndRunsNothing) {
  const SandboxEdge gate({"--no-auth", "--origin", address(1)});
  use_hosts(1);
  step_->go_through(gate);
  step_->inputs.erase("INPUT_ACCESS_CLIENT_ID");
  step_->inputs.erase("INPUT_ACCESS_CLIENT_SECRET");
  const StepResult step = step_->run({"check"});
  EXPECT_EQ(step.code, 0) << step.err;
  for (const char* text : {"\ntcp ", "\ntls ", "\nupgrade ", "CF-RAY ", "\nkex ", "\nhost key ",
                           "\nauth ", "publickey (ed25519)", "route: Access edge localhost:",
                           "pinned: ", "ok: logged in; nothing was run"}) {
    EXPECT_NE(step.out.find(text), std::string::npos) << text << "\n" << step.out;
  }
  EXPECT_EQ(host_->sshd().log().find("Starting session"), std::string::npos);
  EXPECT_EQ(step.outputs.at("outcome"), "succeeded");
}

TEST_F(TunnelSshHosts, CheckSaysHowFarItCame) {
  const TempFolder folder;
  use_hosts(1);
  step_->inputs["INPUT_KEY"] = make_key(folder, "other", {"-t", "ed25519"}).private_text;
  const StepResult step = step_->run({"check"});
  EXPECT_EQ(step.code, 5);
  EXPECT_EQ(step.outputs.at("outcome"), "refused");
  EXPECT_NE(step.out.find("\nhost key "), std::string::npos) << step.out;
  EXPECT_EQ(step.out.find("\nauth "), std::string::npos) << step.out;
}

}  // namespace
}  // namespace pca::test
