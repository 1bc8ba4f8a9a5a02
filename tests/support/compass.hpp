#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.hpp"
#include "support/edge.hpp"
#include "support/temp_folder.hpp"

namespace pca::testing {

// `private-cloud-sandbox compass`.
class SandboxCompass {
 public:
  static constexpr const char* user = "ci@acme.example";
  // It asks for this token only when told so, by INPUT_TOKEN.
  static constexpr const char* token = "canary-compass-token-8e41f7c3";

  explicit SandboxCompass(std::vector<std::string> arguments = {},
                          const test::ProcessEnvironment& environment = {})
      : process_("compass", with_files(std::move(arguments)), environment) {}

  [[nodiscard]] std::string url() const {
    return "https://127.0.0.1:" + std::to_string(process_.port_of("compass")) +
           "/gateway/api/compass/v1";
  }
  [[nodiscard]] std::string ca_file() const { return folder_.path("ca.pem"); }
  // The requests answered so far.
  [[nodiscard]] std::vector<Json> requests() const {
    return read_records(folder_.path("record.jsonl"), "compass");
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
