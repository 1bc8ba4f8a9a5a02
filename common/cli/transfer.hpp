#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// One "SOURCE -> DESTINATION", as lists of what goes where have it. Both may be empty.
struct Transfer {
  std::string source;
  std::string destination;
};
// Errors: bad_input.
[[nodiscard]] Result<Transfer> parse_transfer(std::string_view text);

}  // namespace pca
