#pragma once

#include <cstdlib>
#include <string>

namespace pca {

// The value of an environment variable; empty when it is not set.
[[nodiscard]] inline std::string environment_variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace pca
