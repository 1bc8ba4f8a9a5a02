#pragma once

#include <optional>
#include <string>
#include <vector>

#include "net/engine.hpp"
#include "runner/reporter.hpp"
#include "swarm-deploy/node_plan.hpp"
#include "swarm-deploy/stack_run.hpp"

namespace pca::swarm_deploy {

struct NodeWork {
  std::vector<SwarmNode> nodes;  // as they were before
  NodeChange change;
  DrainPlan drain = {};          // where it is one
  std::vector<Task> tasks = {};  // of the whole swarm, as they were before
  Milliseconds settle{5000};
  HealthRules health = {};
  bool roll_back = true;
  bool may_be_last = false;  // a drain may leave no node that takes tasks
};

struct NodeRun {
  std::string outcome;  // of contract::outcome
  std::optional<Error> error;
  std::size_t changed = 0;  // nodes that are now as asked for, and were not
  std::optional<FailedService> failed;
};

// Writes what is not so yet on the nodes, and waits: until tasks that a drain or other labels send
// away run elsewhere, or until nodes that become active are ready. What was written is read again,
// and told as it is then. A failure or a cancel brings back what was changed, and nothing that
// somebody else changed since.
[[nodiscard]] NodeRun change_nodes(const Budget& budget, Engine& engine, Reporter& reporter,
                                   const NodeWork& work);

}  // namespace pca::swarm_deploy
