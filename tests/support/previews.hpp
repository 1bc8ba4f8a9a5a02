#pragma once

#include <string>

#include "base/slug.hpp"
#include "deploy/preview.hpp"

namespace pca::test {

inline std::string slug_of(const std::string& branch) { return *make_slug("acme/shop", branch); }

inline Preview preview_of(const std::string& branch,
                          const std::string& deployed = "2026-01-05T00:00:00Z",
                          const std::string& expires = "2026-02-01T00:00:00Z") {
  return {.slug = slug_of(branch),
          .repository = "acme/shop",
          .branch = branch,
          .commit = "abc",
          .deployed = deployed,
          .expires = expires};
}

}  // namespace pca::test
