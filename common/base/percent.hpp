#pragma once

#include <string>
#include <string_view>

namespace pca {

// RFC 3986: all but letters, digits and "-._~" as %XX. For a name in a path or a query, and for
// forms.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace pca
