#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "runner/redactor.hpp"

namespace pca::swarm_deploy {

// The registry of an image: "docker.io", "ghcr.io", "registry.example:5000".
[[nodiscard]] std::string registry_of(std::string_view image);

// Credentials by registry. They go to the Engine in a header of the requests that need them, and
// nowhere else.
class RegistryLogins {
 public:
  // Lines "REGISTRY USER PASSWORD". Every password is protected. bad_input names lines by their
  // number and never shows any of them.
  static Result<RegistryLogins> parse(std::string_view lines, Redactor& redactor);

  // X-Registry-Auth for an image; null when there is none for its registry. Lives as long as this.
  [[nodiscard]] const Secret* of_image(std::string_view image) const;
  // Registries whose password looks like one that ends soon, with a word about it.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::map<std::string, Secret, std::less<>> headers_;  // by registry
  std::vector<std::string> warnings_;
};

}  // namespace pca::swarm_deploy
