#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"

namespace pca::swarm_deploy {

// What the author of the later file may not expect.
struct MergeNote {
  std::vector<std::string> path;  // {"services", "web", "ports"}
  std::string text;
  std::string cure;
};

// `later` over `earlier`, both as read_compose() gives them, by the docker CLI's rules: maps are
// merged, lists appended; ports (by what they publish), mounts (by target), secrets and configs (by
// source) replace their like, command, entrypoint and a health check's test the whole; networks,
// volumes, secrets and configs of the stack are replaced as a whole. What is empty, false or 0
// replaces nothing but a count that may be 0. The notes tell what of the later file is without
// effect, and where the docker CLI loses something that this keeps.
[[nodiscard]] Json merge_compose(Json earlier, const Json& later, std::vector<MergeNote>& notes);

}  // namespace pca::swarm_deploy
