#pragma once

#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "swarm-deploy/stack_plan.hpp"
#include "swarm-deploy/stack_run.hpp"

namespace pca::swarm_deploy {

// What a run tells people and the job.

// A line a thing that is to change, and the plan's warnings.
void tell_plan(Reporter& reporter, const StackPlan& plan);
// What stands against the plan, all of it together.
[[nodiscard]] Result<> check_plan(const StackPlan& plan);
// What a table of a stack has below it: what is unfinished, on hold, locked.
[[nodiscard]] std::vector<std::string> notes_of(const StackHistory& history);
// The failed service's log, the outputs, the report and the summary.
void tell_run(ToolContext& context, const std::string& command, const std::string& stack,
              const StackPlan& plan, const StackRun& run, Clock::time_point start);

}  // namespace pca::swarm_deploy
