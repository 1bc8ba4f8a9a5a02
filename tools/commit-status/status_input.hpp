#pragma once

#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "commit-status/status.hpp"

namespace pca::commit_status {

// One status of `state` for each context of the inputs; what they do not say comes from the run.
// Mistakes go to `bad`.
[[nodiscard]] std::vector<Status> read_statuses_of(const ToolContext& context, const Inputs& inputs,
                                                   const std::string& state, BadInputs& bad);

// The statuses of batch-file, with which nothing else about a status goes.
[[nodiscard]] std::vector<Status> read_batch(const ToolContext& context, const Inputs& inputs,
                                             BadInputs& bad);

// Warns of contexts that come twice; the last one counts.
[[nodiscard]] std::vector<Status> drop_doubles(ToolContext& context, std::vector<Status> statuses);

}  // namespace pca::commit_status
