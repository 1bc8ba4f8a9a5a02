#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "support/edge.hpp"
#include "support/temp_folder.hpp"

namespace pca::testing {

// A service of the sandbox that speaks HTTPS and records what it is asked: `private-cloud-sandbox
// NAME`.
class SandboxApi {
 public:
  SandboxApi(const std::string& name, std::vector<std::string> arguments,
             const test::ProcessEnvironment& environment)
      : name_(name), process_(name, with_files(std::move(arguments)), environment) {}

  [[nodiscard]] std::string url() const {
    return "https://127.0.0.1:" + std::to_string(process_.port_of(name_.c_str()));
  }
  [[nodiscard]] std::string ca_file() const { return folder_.path("ca.pem"); }
  [[nodiscard]] const Json& where() const { return process_.where(); }
  int stop() { return process_.stop(); }
  // The requests answered so far.
  [[nodiscard]] std::vector<Json> requests() const {
    return read_records(folder_.path("record.jsonl"), name_);
  }

 private:
  std::vector<std::string> with_files(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--ca-out", folder_.path("ca.pem"), "--record",
                                       folder_.path("record.jsonl")});
    return arguments;
  }

  std::string name_;
  test::TempFolder folder_;  // outlives the process that writes into it
  SandboxProcess process_;
};

}  // namespace pca::testing
