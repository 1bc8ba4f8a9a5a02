#pragma once

#include "cli/inputs.hpp"
#include "cli/tool_main.hpp"
#include "commit-status/gate.hpp"

namespace pca::commit_status {

// Which statuses and checks count: the inputs checks and ignore, and the run that asks.
[[nodiscard]] GateRules read_gate_rules(const ToolContext& context, const Inputs& inputs,
                                        BadInputs& bad);

}  // namespace pca::commit_status
