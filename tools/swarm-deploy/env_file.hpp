#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "swarm-deploy/interpolation.hpp"

namespace pca::swarm_deploy {

// Lines "NAME=value" as the docker CLI reads them: nothing is evaluated, quotes stay, a line that
// begins with # is none. A NAME alone takes its value from `variables` and is left out where that
// has none. bad_input names the line.
[[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> parse_env_file(
    std::string_view text, const Variables& variables);

}  // namespace pca::swarm_deploy
