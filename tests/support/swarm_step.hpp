#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "base/text.hpp"
#include "support/output_file.hpp"
#include "support/process.hpp"
#include "support/temp_folder.hpp"

namespace pca::test {

// Runs of swarm-deploy as steps of a workflow, with a stack's file of their own.
class SwarmStep {
 public:
  // `engine` is a socket's path, or what the input engine may be. Without a stack it is not named.
  explicit SwarmStep(const std::string& engine, std::string stack = "shop")
      : engine_(engine.starts_with('/') ? "unix://" + engine : engine), stack_(std::move(stack)) {}

  struct Result {
    int code = -1;
    std::string out;
    std::string err;
    std::map<std::string, std::string> outputs;
    std::string summary;
  };

  // Writes the stack's file.
  void write(const std::string& yaml) const { folder_.write("stack.yml", yaml); }
  [[nodiscard]] const TempFolder& folder() const { return folder_; }
  ProcessEnvironment variables = {};  // further ones

  [[nodiscard]] Process start(const std::string& command,
                              const std::vector<std::string>& more = {}) const {
    ProcessSpec spec;
    spec.argv = {executable()};
    for (const std::string& word : split(command, ' ')) spec.argv.push_back(word);
    spec.argv.insert(spec.argv.end(), {"--engine", engine_});
    if (!stack_.empty() && command != "node")
      spec.argv.insert(spec.argv.end(), {"--stack", stack_});
    if (command == "deploy" || command == "plan" || command == "preview up") {
      spec.argv.insert(spec.argv.end(), {"--files", folder_.path("stack.yml")});
    }
    spec.argv.insert(spec.argv.end(), more.begin(), more.end());
    spec.environment["RUNNER_TEMP"] = folder_.path();
    for (const auto& [name, value] : variables) spec.environment[name] = value;
    for (const char* file : {"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}) {
      spec.environment[file] = folder_.write(file, "");
    }
    return Process(std::move(spec));
  }

  [[nodiscard]] Result result_of(Process& process,
                                 std::chrono::seconds deadline = std::chrono::seconds(260)) const {
    const auto code = process.wait(deadline);
    return {code.value_or(-1), process.out(), process.err(),
            parse_output_file(folder_.read("GITHUB_OUTPUT")), folder_.read("GITHUB_STEP_SUMMARY")};
  }

  [[nodiscard]] Result run(const std::string& command,
                           const std::vector<std::string>& more = {}) const {
    Process process = start(command, more);
    return result_of(process);
  }

  static std::string executable();

 private:
  std::string engine_;
  std::string stack_;
  TempFolder folder_;
};

}  // namespace pca::test
