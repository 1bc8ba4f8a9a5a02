#include "swarm-deploy/rollback_command.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/release_run.hpp"

namespace pca::swarm_deploy {

namespace {

Result<PreparedRelease> prepare(const Budget& budget, Engine& engine, const std::string& stack,
                                const std::string& to, const RegistryLogins& registries) {
  PCA_TRY(const StackHistory history, read_history(budget, engine, stack));
  PCA_TRY(const StackRelease target, rollback_target(history, stack, to));
  const auto parts = unpack(target.data);
  if (!parts) {
    return failed(fmt::format("{}: the release {} cannot be read: {}", stack, target.id,
                              parts.error().message),
                  "Go back to another one by to, or deploy its commit again.");
  }
  const StackSpec wanted = spec_of(stack, *parts);
  PreparedRelease out;
  PCA_TRY(out.state, read_swarm_state(budget, engine, wanted, ResolveImages::never));
  out.plan =
      make_plan(wanted, out.state,
                {.resolve = ResolveImages::never, .prune = true, .is_rollback = true}, registries);
  out.networks = wanted.networks;
  out.target = target.id;
  return out;
}

}  // namespace

Result<int> run_rollback(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  ReleaseInputs release = read_release_inputs(context, inputs);
  release.reason = inputs.text("reason");
  release.sets_hold = inputs.text("hold") == "auto";
  const RegistryLogins registries = read_registries(context, inputs, bad);
  const std::string& to = inputs.text("to");
  if (!to.empty() && !is_release_id(to)) {
    bad.add("to", fmt::format("{} is no name of a release", shown(to)),
            "\"swarm-deploy list\" shows them.");
  }
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  PCA_TRY(const ReleaseRun done, run_release(context, *engine, release, [&](const Budget& budget) {
            return prepare(budget, *engine, given.stack, to, registries);
          }));
  return tell_release(context, release, done, start);
}

}  // namespace pca::swarm_deploy
