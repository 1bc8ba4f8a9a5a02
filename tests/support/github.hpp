#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "support/edge.hpp"

namespace pca::testing {

// `private-cloud-sandbox github`, whose repository is acme/shop.
class SandboxGithub {
 public:
  // It asks for this token only when told so, by INPUT_TOKEN.
  static constexpr const char* token = "canary-github-token-5d2c88a0";

  explicit SandboxGithub(std::vector<std::string> arguments = {},
                         const test::ProcessEnvironment& environment = {})
      : process_("github", with_files(std::move(arguments)), environment) {}

  [[nodiscard]] std::string url() const {
    return "https://127.0.0.1:" + std::to_string(process_.port_of("github"));
  }
  [[nodiscard]] std::string ca_file() const { return folder_.path("ca.pem"); }
  int stop() { return process_.stop(); }
  // The requests answered so far.
  [[nodiscard]] std::vector<Json> requests() const {
    return read_records(folder_.path("record.jsonl"), "github");
  }

 private:
  std::vector<std::string> with_files(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--ca-out", folder_.path("ca.pem"), "--record",
                                       folder_.path("record.jsonl")});
    return arguments;
  }

  test::TempFolder folder_;  // outlives the process that writes into it
  SandboxProcess process_;
};

}  // namespace pca::testing
