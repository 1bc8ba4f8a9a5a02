#pragma once

#include <string_view>

#include "base/config_value.hpp"

namespace pca {

// Parses hostile TOML 1.0. Dates and times are null: nobody here reads any.
[[nodiscard]] Result<ConfigValue, ConfigProblem> parse_toml(std::string_view text,
                                                            const ConfigLimits& limits = {});

}  // namespace pca
