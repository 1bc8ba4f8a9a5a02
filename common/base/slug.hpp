#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// The short name of a branch, for host names, folders and stacks: what is left of the branch's own
// name in lower case, then always "-" and 8 digits of a digest of repository and branch, so that no
// two branches have the same one. A part of a DNS label that begins with a letter.

inline constexpr std::size_t longest_label = 63;  // of a DNS name

// "1a2b3c4d", which the slug of this branch ends in. `repository` is "owner/repo".
[[nodiscard]] std::string slug_digest(std::string_view repository, std::string_view branch);
// At most `room` long; bad_input where that is less than 10.
[[nodiscard]] Result<std::string> make_slug(std::string_view repository, std::string_view branch,
                                            std::size_t room = longest_label);
// Whether it could be some branch's: safe in any path, host name and shell word.
[[nodiscard]] bool is_slug(std::string_view text);

}  // namespace pca
