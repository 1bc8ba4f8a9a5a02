// tunnel-ssh exec against a real sshd, straight and through the sandbox's edge.

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "support/key_cases.hpp"
#include "support/require.hpp"
#include "support/round_trips.hpp"
#include "support/runner_model.hpp"
#include "support/test_keys.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using pca::testing::SandboxDelay;
using pca::testing::SandboxEdge;
using std::chrono::milliseconds;

constexpr milliseconds patience{200'000};

class TunnelSshExec : public ::testing::Test {
 protected:
  void SetUp() override { PCA_REQUIRE(Sshd::missing()); }
  void TearDown() override { HostForTests::end_running("sleep " + mark()); }

  HostForTests& host(const std::string& config = "") {
    if (!host_) host_ = std::make_unique<HostForTests>(config);
    return *host_;
  }
  StepForTests& step() {
    if (!step_) step_ = std::make_unique<StepForTests>(host());
    return *step_;
  }
  StepResult run_script(const std::string& script) {
    step().inputs["INPUT_SCRIPT"] = script;
    return step().run({"exec"});
  }
  // An edge in front of the host that lets only the service token in.
  [[nodiscard]] SandboxEdge edge(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--client-id", SandboxEdge::client_id, "--origin",
                                       "127.0.0.1:" + std::to_string(host().sshd().port())});
    return SandboxEdge(arguments, {{"INPUT_CLIENT_SECRET", SandboxEdge::client_secret}});
  }
  // Processes are found by a word of their command line that is this test's own.
  [[nodiscard]] static std::string mark() { return "3600." + std::to_string(::getpid()); }

  std::unique_ptr<HostForTests> host_;
  std::unique_ptr<StepForTests> step_;
};

TEST_F(TunnelSshExec, RunsAScriptAndHandsOnWhatItSaid) {
  const StepResult step = run_script("echo one; echo two >&2; printf three");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "one\nthree");
  EXPECT_EQ(step.outputs.at("stderr"), "two\n");
  EXPECT_EQ(step.outputs.at("exit-code"), "0");
  EXPECT_EQ(step.outputs.at("exit-signal"), "");
  EXPECT_EQ(step.outputs.at("outcome"), "succeeded");
  EXPECT_EQ(step.outputs.at("failed-hosts"), "");
  EXPECT_NE(step.out.find("one\n"), std::string::npos);
  EXPECT_NE(step.out.find("two\n"), std::string::npos);
  const auto report =
      parse_json(step_->folder().read(split(step.outputs.at("report"), '/').back()));
  ASSERT_TRUE(report);
  EXPECT_EQ(*report->find("outcome")->as_string(), "succeeded");
  EXPECT_NE(step.summary.find("| succeeded | 0 |"), std::string::npos) << step.summary;
  EXPECT_NE(step.summary.find("```mermaid\ngantt\n"), std::string::npos) << step.summary;
}

TEST_F(TunnelSshExec, RunsAScriptBehindTheEdge) {
  const SandboxEdge gate = edge();
  step().go_through(gate);
  const StepResult step = run_script("echo behind the edge");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "behind the edge\n");
  const auto results = parse_json(step.outputs.at("results"));
  const Json* phases = results->as_array()->front().find("phases-ms");
  for (const char* phase : {"tcp", "tls", "upgrade", "kex", "auth", "command"}) {
    EXPECT_NE(phases->find(phase), nullptr) << phase;
  }
}

TEST_F(TunnelSshExec, AFailedCommandIsExit1AndItsCodeAnOutput) {
  const StepResult step = run_script("echo before\nexit 42");
  EXPECT_EQ(step.code, 1);
  EXPECT_EQ(step.outputs.at("exit-code"), "42");
  EXPECT_EQ(step.outputs.at("outcome"), "failed");
  EXPECT_EQ(step.outputs.at("stdout"), "before\n");
  EXPECT_EQ(step.outputs.at("failed-hosts"), host().address());
  EXPECT_EQ(step.err, "error: " + host().address() + ": the command failed with exit code 42\n");
}

TEST_F(TunnelSshExec, TheCommandsOwnCodeIsPassedOnWhenAsked) {
  step().inputs["INPUT_PASS_EXIT_CODE"] = "true";
  EXPECT_EQ(run_script("exit 42").code, 42);
  EXPECT_EQ(run_script("exit 0").code, 0);
}

TEST_F(TunnelSshExec, ASignalIsToldByNameAndNumber) {
  const StepResult step = run_script("kill -KILL $$");
  EXPECT_EQ(step.code, 1);
  EXPECT_EQ(step.outputs.at("exit-code"), "137");
  EXPECT_EQ(step.outputs.at("exit-signal"), "KILL");
}

TEST_F(TunnelSshExec, StopsAtTheFirstError) {
  const StepResult step = run_script("false\necho not reached");
  EXPECT_EQ(step.outputs.at("exit-code"), "1");
  EXPECT_EQ(step.outputs.at("stdout"), "");
}

TEST_F(TunnelSshExec, ACommandMayComeAsWordsBehindTheDashes) {
  const StepResult step = this->step().run({"exec", "--", "printf", "%s|", "a b", "$HOME", "it's"});
  EXPECT_EQ(step.outputs.at("stdout"), "a b|$HOME|it's|");
}

TEST_F(TunnelSshExec, AScriptOfSeveralMegabytesComesOnStdin) {
  std::string script = "cat >/dev/null\n";
  for (int line = 0; script.size() < 3'000'000; ++line) {
    script += "# line " + std::to_string(line) + " of a script that no command line could hold\n";
  }
  script += "echo the end";
  const SandboxEdge gate = edge();
  step().go_through(gate);
  const StepResult step = this->step().run({"exec", "--script-file", "-"}, script);
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "the end\n");
}

TEST_F(TunnelSshExec, VariablesArriveByteForByte) {
  const std::string hostile = "it's \"$HOME\" `id` \\ ! %s\n\ttwo ${x} #\n";
  step().variables["Mixed_Case"] = hostile;
  step().inputs["INPUT_PASS_ENV"] = "Mixed_Case";
  step().inputs["INPUT_ENV"] = "PLAIN=a = 'b'  \"c\" $d";
  // In hex, because the value is a secret and would be blanked.
  const StepResult step =
      run_script("printf %s \"$Mixed_Case\" | od -An -tx1 | tr -d ' \\n'; echo; echo \"$PLAIN\"");
  const std::vector<std::uint8_t> bytes(hostile.begin(), hostile.end());
  EXPECT_EQ(step.outputs.at("stdout"), to_hex(bytes) + "\na = 'b'  \"c\" $d\n");
}

TEST_F(TunnelSshExec, FolderUmaskAndShellAreAsAsked) {
  step().inputs["INPUT_CWD"] = "~/";
  step().inputs["INPUT_UMASK"] = "027";
  step().inputs["INPUT_SHELL"] = "sh";
  const StepResult step = run_script("pwd; umask; echo \"[${BASH_VERSION-}]\"");
  EXPECT_EQ(step.outputs.at("stdout"), host().home().path() + "\n0027\n[]\n");
}

TEST_F(TunnelSshExec, WhatLoginFilesSayIsShownButNotCaptured) {
  host().home().write(".bashrc", "echo welcome; echo careful >&2; cat >/dev/null </dev/null\n");
  host().home().write(".bash_profile", "echo profile; cat\n");  // reads stdin
  EXPECT_EQ(run_script("echo mine").outputs.at("stdout"), "mine\n");
  step().inputs["INPUT_SHELL"] = "login";
  const StepResult step = run_script("echo mine");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "mine\n");
  EXPECT_EQ(step.outputs.at("stderr"), "");
  EXPECT_NE(step.out.find("profile\n"), std::string::npos) << step.out;
}

TEST_F(TunnelSshExec, ALoginFileThatEatsTheScriptIsFound) {
  host().home().write(".bashrc", "cat >/dev/null\n");
  const StepResult step = run_script("echo never");
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("the script did not arrive whole, so none of it ran"), std::string::npos)
      << step.err;
}

TEST_F(TunnelSshExec, AForcedCommandIsNoSuccess) {
  host("ForceCommand /bin/true");
  const StepResult step = run_script("echo never");
  EXPECT_EQ(step.code, 1);
  EXPECT_NE(step.err.find("the host ended with 0 before reading the whole script"),
            std::string::npos)
      << step.err;
}

TEST_F(TunnelSshExec, BecomesAnotherUserBySudo) {
  PCA_REQUIRE(std::string(::access("/usr/bin/sudo", X_OK) == 0 ? "" : "no sudo here"));
  PCA_REQUIRE(std::string(::geteuid() == 0 ? "" : "not root, so sudo would ask for a password"));
  step().inputs["INPUT_BECOME"] = "nobody";
  const StepResult step = run_script("id -un; ps -o pgid= -p $$ | tr -d ' '; echo $$");
  EXPECT_EQ(step.code, 0) << step.err;
  const std::vector<std::string> lines = split_lines(step.outputs.at("stdout"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "nobody");
  EXPECT_EQ(lines[1], lines[2]);  // a group of its own
}

TEST_F(TunnelSshExec, WhatBecameAnotherUserIsEndedToo) {
  PCA_REQUIRE(std::string(::access("/usr/bin/sudo", X_OK) == 0 ? "" : "no sudo here"));
  PCA_REQUIRE(std::string(::geteuid() == 0 ? "" : "not root, so sudo would ask for a password"));
  step().inputs["INPUT_BECOME"] = "nobody";
  step().inputs["INPUT_TIMEOUT"] = "1s";
  const StepResult step = run_script("sleep " + mark() + " & sleep " + mark());
  EXPECT_EQ(step.code, 6);
  EXPECT_EQ(step.err.find("could not make sure"), std::string::npos) << step.err;
  EXPECT_EQ(all_command_lines().find("sleep " + mark()), std::string::npos);
}

TEST_F(TunnelSshExec, DebugNamesEachPhaseOfConnecting) {
  const auto debug_lines = [](const StepResult& step) {
    std::vector<std::string> phases;
    for (const std::string& line : split_lines(step.out)) {
      if (line.starts_with("::debug::")) phases.push_back(line.substr(9, line.find(':', 9) - 9));
    }
    return phases;
  };
  step().in_actions();
  EXPECT_TRUE(debug_lines(run_script("true")).empty());
  step().variables["RUNNER_DEBUG"] = "1";
  EXPECT_EQ(debug_lines(run_script("true")),
            (std::vector<std::string>{"tcp", "kex", "host key", "auth"}));
}

TEST_F(TunnelSshExec, HostileOutputChangesNoOutputAndIsNoCommand) {
  step().in_actions();
  const std::string hostile =
      "EOF\n::set-env name=PATH::/evil\n##[set-output name=stdout]evil\n"
      "::add-mask::x\n::stop-commands::evil\n##[error]no\nghadelimiter_1\n"
      "a\r::error::cr\n\x1b[31mred\x1b[0m \x07\x80\xff\n::set-output name=outcome::evil\n"
      "stdout<<EOF\nevil\nEOF\noutcome=evil\n";
  const StepResult step = run_script("cat <<'the end' | tee /dev/stderr\n" + hostile + "the end\n");
  EXPECT_EQ(step.code, 0);
  EXPECT_EQ(step.outputs.size(), 9U);
  EXPECT_EQ(step.outputs.at("outcome"), "succeeded");
  EXPECT_NE(step.outputs.at("stdout").find("outcome=evil"), std::string::npos);
  RunnerModel runner;
  runner.feed(step.out);
  runner.finish();
  EXPECT_FALSE(runner.is_stopped());
  for (const RunnerModel::Command& command : runner.commands()) {
    EXPECT_EQ(command.name, "add-mask") << command.data;  // of our own secrets
  }
  EXPECT_EQ(step.out.find("\x1b"), std::string::npos);
  RunnerModel errors;
  errors.feed(step.err);
  errors.finish();
  EXPECT_TRUE(errors.commands().empty());
}

// AddressSanitizer itself takes the memory that is counted.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PCA_TAKES_MEMORY
#endif
#endif
#if defined(PCA_TAKES_MEMORY) || defined(__SANITIZE_ADDRESS__)
constexpr bool counts_memory = false;
#else
constexpr bool counts_memory = true;
#endif

TEST_F(TunnelSshExec, AHundredMegabytesWithoutALineEndTakeNoMemory) {
  step().inputs["INPUT_SCRIPT"] =
      "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo done; sleep " + mark();
  Process process = step().start({"exec"});
  ASSERT_TRUE(process.wait_for("done", patience));
  if (counts_memory) {
    EXPECT_LT(process_status(process.pid(), "VmHWM"), 80'000) << "KiB";
  }
  process.interrupt();
  const StepResult step = step_->result_of(process, patience);
  EXPECT_NE(step.outputs.at("stdout").find("[cut at 64KiB]"), std::string::npos);
  EXPECT_LT(step.out.size(), 200'000U);
  EXPECT_NE(step.outputs.at("results").find("\"stdout-bytes\":100000006"), std::string::npos)
      << step.outputs.at("results");
}

TEST_F(TunnelSshExec, ACancelEndsWhatRunsThere) {
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs["INPUT_SCRIPT"] = "trap 'echo going' TERM; sleep " + mark() + " & echo ready; wait";
  Process process = step().start({"exec"});
  ASSERT_TRUE(process.wait_for("ready", patience));
  process.interrupt();
  const StepResult step = step_->result_of(process, milliseconds{4000});
  EXPECT_EQ(step.code, 130);
  EXPECT_EQ(step.outputs.at("outcome"), "cancelled");
  EXPECT_NE(step.out.find("going"), std::string::npos) << step.out;
  EXPECT_EQ(all_command_lines().find("sleep " + mark()), std::string::npos);
}

TEST_F(TunnelSshExec, ACancelKillsWithinSevenSecondsWhatIgnoresIt) {
  step().inputs["INPUT_SCRIPT"] = "trap '' TERM INT HUP; echo ready; sleep " + mark() +
                                  " & while :; do sleep " + mark() + "; done";
  Process process = step().start({"exec"});
  ASSERT_TRUE(process.wait_for("ready", patience));
  const auto start = std::chrono::steady_clock::now();
  process.interrupt();
  const StepResult step = step_->result_of(process, patience);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds{7000});
  EXPECT_EQ(step.code, 130);
  EXPECT_EQ(step.err.find("could not make sure"), std::string::npos) << step.err;
  EXPECT_EQ(all_command_lines().find("sleep " + mark()), std::string::npos);
}

TEST_F(TunnelSshExec, ATimeoutEndsWhatRunsThereAndIsExit6) {
  step().inputs["INPUT_TIMEOUT"] = "500ms";
  const StepResult step = run_script("echo begun; sleep " + mark() + " & sleep " + mark());
  EXPECT_EQ(step.code, 6);
  EXPECT_EQ(step.outputs.at("exit-code"), "124");
  EXPECT_EQ(step.outputs.at("outcome"), "timed-out");
  EXPECT_EQ(step.outputs.at("stdout"), "begun\n");
  EXPECT_EQ(all_command_lines().find("sleep " + mark()), std::string::npos);
}

TEST_F(TunnelSshExec, ABackgroundProcessIsNamedAndNotWaitedFor) {
  step().inputs["INPUT_LINGER"] = "200ms";
  const StepResult step = run_script("sleep " + mark() + " &\necho done");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "done\n");
  EXPECT_NE(step.err.find("its output is still held open by "), std::string::npos) << step.err;
  EXPECT_NE(step.err.find("(sleep)"), std::string::npos) << step.err;
}

TEST_F(TunnelSshExec, ALostConnectionLeavesTheOutcomeUnknown) {
  step().inputs["INPUT_SCRIPT"] = "echo ready; sleep " + mark();
  Process process = step().start({"exec"});
  ASSERT_TRUE(process.wait_for("ready", patience));
  host().cut();
  const StepResult step = step_->result_of(process, patience);
  EXPECT_EQ(step.code, 4);
  EXPECT_EQ(step.outputs.at("outcome"), "unknown");
  EXPECT_EQ(step.outputs.at("exit-code"), "");
  EXPECT_EQ(step.outputs.at("stdout"), "ready\n");
}

TEST_F(TunnelSshExec, VariablesOfTheJobChangeNoTarget) {
  for (const char* name : {"SSH_HOST", "HOST", "PLUGIN_HOST", "DRONE_HOST"}) {
    step().variables[name] = "nobody@127.0.0.2";
  }
  for (const char* name : {"SSH_PORT", "PORT", "PLUGIN_PORT"}) step().variables[name] = "1";
  for (const char* name : {"SSH_USERNAME", "USER", "USERNAME"}) step().variables[name] = "nobody";
  EXPECT_EQ(run_script("echo here").outputs.at("stdout"), "here\n");
}

// ---- identity

TEST_F(TunnelSshExec, AnUnknownHostKeyIsRefusedWithTheLineToPaste) {
  step().inputs.erase("INPUT_KNOWN_HOSTS");
  const StepResult step = run_script("echo never");
  EXPECT_EQ(step.code, 5);
  EXPECT_EQ(step.outputs.at("outcome"), "refused");
  const std::string line(trim(host().sshd().known_hosts()));
  const std::vector<std::string> words = split(line, ' ');
  EXPECT_NE(step.err.find(words[0] + " " + words[1] + " " + words[2]), std::string::npos)
      << step.err;
}

TEST_F(TunnelSshExec, AWrongHostKeyIsRefused) {
  const TempFolder folder;
  const KeyPair other = make_key(folder, "other", {"-t", "ed25519"});
  step().inputs["INPUT_KNOWN_HOSTS"] =
      "[127.0.0.1]:" + std::to_string(host().sshd().port()) + " " + other.public_line;
  EXPECT_EQ(run_script("echo never").code, 5);
}

TEST_F(TunnelSshExec, ARevokedHostKeyIsRefusedWhateverElseVouchesForIt) {
  const std::string known = host().sshd().known_hosts();
  step().inputs["INPUT_KNOWN_HOSTS"] = known + "@revoked " + known;
  step().inputs["INPUT_HOST_KEY"] = host().sshd().fingerprint("ed25519");
  const StepResult step = run_script("echo never");
  EXPECT_EQ(step.code, 5);
  EXPECT_NE(step.err.find("revoked"), std::string::npos) << step.err;
}

TEST_F(TunnelSshExec, ARefusalByTheEdgeIsExit5AndExplained) {
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs["INPUT_ACCESS_CLIENT_SECRET"] = "wrong-secret-0123456789";
  const StepResult step = run_script("echo never");
  EXPECT_EQ(step.code, 5);
  EXPECT_NE(step.err.find("302"), std::string::npos) << step.err;
  EXPECT_EQ(step.err.find("wrong-secret"), std::string::npos);
}

TEST_F(TunnelSshExec, AJumpChainBehindTheEdgeHasItsOwnKeyAndPins) {
  const HostForTests inner;
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs["INPUT_JUMP"] = host().address();
  step().inputs["INPUT_JUMP_KEYS"] = host().key();
  step().inputs["INPUT_HOST"] = inner.address();
  step().inputs["INPUT_KEY"] = inner.key();
  step().inputs["INPUT_KNOWN_HOSTS"] = host().sshd().known_hosts() + inner.sshd().known_hosts();
  const StepResult step = run_script("pwd; cd; pwd");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(split_lines(step.outputs.at("stdout")).back(), inner.home().path());
}

// ---- round trips

// Identifications and algorithms, keys, service, login, channel, command, end of the channel.
TEST_F(TunnelSshExec, TakesSevenRoundTripsOnceTcpIsConnected) {
  constexpr double connecting = 1;  // which the delay counts too
  const double trips = round_trips_of(
                           host().sshd().port(), 8.4,
                           [this](std::uint16_t port) {
                             step().inputs["INPUT_HOST"] =
                                 host().sshd().user() + "@127.0.0.1:" + std::to_string(port);
                             step().inputs["INPUT_HOST_KEY"] = host().sshd().fingerprint("ed25519");
                           },
                           [this] { EXPECT_EQ(run_script("true").code, 0); }) -
                       connecting;
  // A trip is whole, so half of one is left to the machine's noise.
  EXPECT_GT(trips, 6.5);
  EXPECT_LT(trips, 7.5);
}

// ---- the way through the edge

TEST_F(TunnelSshExec, WhatTheEdgeAnswersIsExplainedAndNeverABadHandshake) {
  constexpr std::size_t once = 1;
  constexpr std::size_t thrice = 3;
  constexpr std::size_t unrecorded = 0;  // there was no request
  const struct {
    std::vector<std::string> edge;
    int code;
    const char* outcome;
    const char* message;
    const char* hint;
    std::size_t requests = unrecorded;
  } cases[] = {
      {{"--refuse", "login-redirect"},
       5,
       "refused",
       "302 (the login page of ",
       "Service Auth",
       once},
      {{"--refuse", "301"}, 5, "refused", "301 (a redirect to ", "Always Use HTTPS", once},
      {{"--refuse", "401"},
       5,
       "refused",
       "401 (blocked by a Service Auth policy",
       "not expired",
       once},
      {{"--refuse", "403"}, 5, "refused", "403 (CF-RAY ", "WAF or bot rule", once},
      {{"--refuse", "403-1010"}, 5, "refused", "error code 1010", "Browser Integrity Check", once},
      {{"--refuse", "404"}, 6, "unreachable", "404 (CF-RAY ", "No route of the tunnel", once},
      {{"--refuse", "200"}, 6, "unreachable", "200 (CF-RAY ", "WebSockets are on", once},
      {{"--refuse", "502"},
       6,
       "unreachable",
       "502 (target out of reach",
       "SSH server runs",
       thrice},
      {{"--refuse", "530"}, 6, "unreachable", "530 (tunnel down", "The tunnel is down", thrice},
      {{"--fault", "bad-accept"},
       6,
       "unreachable",
       "for somebody else's request",
       "does not know WebSockets",
       once},
      {{"--fault", "silent-tcp"}, 6, "unreachable", "timed out while ", "tunnel-ssh check"},
      {{"--fault", "silent-tls"}, 6, "unreachable", "timed out while ", "tunnel-ssh check"},
      {{"--fault", "silent-upgrade"}, 6, "unreachable", "timed out while ", "tunnel-ssh check"},
      {{"--fault", "reset-on-connect"}, 6, "unreachable", "Access edge localhost", "Check"},
      {{"--fault", "close-early"}, 6, "unreachable", "connection", "MaxStartups"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.edge[1]);
    const SandboxEdge gate = edge(one.edge);
    step().go_through(gate);
    step().inputs["INPUT_TRIES"] = one.requests == unrecorded ? "1" : "3";
    step().inputs["INPUT_CONNECT_TIMEOUT"] = one.edge[1].starts_with("silent") ? "400ms" : "20s";
    const StepResult step = run_script("echo never");
    EXPECT_EQ(step.code, one.code);
    EXPECT_EQ(step.outputs.at("outcome"), one.outcome);
    EXPECT_TRUE(step.err.starts_with("error: while connecting to " + host().address() + ": "))
        << step.err;
    EXPECT_NE(step.err.find(one.message), std::string::npos) << step.err;
    EXPECT_NE(step.err.find(one.hint), std::string::npos) << step.err;
    EXPECT_EQ(step.err.find("bad handshake"), std::string::npos) << step.err;
    if (one.requests == unrecorded) continue;
    EXPECT_EQ(gate.wait_for_records(one.requests).size(), one.requests);
    EXPECT_EQ(step.out.find("; try 2 of 3 in ") != std::string::npos, one.requests == thrice)
        << step.out;
  }
  EXPECT_EQ(host().sshd().log().find("Accepted"), std::string::npos) << host().sshd().log();
}

TEST_F(TunnelSshExec, ABastionLeadsToTheDestination) {
  const std::string address = "127.0.0.1:" + std::to_string(host().sshd().port());
  const SandboxEdge gate({"--no-auth", "--bastion", "10.0.0.5:22=" + address});
  step().go_through(gate);
  step().inputs["INPUT_ACCESS_DESTINATION"] = "10.0.0.5:22";
  const StepResult step = run_script("echo by the bastion");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "by the bastion\n");
  this->step().inputs["INPUT_ACCESS_DESTINATION"] = "10.0.0.6:22";
  this->step().inputs["INPUT_TRIES"] = "1";
  EXPECT_EQ(run_script("echo never").code, 6);
}

TEST_F(TunnelSshExec, AnAccessHostnameMayHaveAPath) {
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs["INPUT_ACCESS_HOSTNAME"] = "localhost/ssh/web%201";
  const StepResult step = run_script("echo by a path");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "by a path\n");
  EXPECT_EQ(*gate.wait_for_records(1).front().find("target")->as_string(), "/ssh/web%201");
}

TEST_F(TunnelSshExec, ATroubleThatPassesIsTriedAgain) {
  for (const char* fault : {"502-twice", "reset-twice"}) {
    SCOPED_TRACE(fault);
    const SandboxEdge gate = edge({"--fault", fault});
    step().go_through(gate);
    const StepResult step = run_script("echo here");
    EXPECT_EQ(step.code, 0) << step.err;
    EXPECT_EQ(step.outputs.at("stdout"), "here\n");
    EXPECT_NE(step.out.find("; try 2 of 3 in "), std::string::npos) << step.out;
    EXPECT_NE(step.out.find("; try 3 of 3 in "), std::string::npos) << step.out;
  }
}

TEST_F(TunnelSshExec, AProxyWithAPasswordLeadsToTheEdge) {
  const std::string password = "canary-proxy-password";
  const SandboxEdge gate(
      {"--no-auth", "--origin", "127.0.0.1:" + std::to_string(host().sshd().port()), "--name",
       "ssh.example.test", "--proxy", "--proxy-user", "ci"},
      {{"INPUT_PROXY_PASSWORD", password}});
  step().go_through(gate);
  step().inputs["INPUT_ACCESS_HOSTNAME"] = "ssh.example.test";  // which only the proxy knows
  step().inputs["INPUT_ACCESS_PORT"] = "443";
  const std::string address = "127.0.0.1:" + std::to_string(gate.proxy_port());
  step().variables["HTTPS_PROXY"] = "http://ci:" + password + "@" + address;
  const StepResult step = run_script("echo by the proxy");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "by the proxy\n");
  EXPECT_EQ(gate.wait_for_records(1, "proxy").size(), 1U);

  this->step().variables["HTTPS_PROXY"] = "http://ci:canary-wrong-password@" + address;
  const StepResult refused = run_script("echo never");
  EXPECT_EQ(refused.code, 5);
  EXPECT_NE(refused.err.find("the proxy " + address + " answered CONNECT with 407"),
            std::string::npos)
      << refused.err;
  EXPECT_EQ((step.out + step.err + refused.out + refused.err).find("canary"), std::string::npos);
}

TEST_F(TunnelSshExec, AnEdgeThatLetsGoMidwayLeavesTheOutcomeUnknown) {
  for (const char* fault : {"drop-after:200000", "reset-after:200000"}) {
    SCOPED_TRACE(fault);
    const SandboxEdge gate = edge({"--fault", fault});
    step().go_through(gate);
    const StepResult step = run_script("echo ready; head -c 300000 /dev/zero; sleep " + mark());
    EXPECT_EQ(step.code, 4);
    EXPECT_EQ(step.outputs.at("outcome"), "unknown");
    EXPECT_EQ(step.outputs.at("exit-code"), "");
    EXPECT_TRUE(step.outputs.at("stdout").starts_with("ready\n"));
    EXPECT_NE(step.err.find("the connection broke while the command ran, so nobody knows how it "
                            "ended: "),
              std::string::npos)
        << step.err;
  }
}

// The clean-up has its own time limit, in which a host that says nothing more gets its chance.
TEST_F(TunnelSshExec, ACancelIsInTimeAlsoWhenTheConnectionIsStalled) {
  const SandboxEdge gate = edge({"--fault", "stall-after:200000"});
  step().go_through(gate);
  step().inputs["INPUT_SCRIPT"] = "seq 100000000";  // goes on until nobody takes any more
  Process process = step().start({"exec"});
  ASSERT_TRUE(process.wait_for("\n20000\n", patience));
  const auto start = std::chrono::steady_clock::now();
  process.interrupt();
  const StepResult step = step_->result_of(process, patience);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds{7000});
  EXPECT_EQ(step.code, 130);
  EXPECT_EQ(step.outputs.at("outcome"), "cancelled");
  EXPECT_NE(step.err.find(": could not make sure that process group "), std::string::npos)
      << step.err;
}

// ---- keys

class TunnelSshKeyTypes : public TunnelSshExec,
                          public ::testing::WithParamInterface<const char*> {};

TEST_P(TunnelSshKeyTypes, LogInBehindTheEdge) {
  struct UserKey {
    std::string name;
    std::string text;
    std::string passphrase;
  };
  const TempFolder folder;
  std::vector<UserKey> keys;
  std::string authorized;
  for (const KeyCase& one : key_cases()) {
    if (std::string(one.type) != GetParam()) continue;
    const KeyPair pair = make_key(folder, one.name, one.arguments, one.passphrase);
    keys.push_back({one.name, pair.private_text, one.passphrase});
    authorized += pair.public_line + "\n";
  }
  if (std::string(GetParam()) == "ed25519") {  // which ssh-keygen does not write as PKCS8
    keys.push_back({"Ed25519Pkcs8", ed25519_pkcs8, ""});
    authorized += ed25519_pkcs8_public + "\n";
  }
  host("AuthorizedKeysFile " + folder.write("authorized_keys", authorized));
  const SandboxEdge gate = edge();
  step().go_through(gate);
  for (const UserKey& key : keys) {
    SCOPED_TRACE(key.name);
    step().inputs["INPUT_KEY"] = key.text;
    step().inputs["INPUT_PASSPHRASE"] = key.passphrase;
    const StepResult step = run_script("echo logged in");
    EXPECT_EQ(step.code, 0) << step.err;
    EXPECT_EQ(step.outputs.at("stdout"), "logged in\n");
  }
  EXPECT_GE(keys.size(), 5U);
}

TEST_F(TunnelSshExec, ACertificateLogsInBehindTheEdge) {
  const TempFolder folder;
  const KeyPair authority = make_key(folder, "authority", {"-t", "ed25519"});
  const KeyPair user = make_key(folder, "user", {"-t", "ed25519"});
  host("TrustedUserCAKeys " + authority.path + ".pub");
  ProcessSpec sign;
  sign.argv = {
      "ssh-keygen",      "-q", "-s", authority.path, "-I", "test", "-n", host().sshd().user(),
      user.path + ".pub"};
  ASSERT_EQ(run_process(sign, patience).code, 0);
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs["INPUT_KEY"] = user.private_text;
  EXPECT_EQ(run_script("echo never").code, 5);  // the key alone opens nothing
  step().inputs["INPUT_CERTIFICATE"] = folder.read("user-cert.pub");
  const StepResult step = run_script("echo certified");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "certified\n");
}

TEST_F(TunnelSshExec, AnAgentLogsInBehindTheEdge) {
  const TempFolder folder;
  const std::string socket = folder.path("agent");
  ProcessSpec agent;
  agent.argv = {"ssh-agent", "-D", "-a", socket};
  Process process(agent);
  ASSERT_TRUE(process.wait_for("SSH_AUTH_SOCK", patience));
  const SandboxEdge gate = edge();
  step().go_through(gate);
  step().inputs.erase("INPUT_KEY");
  step().inputs["INPUT_AGENT"] = socket;
  EXPECT_EQ(run_script("echo never").code, 5);  // it holds no keys yet
  ProcessSpec add;
  add.argv = {"ssh-add", "-q", host().key_pair().path};
  add.environment["SSH_AUTH_SOCK"] = socket;
  ASSERT_EQ(run_process(add, patience).code, 0);
  StepResult step = run_script("echo by the agent");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "by the agent\n");
  this->step().inputs["INPUT_AGENT"] = "true";  // the job's own
  this->step().variables["SSH_AUTH_SOCK"] = socket;
  step = run_script("echo by the agent of the job");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "by the agent of the job\n");
}

TEST_F(TunnelSshExec, APasswordLogsInBehindTheEdge) {
  PCA_REQUIRE(Sshd::missing(true));
  const Sshd server({.has_tester = true});
  const std::string address = "127.0.0.1:" + std::to_string(server.port());
  const SandboxEdge gate({"--no-auth", "--origin", address});
  step().go_through(gate);
  step().inputs["INPUT_HOST"] = server.user() + "@" + address;
  step().inputs["INPUT_KNOWN_HOSTS"] = server.known_hosts();
  step().inputs.erase("INPUT_KEY");
  step().inputs["INPUT_PASSWORD"] = "open barley";
  EXPECT_EQ(run_script("echo never").code, 5);
  step().inputs["INPUT_PASSWORD"] = tester_password;
  const StepResult step = run_script("echo in by a password");
  EXPECT_EQ(step.code, 0) << step.err;
  EXPECT_EQ(step.outputs.at("stdout"), "in by a password\n");
}

INSTANTIATE_TEST_SUITE_P(All, TunnelSshKeyTypes, ::testing::Values("ed25519", "ecdsa", "rsa"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace pca::test
