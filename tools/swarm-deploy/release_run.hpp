#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "deploy/provenance.hpp"
#include "net/engine.hpp"
#include "swarm-deploy/stack_plan.hpp"
#include "swarm-deploy/stack_preview.hpp"
#include "swarm-deploy/stack_run.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

// What a deploy and a rollback are told besides what to write.
struct ReleaseInputs {
  std::string command;  // "deploy", "rollback"
  std::string stack;
  Provenance from;
  std::string reason;
  Milliseconds timeout{};
  Milliseconds lock_wait{};
  bool sets_hold = true;                    // of a rollback
  bool settles_by_monitor = true;           // where that is longer than rules.settle
  std::optional<PreviewPlan> preview = {};  // which the stack is, for a deploy
  RunRules rules = {};
};
// The options that make these, but for commit and hold; and what they say.
[[nodiscard]] std::vector<Option> release_options();
[[nodiscard]] ReleaseInputs read_release_inputs(const ToolContext& context, const Inputs& inputs);

// What is there and what is to be done.
struct PreparedRelease {
  SwarmState state;
  StackPlan plan;
  std::vector<StackNetwork> networks;  // that it wants; of others only what can be seen is kept
  std::string target;                  // of a rollback: the release that it goes back to
};
// Reads and plans; called again when somebody else came between.
using Prepare = std::function<Result<PreparedRelease>(const Budget&)>;

struct ReleaseRun {
  StackPlan plan;
  StackRun run;
};

// A stack becomes what its plan says as a release: with the stack's lock, in the history of the
// swarm, under its hold. What changes nothing needs none of these. An Error only where nothing is
// known of the stack yet; later ones are the run's.
[[nodiscard]] Result<ReleaseRun> run_release(ToolContext& context, Engine& engine,
                                             const ReleaseInputs& inputs, const Prepare& prepare);

// Tells all of it; the exit code, or the run's error.
[[nodiscard]] Result<int> tell_release(ToolContext& context, const ReleaseInputs& inputs,
                                       const ReleaseRun& done, Clock::time_point start);

}  // namespace pca::swarm_deploy
