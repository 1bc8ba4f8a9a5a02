#pragma once

#include "cli/tool_main.hpp"

namespace pca::commit_status {

// How a commit stands, in the job's summary.
[[nodiscard]] Result<int> run_summary(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::commit_status
