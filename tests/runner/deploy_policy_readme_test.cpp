// The workflow of actions/deploy-policy/README.md, as it stands there, run by a runner
// (workflow.mjs) with the real composite action: for a branch of each class the right jobs run.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.hpp"
#include "support/process.hpp"
#include "support/require.hpp"
#include "support/temp_folder.hpp"
#include "support/workflow_runner.hpp"

namespace pca::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const fs::path source_dir = PCA_SOURCE_DIR;

std::string workflow_of_readme() {
  std::ostringstream text;
  text << std::ifstream(source_dir / "actions/deploy-policy/README.md").rdbuf();
  const std::string readme = text.str();
  const std::string fence = "```yaml\n";
  const std::size_t from = readme.find(fence, readme.find("<!-- workflow: deploy by policy -->"));
  if (from == std::string::npos) return {};
  return readme.substr(from + fence.size(), readme.find("\n```", from) - from - fence.size() + 1);
}

class DeployPolicyWorkflow : public ::testing::Test {
 protected:
  DeployPolicyWorkflow() {
    for (const char* name : {"workspace/.github", "temp"})
      fs::create_directories(folder_.path(name));
    folder_.write("workspace/.github/deploy-policy.yml",
                  "version: 1\ncustomer: acme\nproject: shop\ndomain: example.com\n");
  }

  void SetUp() override { PCA_REQUIRE(runner_packages().missing); }

  // "job: result" of each job, and the log behind them.
  std::string run_for(const std::string& branch) {
    Json settings;
    settings.set("workflow", folder_.write("workflow.yml", workflow_of_readme()));
    settings.set("branch", branch);
    for (const char* name : {"workspace", "temp"}) settings.set(name, folder_.path(name));
    settings.set("tool_cache", folder_.path("temp"));
    settings.set("report", folder_.path("report.json"));
    settings.set("actions",
                 Json().set("private-cloud-actions/private-cloud-actions", source_dir.string()));
    settings.set("secrets", Json::object());
    ProcessSpec spec;
    spec.argv = {"node", (source_dir / "tests/runner/main.mjs").string()};
    spec.environment["PCA_NPM"] = runner_packages().folder;
    spec.environment["PCA_BIN"] = fs::path(PCA_DEPLOY_POLICY).parent_path().string();
    spec.input = settings.dump();
    const Finished done = run_process(spec, 120s);
    std::string out;
    const auto report = parse_json(folder_.read("report.json"));
    const Json* jobs = report ? report->find("jobs") : nullptr;
    if (jobs != nullptr && jobs->as_object() != nullptr) {
      for (const auto& [name, job] : *jobs->as_object()) {
        const Json* result = job.find("result");
        if (result != nullptr && result->as_string() != nullptr) {
          out += name + ": " + *result->as_string() + "\n";
        }
      }
    }
    return out + done.out + done.err;
  }

  TempFolder folder_;
};

void expect_in(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "no " << part << " in\n" << text;
  }
}

TEST_F(DeployPolicyWorkflow, DeploysProduction) {
  expect_in(run_for("main"),
            {"where: success", "deploy: success", "clean-up: skipped",
             "deploy the stack acme-shop-prod and serve it as https://shop.example.com"});
}

TEST_F(DeployPolicyWorkflow, DeploysAPreview) {
  expect_in(run_for("feature/login"), {"where: success", "deploy: success",
                                       "deploy the stack acme-shop-preview-feature-login-",
                                       "serve it as https://shop-feature-login-"});
}

TEST_F(DeployPolicyWorkflow, DeploysNothingForWhatIsExcluded) {
  expect_in(run_for("renovate/lodash-4.x"),
            {"where: success", "deploy: skipped", "clean-up: skipped"});
}

}  // namespace
}  // namespace pca::test
