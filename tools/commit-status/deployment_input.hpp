#pragma once

#include "cli/tool_main.hpp"
#include "commit-status/deployment.hpp"

namespace pca::commit_status {

// The deployment that the inputs of `deployment start` and `finish` mean, without its commit; what
// they do not say comes from the run. Mistakes go to `bad`.
[[nodiscard]] Deployment read_deployment_input(const ToolContext& context, const Inputs& inputs,
                                               BadInputs& bad);

// How it stands now.
[[nodiscard]] DeploymentStatus read_deployment_status(const ToolContext& context,
                                                      const Inputs& inputs, BadInputs& bad);

}  // namespace pca::commit_status
