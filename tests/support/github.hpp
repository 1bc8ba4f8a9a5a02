#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/sandbox_api.hpp"
#include "support/temp_folder.hpp"

namespace pca::testing {

// `private-cloud-sandbox github`, whose repository is acme/shop.
class SandboxGithub : public SandboxApi {
 public:
  // It asks for this token only when told so, by INPUT_TOKEN.
  static constexpr const char* token = "canary-github-token-5d2c88a0";

  explicit SandboxGithub(std::vector<std::string> arguments = {},
                         const test::ProcessEnvironment& environment = {})
      : SandboxApi("github", std::move(arguments), environment) {}
};

// Steps of workflow run 7, on a push of `commit` to acme/shop, that use a SandboxGithub.
class StepOnGithub : public ::testing::Test {
 protected:
  inline static const std::string commit = std::string(40, 'a');

  struct Step {
    test::Finished done;
    std::map<std::string, std::string> outputs;
    std::string summary;
  };

  // `more` wins over what every step has.
  [[nodiscard]] test::ProcessSpec step_spec(const SandboxGithub& github,
                                            std::vector<std::string> argv,
                                            const test::ProcessEnvironment& more) const {
    test::ProcessSpec spec;
    spec.argv = std::move(argv);
    spec.environment["GITHUB_ACTIONS"] = "true";
    spec.environment["GITHUB_EVENT_NAME"] = "push";
    spec.environment["GITHUB_REPOSITORY"] = "acme/shop";
    spec.environment["GITHUB_SHA"] = commit;
    spec.environment["GITHUB_SERVER_URL"] = "https://github.com";
    spec.environment["GITHUB_RUN_ID"] = "7";
    spec.environment["GITHUB_API_URL"] = github.url();
    spec.environment["GITHUB_OUTPUT"] = folder_.write("outputs", "");
    spec.environment["GITHUB_STEP_SUMMARY"] = folder_.write("summary", "");
    spec.environment["INPUT_API_CA"] = github.ca_file();
    spec.environment["INPUT_TOKEN"] = SandboxGithub::token;
    for (const auto& [name, value] : more) spec.environment[name] = value;
    return spec;
  }

  // Runs it to its end; the token is in nothing that it wrote.
  [[nodiscard]] Step run_step(const test::ProcessSpec& spec) const {
    Step step;
    step.done = test::run_process(spec, std::chrono::seconds(60));
    step.outputs = outputs();
    step.summary = read("summary");
    // The runner itself is told what to mask.
    std::string shown = step.done.err + read("outputs") + step.summary;
    for (const std::string& line : split_lines(step.done.out)) {
      if (!line.starts_with("::add-mask::")) shown += line;
    }
    EXPECT_EQ(shown.find(SandboxGithub::token), std::string::npos) << shown;
    return step;
  }

  [[nodiscard]] std::string read(const std::string& name) const { return folder_.read(name); }
  [[nodiscard]] std::map<std::string, std::string> outputs() const {
    return test::parse_output_file(read("outputs"));
  }

  test::TempFolder folder_;  // of the step's files
};

}  // namespace pca::testing
