#pragma once

#include "cli/options.hpp"

namespace pca::tunnel_ssh {

// The one option table of tunnel-ssh: flags, INPUT_ variables, help, action.yml and README come
// from it.
[[nodiscard]] ToolSpec tool_spec();

}  // namespace pca::tunnel_ssh
