#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca {

// The name of a repository on GitHub, "owner/name". A value type.
struct GitHubRepository {
  std::string owner;
  std::string name;

  [[nodiscard]] std::string text() const { return owner + "/" + name; }
  // "/repos/OWNER/NAME" and `rest`, which begins with a slash.
  [[nodiscard]] std::string path(std::string_view rest) const;
};
// bad_input for what GitHub allows neither part to be.
[[nodiscard]] Result<GitHubRepository> parse_github_repository(std::string_view text);

}  // namespace pca
