#pragma once

#include <vector>

#include "cli/options.hpp"

namespace pca::tunnel_ssh {

// The table of `tunnel-ssh guard ...`.
[[nodiscard]] std::vector<CommandSpec> guard_commands();

}  // namespace pca::tunnel_ssh
