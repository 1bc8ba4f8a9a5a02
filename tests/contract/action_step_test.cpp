// The steps of the composite actions, run the way the GitHub runner runs a composite
// action: inputs only by the step's env, the run: text in a script file under "sh -e", signals to
// that process alone.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "base/text.hpp"
#include "support/edge.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/runner_model.hpp"
#include "support/sshd.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path actions_dir = std::filesystem::path(PCA_SOURCE_DIR) / "actions";

struct Step {
  std::map<std::string, std::string> env;  // value as written: "${{ inputs.host }}"
  std::string run;
};

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Reads our own action.yml, whose form the contract test fixes.
std::map<std::string, Step> steps_of_action(const std::string& action) {
  std::map<std::string, Step> steps;
  Step* step = nullptr;
  for (const std::string& line : split_lines(contents(actions_dir / action / "action.yml"))) {
    const std::string_view text = trim(line);
    if (text.starts_with("- id: ")) {
      step = &steps[std::string(text.substr(6))];
    } else if (step != nullptr && text.starts_with("run: ")) {
      step->run = text.substr(5);
    } else if (step != nullptr && line.starts_with("        ") && !text.starts_with("#")) {
      const std::size_t colon = text.find(": ");
      if (colon != std::string_view::npos) {
        step->env[std::string(text.substr(0, colon))] = text.substr(colon + 2);
      }
    }
  }
  return steps;
}

// A job's step on a runner of the test's own.
class ActionStep : public ::testing::Test {
 protected:
  void SetUp() override {
    PCA_REQUIRE(Sshd::missing());
    SshdSettings settings;
    const KeyPair pair = make_key(folder_, "key", {"-t", "ed25519"});
    settings.authorized_keys = pair.public_line + "\n";
    sshd_ = std::make_unique<Sshd>(settings);
    edge_ = std::make_unique<testing::SandboxEdge>(
        std::vector<std::string>{"--origin", "127.0.0.1:" + std::to_string(sshd_->port()),
                                 "--client-id", testing::SandboxEdge::client_id},
        ProcessEnvironment{{"INPUT_CLIENT_SECRET", testing::SandboxEdge::client_secret}});
    inputs_ = {{"host", sshd_->user() + "@127.0.0.1:" + std::to_string(sshd_->port())},
               {"via", "access"},
               {"access-hostname", "localhost"},
               {"access-port", std::to_string(edge_->port())},
               {"access-ca", edge_->ca_file()},
               {"access-client-id", testing::SandboxEdge::client_id},
               {"access-client-secret", testing::SandboxEdge::client_secret},
               {"key", pair.private_text},
               {"known-hosts", sshd_->known_hosts()},
               {"binaries", PCA_BIN_DIR}};
  }

  // What "${{ ... }}" stands for in a composite action's env.
  std::string value_of(const std::string& written) {
    if (written.starts_with('"')) return written.substr(1, written.size() - 2);
    if (!written.starts_with("${{ ")) return written;
    const std::string expression = written.substr(4, written.size() - 7);
    if (expression == "steps.setup.outputs.path") return setup_path_;
    if (expression == "github.action_repository") return {};  // as of an action in the workspace
    if (expression.starts_with("inputs.")) return inputs_[expression.substr(7)];
    ADD_FAILURE() << "an expression this test does not know: " << written;
    return {};
  }

  ProcessSpec spec_of(const std::string& id) {
    const Step step = steps_of_action(action_).at(id);
    const std::string script = folder_.path() + "/" + id + ".sh";
    std::ofstream(script) << step.run << "\n";
    outputs_ = folder_.path() + "/" + id + ".outputs";
    std::ofstream(outputs_).flush();
    ProcessSpec spec;
    spec.argv = {"sh", "-e", script};
    spec.environment = plain_environment();
    spec.environment["GITHUB_ACTIONS"] = "true";
    spec.environment["GITHUB_OUTPUT"] = outputs_;
    spec.environment["GITHUB_ACTION_PATH"] = (actions_dir / action_).string();
    spec.environment["RUNNER_TEMP"] = folder_.path();
    for (const auto& [name, written] : step.env) spec.environment[name] = value_of(written);
    return spec;
  }

  void set_up_executables() {
    const Finished setup = run_process(spec_of("setup"), 30s);
    ASSERT_EQ(setup.code, 0) << setup.out << setup.err;
    setup_path_ = parse_output_file(contents(outputs_)).at("path");
  }

  std::map<std::string, std::string> outputs() { return parse_output_file(contents(outputs_)); }

  std::string action_ = "tunnel-ssh";
  TempFolder folder_;
  std::unique_ptr<Sshd> sshd_;
  std::unique_ptr<testing::SandboxEdge> edge_;
  std::map<std::string, std::string> inputs_;
  std::string setup_path_;
  std::string outputs_;
};

TEST_F(ActionStep, RunsAScriptThroughTheEdgeAndGivesItsOutputs) {
  set_up_executables();
  inputs_["script"] = "echo \"on $((40 + 2))\"\nexit 7\n";
  const Finished step = run_process(spec_of("exec"), 60s);
  EXPECT_EQ(step.code, 1) << step.out << step.err;
  EXPECT_EQ(outputs()["exit-code"], "7");
  EXPECT_EQ(outputs()["stdout"], "on 42\n");
}

TEST_F(ActionStep, ACancelReachesTheToolWhichEndsInTime) {
  set_up_executables();
  const std::string remote = "sleep 3900." + std::to_string(::getpid());
  inputs_["script"] = "echo started\n" + remote + "\n";
  Process step(spec_of("exec"));
  ASSERT_TRUE(step.wait_for("started", 30s)) << step.out() << step.err();
  step.interrupt();
  EXPECT_EQ(step.wait(7500ms), 130) << step.out() << step.err();
  EXPECT_EQ(all_command_lines().find(remote), std::string::npos);
  HostForTests::end_running(remote);
}

TEST_F(ActionStep, AForwardStaysForTheStepsThatFollow) {
  action_ = "tunnel-forward";
  set_up_executables();
  inputs_["local"] = "0:127.0.0.1:" + std::to_string(sshd_->port());
  const Finished step = run_process(spec_of("forward"), 60s);
  ASSERT_EQ(step.code, 0) << step.out << step.err;
  const int pid = std::stoi(outputs().at("pid"));
  ProcessSpec later;
  later.argv = {"ssh-keyscan", "-t", "ed25519", "-p", outputs().at("port"), "127.0.0.1"};
  const Finished seen = run_process(later, 30s);
  const std::vector<std::string> words = split(sshd_->known_hosts("ed25519"), ' ');
  EXPECT_NE(seen.out.find(words[1] + " " + words[2]), std::string::npos) << seen.out << seen.err;
  ::kill(pid, SIGTERM);
  EXPECT_TRUE(ends(pid));
}

TEST_F(ActionStep, ASessionServesTheStepsThatFollowUntilItIsClosed) {
  action_ = "tunnel-session";
  set_up_executables();
  const Finished opened = run_process(spec_of("session-open"), 60s);
  ASSERT_EQ(opened.code, 0) << opened.out << opened.err;
  const int pid = std::stoi(outputs().at("pid"));
  action_ = "tunnel-ssh";
  inputs_["script"] = "echo hello\n";
  EXPECT_EQ(run_process(spec_of("exec"), 60s).code, 0);
  EXPECT_EQ(outputs()["stdout"], "hello\n");
  EXPECT_EQ(edge_->records().size(), 0U) << "the one connection is still open";
  action_ = "tunnel-session-close";
  inputs_["host"].clear();
  const Finished closed = run_process(spec_of("session-close"), 60s);
  EXPECT_EQ(closed.code, 0) << closed.out << closed.err;
  EXPECT_TRUE(ends(pid));
  EXPECT_EQ(edge_->wait_for_records(1).size(), 1U);
}

TEST_F(ActionStep, AWrongInputEndsTheStepBeforeAnythingIsContacted) {
  set_up_executables();
  inputs_["script"] = "true";
  inputs_["connect-timeout"] = "15";
  const Finished step = run_process(spec_of("exec"), 30s);
  EXPECT_EQ(step.code, 2);
  EXPECT_NE(step.out.find("connect-timeout"), std::string::npos) << step.out;
  EXPECT_TRUE(edge_->records().empty());
}

}  // namespace
}  // namespace pca::test
