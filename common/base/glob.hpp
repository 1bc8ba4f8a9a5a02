#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pca {

// Patterns over paths, written and read as in a .gitignore file (gitignore(5)): `*`, `?` and
// `[a-z]` stay within one name, `**` crosses folders, a slash at the start or in the middle ties a
// pattern to the root, one at the end makes it match folders only, `!` takes back what an earlier
// pattern said,
// `\` takes the next character as it is, and `#` begins a comment. The last pattern that matches
// decides. Bytes are compared, case counts. A value type; thread safe like a std::string.
class PathPatterns {
 public:
  // bad_input for a pattern with nothing in it, an unclosed `[` or a `\` at the end.
  static Result<PathPatterns> parse(std::span<const std::string> lines);

  [[nodiscard]] bool empty() const { return patterns_.empty(); }
  // Whether the patterns take `path` ("assets/logo.png", no slash at either end); nothing when none
  // matches. What lies below a matching folder is the caller's business.
  [[nodiscard]] std::optional<bool> match(std::string_view path, bool is_folder) const;
  // The same for a file and all folders above it, as git sees it: what lies in a taken folder is
  // taken, whatever a later `!` says.
  [[nodiscard]] bool takes(std::string_view path, bool is_folder) const;

 private:
  struct Pattern {
    std::vector<std::string> names;  // split at slashes; "**" stands alone
    bool takes_back = false;
    bool folders_only = false;
  };

  std::vector<Pattern> patterns_;
};

}  // namespace pca
