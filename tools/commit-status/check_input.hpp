#pragma once

#include "cli/tool_main.hpp"
#include "commit-status/check.hpp"

namespace pca::commit_status {

// What the inputs of `check` come to.
struct CheckPlan {
  Check check;  // without its commit
  std::vector<CheckAnnotation> annotations;
  std::int64_t id = 0;  // of a check run that there is; 0: it is looked for, or made
};

// What the inputs do not say comes from the run. Mistakes go to `bad`; annotations that are none
// are told as a warning.
[[nodiscard]] CheckPlan read_check_plan(ToolContext& context, const Inputs& inputs, BadInputs& bad);

}  // namespace pca::commit_status
