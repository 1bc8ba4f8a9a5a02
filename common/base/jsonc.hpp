#pragma once

#include <string_view>

#include "base/config_value.hpp"

namespace pca {

// Parses hostile JSON as editors of configuration write it: with comments and trailing commas.
// base/json.hpp has JSON as programs write it.
[[nodiscard]] Result<ConfigValue, ConfigProblem> parse_jsonc(std::string_view text,
                                                             const ConfigLimits& limits = {});

}  // namespace pca
