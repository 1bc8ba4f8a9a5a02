#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "cli/tool_main.hpp"
#include "deploy-policy/policy.hpp"

namespace pca::deploy_policy {

Result<int> run_export(ToolContext& context, Inputs inputs, BadInputs& bad);

// The policy as another system's settings, and what that system cannot say.
struct Exported {
  Json json;
  std::string text;                 // as it is written or shown there
  std::vector<std::string> limits;  // sentences
};
[[nodiscard]] Exported export_to_pages(const Policy& policy);
// `branches:` of a workflow. The last pattern that matches decides, so production comes last.
[[nodiscard]] std::vector<std::string> github_filters(const Policy& policy);
[[nodiscard]] Exported export_to_github(const Policy& policy);
[[nodiscard]] Exported export_to_environment(const Policy& policy);

}  // namespace pca::deploy_policy
