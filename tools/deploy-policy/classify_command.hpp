#pragma once

#include "cli/tool_main.hpp"

namespace pca::deploy_policy {

Result<int> run_classify(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::deploy_policy
