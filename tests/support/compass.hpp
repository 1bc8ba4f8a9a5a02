#pragma once

#include "support/sandbox_api.hpp"

namespace pca::testing {

// `private-cloud-sandbox compass`.
class SandboxCompass : public SandboxApi {
 public:
  static constexpr const char* user = "ci@acme.example";
  // It asks for this token only when told so, by INPUT_TOKEN.
  static constexpr const char* token = "canary-compass-token-8e41f7c3";

  explicit SandboxCompass(std::vector<std::string> arguments = {},
                          const test::ProcessEnvironment& environment = {})
      : SandboxApi("compass", std::move(arguments), environment) {}

  [[nodiscard]] std::string url() const { return SandboxApi::url() + "/gateway/api/compass/v1"; }
};

}  // namespace pca::testing
