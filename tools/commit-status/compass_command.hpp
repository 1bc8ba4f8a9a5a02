#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// What Atlassian Compass is told of a deploy or a build.
[[nodiscard]] Result<int> run_compass(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
