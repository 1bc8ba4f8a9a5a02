#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "commit-status/compass.hpp"
#include "commit-status/compass_api.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

// What the inputs of `compass` come to.
struct CompassPlan {
  std::string via;          // rest, github, or auto: as GitHub has deployments
  std::string environment;  // of a deployment, as GitHub calls it
  CompassEvent event;
  std::vector<CompassTarget> targets;  // one request each
  CompassSettings settings;
  std::optional<Target> github;  // where GitHub has to be asked
  std::string read_only_reason;  // why the run has no secrets; empty: it has them
};

// Mistakes go to `bad`. Where nothing is sent (via github, or a run without secrets) only the event
// is read.
[[nodiscard]] CompassPlan read_compass_plan(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::commit_status
