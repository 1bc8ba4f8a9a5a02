#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

[[nodiscard]] Result<int> run_status(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
