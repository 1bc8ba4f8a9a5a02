#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/text.hpp"
#include "support/tunnel_ssh.hpp"

namespace pca::test {

// Why a test needs more than this machine has; empty when it has the command.
inline std::string missing_command(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return {};
  }
  return "there is no " + name;
}

// A recipe of actions/ as its step runs it, on a host where commands of tests/stand_ins are found
// before all others.
class RecipeForTests {
 public:
  explicit RecipeForTests(std::string action) : action_(std::move(action)) {}

  [[nodiscard]] const HostForTests& host() const { return host_; }
  void stand_in(const std::string& command) const {
    const std::filesystem::path bin = host_.home().path("bin");
    std::filesystem::create_directories(bin);
    std::filesystem::copy(source() / "tests/stand_ins" / command, bin / command);
  }

  std::map<std::string, std::string> inputs;  // by RECIPE_ name

  [[nodiscard]] Process start() {
    ProcessSpec spec;
    spec.argv = {(source() / "actions" / action_ / "run.sh").string()};
    for (const auto& [name, value] : step_.inputs) spec.environment[name] = value;
    for (const auto& [name, value] : inputs) spec.environment[name] = value;
    spec.environment["PCA_BIN"] =
        std::filesystem::path(StepForTests::executable()).parent_path().string();
    spec.environment["RUNNER_TEMP"] = temporary_.path();
    spec.environment["GITHUB_OUTPUT"] = temporary_.write("output", "");
    return Process(std::move(spec));
  }
  [[nodiscard]] StepResult run() {
    Process process = start();
    StepResult result;
    result.code = process.wait(std::chrono::seconds(60)).value_or(-1);
    result.out = process.out();
    result.err = result.out + process.err();  // the log has what the host says on stderr
    return result;
  }
  // What the step leaves on the runner, but the files of its outputs.
  [[nodiscard]] std::string left_behind() const {
    std::string names;
    for (const auto& entry : std::filesystem::directory_iterator(temporary_.path())) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("recipe.")) names += name + "\n";
    }
    return names;
  }

 private:
  static std::filesystem::path source() { return PCA_SOURCE_DIR; }

  std::string action_;
  TempFolder temporary_;
  HostForTests host_;
  StepForTests step_{host_};
};

}  // namespace pca::test
