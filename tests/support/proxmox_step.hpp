#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/proxmox.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {

// Runs of proxmox-deploy as steps of a workflow, on a cluster of the sandbox's.
class ProxmoxStep {
 public:
  explicit ProxmoxStep(testing::SandboxProxmox& cluster,
                       std::string token = testing::SandboxProxmox::deploy_token)
      : cluster_(cluster), token_(std::move(token)) {}

  struct Result {
    int code = -1;
    std::string out;
    std::string err;
    std::map<std::string, std::string> outputs;
    std::string summary;
    Json report;

    [[nodiscard]] std::string all() const { return out + err; }
  };

  std::string commit = std::string(40, 'a');
  std::vector<int> nodes = {1, 2, 3};  // in this order
  std::string health_url = {};         // empty: where a healthy guest answers
  ProcessEnvironment variables = {};   // further ones

  // What every deploy of the tests is told. `more` comes behind it.
  [[nodiscard]] std::vector<std::string> deploy_words() const {
    return {"--name",
            "web",
            "--template",
            "debian-12",
            "--health-successes",
            "1",
            "--health-url",
            health_url.empty()
                ? "http://{ip}:" + std::to_string(cluster_.application_port()) + "/healthz"
                : health_url};
  }

  [[nodiscard]] Process start(const std::string& command,
                              const std::vector<std::string>& more = {}) const {
    ProcessSpec spec;
    spec.argv = {executable()};
    for (const std::string& word : split(command, ' ')) spec.argv.push_back(word);
    for (const int node : nodes) {
      spec.argv.insert(spec.argv.end(), {"--api", cluster_.address(node)});
    }
    spec.argv.insert(spec.argv.end(), {"--api-ca", cluster_.ca_file()});
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    spec.environment["GITHUB_ACTIONS"] = "true";
    spec.environment["RUNNER_TEMP"] = folder_.path();
    spec.environment["INPUT_API_TOKEN"] = token_;
    spec.environment["GITHUB_ACTOR"] = "octocat";
    if (!commit.empty()) spec.environment["GITHUB_SHA"] = commit;
    for (const auto& [name, value] : variables) spec.environment[name] = value;
    for (const char* file : {"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}) {
      spec.environment[file] = folder_.write(file, "");
    }
    return Process(std::move(spec));
  }

  [[nodiscard]] Result result_of(Process& process,
                                 std::chrono::seconds deadline = std::chrono::seconds(60)) const {
    const auto code = process.wait(deadline);
    Result result{code.value_or(-1),
                  process.out(),
                  process.err(),
                  parse_output_file(folder_.read("GITHUB_OUTPUT")),
                  folder_.read("GITHUB_STEP_SUMMARY"),
                  {}};
    const std::string secret = token_.substr(token_.find('=') + 1);
    for (const std::string& line : split_lines(result.all())) {
      if (line.starts_with("::add-mask::")) continue;  // the runner itself is told
      EXPECT_EQ(line.find(secret), std::string::npos) << line;
    }
    EXPECT_EQ(result.summary.find(secret), std::string::npos) << result.summary;
    const auto report = result.outputs.find("report");
    if (report != result.outputs.end() && !report->second.empty()) {
      const auto json =
          parse_json(folder_.read(report->second.substr(report->second.rfind('/') + 1)));
      if (json) result.report = *json;
    }
    return result;
  }

  [[nodiscard]] Result run(const std::string& command,
                           const std::vector<std::string>& more = {}) const {
    Process process = start(command, more);
    return result_of(process);
  }
  [[nodiscard]] Result deploy(const std::vector<std::string>& more = {}) const {
    return run("deploy", with(more));
  }
  [[nodiscard]] Process start_deploy(const std::vector<std::string>& more = {}) const {
    return start("deploy", with(more));
  }

  static std::string executable();

 private:
  [[nodiscard]] std::vector<std::string> with(const std::vector<std::string>& more) const {
    std::vector<std::string> words = deploy_words();
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  testing::SandboxProxmox& cluster_;
  std::string token_;
  TempFolder folder_;
};

}  // namespace pca::test
