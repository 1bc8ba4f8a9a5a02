#pragma once

#include <string>
#include <vector>

#include "base/config_value.hpp"

namespace pca::swarm_deploy {

// Where in which file something stands.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;
};
[[nodiscard]] Place place_of(const std::string& file, const ConfigValue& value);
[[nodiscard]] Place place_of(const std::string& file, const ConfigValue::Member& key);

// A mistake in a compose file, or something in it that is ignored.
struct Problem {
  Place place;
  std::string text;  // "services.web.imagee: no key of a service"
  std::string cure;

  [[nodiscard]] std::string message() const;  // "stack.yml:3:5: services.web..."
};

// All that was found, in the order of the files.
struct Problems {
  std::vector<Problem> mistakes;
  std::vector<Problem> warnings;
  std::vector<Problem> differences;  // from what the docker CLI makes of it; good in any case

  void mistake(Place place, std::string text, std::string cure = {});
  void warning(Place place, std::string text, std::string cure = {});
  void difference(Place place, std::string text, std::string cure = {});
  void add(Problems others);
  void sort();
};

}  // namespace pca::swarm_deploy
