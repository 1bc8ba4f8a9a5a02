#pragma once

#include "cli/tool_main.hpp"
#include "deploy-policy/repository.hpp"

namespace pca::deploy_policy {

Result<int> run_lint(ToolContext& context, Inputs inputs, BadInputs& bad);

// The repository of the inputs `root` and `exclude`; an empty one after a mistake.
[[nodiscard]] Repository read_repository(ToolContext& context, const Inputs& inputs,
                                         BadInputs& bad);

}  // namespace pca::deploy_policy
