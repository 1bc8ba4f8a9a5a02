#pragma once

#include <cstddef>
#include <string_view>

namespace pca {

[[nodiscard]] std::size_t count_code_points(std::string_view text);

// The longest beginning of at most `most` code points that cuts nothing in two which people see as
// one character: an accent, a joined emoji, a flag (Unicode's extended grapheme clusters). Only
// where the first character alone is longer than that, it is cut.
[[nodiscard]] std::string_view cut_characters(std::string_view text, std::size_t most);

}  // namespace pca
