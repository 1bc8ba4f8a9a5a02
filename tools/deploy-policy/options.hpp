#pragma once

#include "cli/options.hpp"

namespace pca::deploy_policy {

// The one option table of deploy-policy: flags, INPUT_ variables, help, action.yml and README come
// from it.
[[nodiscard]] ToolSpec tool_spec();

}  // namespace pca::deploy_policy
