#pragma once

#include <vector>

#include "swarm-deploy/object_removal.hpp"
#include "swarm-deploy/stack_plan.hpp"

namespace pca::swarm_deploy {

// Networks, secrets and configs of the stack that nothing needs once the plan is done: neither its
// files, nor a service as it was or will be, nor (of secrets and configs, which a swarm cannot make
// again) a release that is kept. Old ones of a name that rotated are found always, but for the two
// newest; all else only with `prune`. Pure.
[[nodiscard]] std::vector<NamedObject> find_leftovers(const StackSpec& wanted,
                                                      const SwarmState& state,
                                                      const StackPlan& plan, bool prune);

}  // namespace pca::swarm_deploy
