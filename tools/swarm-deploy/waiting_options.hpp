#pragma once

#include <string>
#include <vector>

#include "cli/inputs.hpp"
#include "swarm-deploy/service_health.hpp"

namespace pca::swarm_deploy {

// What every command that waits for services takes: timeout, settle, max-task-failures and
// scheduling-timeout. `timeout_help` says what the time is for.
[[nodiscard]] std::vector<Option> waiting_options(std::string timeout_help);
[[nodiscard]] HealthRules read_health_rules(const Inputs& inputs);

}  // namespace pca::swarm_deploy
