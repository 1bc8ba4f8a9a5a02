#pragma once

#include <set>
#include <string>

#include "base/config_value.hpp"
#include "base/json.hpp"

namespace pca::swarm_deploy {

// The newest schema of compose files that a docker command carries in itself: what its stacks may
// hold. A form is a key and a kind of value that it takes: "services.*.dns: array".
class ComposeSchema {
 public:
  // Throws std::runtime_error where there is none in the executable.
  explicit ComposeSchema(const std::string& docker);

  [[nodiscard]] std::set<std::string> forms() const;
  // Those that a compose file has.
  [[nodiscard]] std::set<std::string> forms_of(const ConfigValue& file) const;

 private:
  template <typename Visit>
  void each_meaning(const Json& node, const Visit& visit) const;
  void add_forms(const Json& node, const std::string& path, std::set<std::string>& forms) const;
  void add_forms_of(const Json& node, const ConfigValue& value, const std::string& path,
                    std::set<std::string>& forms) const;

  Json schema_;
};

}  // namespace pca::swarm_deploy
