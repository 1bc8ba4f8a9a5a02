#pragma once

#include <cstdint>
#include <string>

#include "base/budget.hpp"
#include "base/result.hpp"

namespace pca {

// The whole content of a file the user named, "-" meaning stdin. At most `limit` bytes; a folder, a
// file that cannot be read and one that holds more are bad_input. Pipes and devices are read too,
// while the budget lasts.
[[nodiscard]] Result<std::string> read_input_file(const Budget& budget, const std::string& path,
                                                  std::uint64_t limit);

}  // namespace pca
