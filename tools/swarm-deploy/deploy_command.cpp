#include "swarm-deploy/deploy_command.hpp"

#include <filesystem>

#include "deploy/commit_facts.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/leftovers.hpp"
#include "swarm-deploy/preview_inputs.hpp"
#include "swarm-deploy/release_run.hpp"
#include "swarm-deploy/run_report.hpp"
#include "swarm-deploy/stack_inputs.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds planning_limit{60'000};  // once there is a connection

// What both commands need before anything is contacted.
struct SwarmInputs {
  StackSpec stack;
  std::vector<EngineEndpoint> engines;
  PlanRules rules;
  RegistryLogins registries;
};

// Without the stack.
SwarmInputs read_swarm_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  SwarmInputs out;
  out.engines = read_engine_inputs(context, inputs, bad);
  const std::string& resolve = inputs.text("resolve-image");
  out.rules.resolve = resolve == "never"     ? ResolveImages::never
                      : resolve == "changed" ? ResolveImages::changed
                                             : ResolveImages::always;
  out.rules.require_digest = inputs.flag("require-digest");
  out.rules.prune = inputs.flag("prune");
  out.registries = read_registries(context, inputs, bad);
  return out;
}

SwarmInputs read_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  SwarmInputs out = read_swarm_inputs(context, inputs, bad);
  out.stack = read_stack_inputs(context, inputs, bad);
  return out;
}

Result<PreparedRelease> prepare(const Budget& budget, Engine& engine, const SwarmInputs& inputs) {
  PreparedRelease out;
  PCA_TRY(out.state,
          read_swarm_state(budget, engine, inputs.stack, inputs.rules.resolve, inputs.registries));
  out.plan = make_plan(inputs.stack, out.state, inputs.rules, inputs.registries);
  if (!out.plan.changes_nothing())
    out.plan.leftovers = find_leftovers(inputs.stack, out.state, out.plan, inputs.rules.prune);
  out.networks = inputs.stack.networks;
  return out;
}

// Holds go by the time of a commit.
void learn_of_commit(const ToolContext& context, const Inputs& inputs, Provenance& from) {
  const std::vector<std::string>& files = inputs.list("files");
  const std::string folder =
      files.empty() ? "" : std::filesystem::path(files.front()).parent_path().string();
  const CommitFacts facts =
      find_commit_facts(Budget::of(planning_limit, context.stop), context.environment,
                        folder.empty() ? "." : folder, from.commit);
  if (from.commit_time.empty()) from.commit_time = facts.time;
  from.revert_of = facts.revert_of;
}

Budget planning_budget(const SwarmInputs& inputs, const std::stop_token& stop) {
  Milliseconds limit = planning_limit;
  for (const EngineEndpoint& engine : inputs.engines) limit += engine.connect_limit;
  return Budget::of(limit, stop);
}

Result<int> deploy(ToolContext& context, const Inputs& inputs, const SwarmInputs& given,
                   ReleaseInputs release, Clock::time_point start) {
  release.stack = given.stack.name;
  learn_of_commit(context, inputs, release.from);
  PCA_TRY(const auto engine,
          connect_manager(Budget::of(release.timeout, context.stop), context, given.engines));
  PCA_TRY(const ReleaseRun done, run_release(context, *engine, release, [&](const Budget& budget) {
            return prepare(budget, *engine, given);
          }));
  return tell_release(context, release, done, start);
}

}  // namespace

Result<int> run_plan(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const SwarmInputs given = read_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = planning_budget(given, context.stop);
  PCA_TRY(const auto engine, connect_manager(budget, context, given.engines));
  PCA_TRY(const PreparedRelease prepared, prepare(budget, *engine, given));
  tell_plan(context.reporter, prepared.plan);
  PCA_CHECK(check_plan(prepared.plan));
  StackRun run;
  run.outcome = "planned";
  tell_run(context, "plan", given.stack.name, prepared.plan, run, start);
  constexpr int there_are_changes = 8;
  return inputs.flag("exit-code") && !prepared.plan.changes_nothing() ? there_are_changes : 0;
}

Result<int> run_deploy(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const SwarmInputs given = read_inputs(context, inputs, bad);
  ReleaseInputs release = read_release_inputs(context, inputs);
  read_commit(context, inputs, release.from, bad);
  if (!bad.empty()) return bad.to_error();
  return deploy(context, inputs, given, std::move(release), start);
}

Result<int> run_preview_up(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  SwarmInputs given = read_swarm_inputs(context, inputs, bad);
  ReleaseInputs release = read_release_inputs(context, inputs);
  read_commit(context, inputs, release.from, bad);
  const PreviewInputs preview = read_preview_inputs(inputs, release.from, bad);
  require_own_branch(context, release.from.repository, release.from.branch, bad);
  given.stack =
      read_stack_inputs(context, inputs, preview.plan.preview.stack, preview.variables, bad);
  if (bad.empty()) make_preview(given.stack, preview, bad);
  if (!bad.empty()) return bad.to_error();
  release.preview = preview.plan;
  return deploy(context, inputs, given, std::move(release), start);
}

}  // namespace pca::swarm_deploy
