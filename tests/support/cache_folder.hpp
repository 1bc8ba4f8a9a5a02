#pragma once

#include <string>

#include "base/environment.hpp"

namespace pca::test {

// Where prepare.sh keeps what is not of one work tree.
inline std::string cache_folder() {
  const std::string given = environment_variable("PCA_CACHE");
  if (!given.empty()) return given;
  const std::string caches = environment_variable("XDG_CACHE_HOME");
  return (caches.empty() ? environment_variable("HOME") + "/.cache" : caches) +
         "/private-cloud-actions";
}

}  // namespace pca::test
