// The steps of actions/tunnel-ssh/action.yml, run the way the GitHub runner runs a composite
// action: inputs only by the step's env, the run: text in a script file under "sh -e", signals to
// that process alone.

#include <gtest/gtest.h>

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

namespace pca::test {
namespace {

using namespace std::chrono_literals;

const std::filesystem::path action_dir =
    std::filesystem::path(PCA_SOURCE_DIR) / "actions" / "tunnel-ssh";

struct Step {
  std::map<std::string, std::string> env;  // value as written: "${{ inputs.host }}"
  std::string run;
};

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Reads our own action.yml, whose form the contract test fixes.
std::map<std::string, Step> steps_of_action() {
  std::map<std::string, Step> steps;
  Step* step = nullptr;
  for (const std::string& line : split_lines(contents(action_dir / "action.yml"))) {
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
    if (!written.starts_with("${{ ")) return written;
    const std::string expression = written.substr(4, written.size() - 7);
    if (expression == "steps.setup.outputs.path") return setup_path_;
    if (expression == "github.action_repository") return {};  // as of an action in the workspace
    if (expression.starts_with("inputs.")) return inputs_[expression.substr(7)];
    ADD_FAILURE() << "an expression this test does not know: " << written;
    return {};
  }

  ProcessSpec spec_of(const std::string& id) {
    const Step step = steps_of_action().at(id);
    const std::string script = folder_.path() + "/" + id + ".sh";
    std::ofstream(script) << step.run << "\n";
    outputs_ = folder_.path() + "/" + id + ".outputs";
    std::ofstream(outputs_).flush();
    ProcessSpec spec;
    spec.argv = {"sh", "-e", script};
    spec.environment = plain_environment();
    spec.environment["GITHUB_ACTIONS"] = "true";
    spec.environment["GITHUB_OUTPUT"] = outputs_;
    spec.environment["GITHUB_ACTION_PATH"] = action_dir.string();
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
  inputs_["script"] = "echo started\nsleep 600\n";
  Process step(spec_of("exec"));
  ASSERT_TRUE(step.wait_for("started", 30s)) << step.out() << step.err();
  step.interrupt();
  EXPECT_EQ(step.wait(7500ms), 130) << step.out() << step.err();
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
