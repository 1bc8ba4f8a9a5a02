#pragma once

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "base/text.hpp"
#include "support/process.hpp"

namespace pca::test {

// What the runner of tests/runner needs of npm.
struct RunnerPackages {
  std::string folder;   // PCA_NPM to the runner
  std::string missing;  // why it cannot run here; empty when it can
};

inline RunnerPackages install_runner_packages() {
  ProcessSpec spec;
  spec.argv = {"bash", std::string(PCA_SOURCE_DIR) + "/tests/npm/install.sh"};
  for (const char* name : {"HOME", "PCA_CACHE", "XDG_CACHE_HOME", "HTTPS_PROXY", "https_proxy",
                           "NODE_EXTRA_CA_CERTS", "npm_config_registry"}) {
    const char* value = std::getenv(name);
    if (value != nullptr) spec.environment[name] = value;
  }
  try {
    const Finished installed = run_process(spec, std::chrono::minutes(5));
    if (installed.code == 0) return {std::string(trim(installed.out)), ""};
    return {"", installed.out + installed.err};
  } catch (const std::runtime_error& error) {
    return {"", error.what()};
  }
}

inline const RunnerPackages& runner_packages() {
  static const RunnerPackages packages = install_runner_packages();
  return packages;
}

}  // namespace pca::test
