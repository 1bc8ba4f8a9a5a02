#pragma once

#include "cli/tool_main.hpp"

namespace pca::deploy_policy {

// "name check", "name build" and "name parse".
Result<int> run_name(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::deploy_policy
