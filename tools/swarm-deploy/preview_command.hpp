#pragma once

#include "cli/tool_main.hpp"

namespace pca::swarm_deploy {

// `preview down`, `preview reap` and `preview list`: stacks of branches. `preview up` is a deploy.
[[nodiscard]] Result<int> run_preview(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::swarm_deploy
