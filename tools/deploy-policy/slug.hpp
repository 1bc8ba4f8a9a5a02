#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca::deploy_policy {

inline constexpr std::size_t least_slug = 10;  // a letter, "-" and the digest
inline constexpr std::size_t slug_digest = 8;  // hex digits

// What stands for a branch in names and hostnames: "feature-login-1a2b3c4d", a DNS label of at most
// `room` bytes. The digest is of "owner/repo", NUL and the whole branch name and always there, so
// two branches share a slug only where these 32 bits of SHA-256 meet. `room` is at least
// least_slug and at most 63.
[[nodiscard]] std::string make_slug(std::string_view repository, std::string_view branch,
                                    std::size_t room);

[[nodiscard]] bool is_slug(std::string_view text);

}  // namespace pca::deploy_policy
