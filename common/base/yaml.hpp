#pragma once

#include <string_view>

#include "base/config_value.hpp"

namespace pca {

// Parses hostile YAML: one document at most (none is null), within the limits, also after its
// aliases are written out. Of tags only !!str means something (what it tags is text), "<<" is a key
// like another, a key twice is an error.
[[nodiscard]] Result<ConfigValue, ConfigProblem> parse_yaml(std::string_view text,
                                                            const ConfigLimits& limits = {});

}  // namespace pca
