#pragma once

#include <vector>

#include "cli/options.hpp"

namespace pca::tunnel_ssh {

// The table of `tunnel-ssh release ...`.
[[nodiscard]] std::vector<CommandSpec> release_commands();

}  // namespace pca::tunnel_ssh
