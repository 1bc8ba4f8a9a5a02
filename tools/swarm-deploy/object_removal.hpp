#pragma once

#include <set>
#include <string>
#include <vector>

#include "net/engine.hpp"

namespace pca::swarm_deploy {

struct NamedObject {
  std::string kind;  // of the API: "services", "networks", "secrets", "configs", "volumes"
  std::string name;
  std::string id;  // empty where it is not known; of a volume its name
};

// Networks, secrets and configs that a service's spec names, by ID and by name.
[[nodiscard]] std::set<std::string> used_by(const Json& spec);

// One that says what all of them say, of the kind of the first; there is at least one.
[[nodiscard]] Error joined(std::vector<Error> errors);

// Removes all of them at once; what tasks that stop still use is tried again until they have. What
// is gone already is no matter. The error names all that stay.
[[nodiscard]] Result<> remove_objects(const Budget& budget, Engine& engine,
                                      std::vector<NamedObject> objects);
// Networks are answered as removed while tasks that stop still have them; until they let them go a
// manager lists them, and a service that is made with one fails.
[[nodiscard]] Result<> wait_for_networks(const Budget& budget, Engine& engine,
                                         const std::vector<NamedObject>& removed);

}  // namespace pca::swarm_deploy
