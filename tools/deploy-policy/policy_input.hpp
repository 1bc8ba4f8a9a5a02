#pragma once

#include "cli/tool_main.hpp"
#include "deploy-policy/policy.hpp"

namespace pca::deploy_policy {

// The policy of the input `policy`, else of the usual place below `root`, else the defaults. Its
// mistakes go to `bad`, each with file and line.
[[nodiscard]] Policy read_policy(ToolContext& context, const Inputs& inputs, BadInputs& bad,
                                 const std::string& root = {});

}  // namespace pca::deploy_policy
