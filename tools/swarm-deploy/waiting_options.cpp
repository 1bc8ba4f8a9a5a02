#include "swarm-deploy/waiting_options.hpp"

#include <utility>

namespace pca::swarm_deploy {

std::vector<Option> waiting_options(std::string timeout_help) {
  const std::string group = "Waiting";
  return {
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "10m",
       .help = std::move(timeout_help),
       .group = group},
      {.name = "settle",
       .type = OptionType::duration,
       .default_value = "5s",
       .help = "How long all services must stay well, once for all of them",
       .group = group},
      {.name = "max-task-failures",
       .type = OptionType::integer,
       .default_value = "3",
       .help = "A service has failed when so many of its new tasks have",
       .least = 1,
       .most = 100,
       .group = group},
      {.name = "scheduling-timeout",
       .type = OptionType::duration,
       .default_value = "30s",
       .help = "A service has failed when no node takes a task for so long",
       .group = group},
  };
}

HealthRules read_health_rules(const Inputs& inputs) {
  return {inputs.integer("max-task-failures"), inputs.duration("scheduling-timeout")};
}

}  // namespace pca::swarm_deploy
