#pragma once

#include "cli/options.hpp"

namespace pca::swarm_deploy {

// The one option table of swarm-deploy: flags, INPUT_ variables, help, action.yml and README come
// from it.
[[nodiscard]] ToolSpec tool_spec();

}  // namespace pca::swarm_deploy
