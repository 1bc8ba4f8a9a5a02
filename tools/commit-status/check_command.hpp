#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// One check run of a commit, made or changed.
[[nodiscard]] Result<int> run_check(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
