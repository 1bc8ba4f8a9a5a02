#pragma once

#include "base/json.hpp"

namespace pca::swarm_deploy {

// `later` over `earlier`, both as read_compose() gives them, by the docker CLI's rules: maps are
// merged, lists appended; ports (by what they publish), mounts (by target), secrets and configs (by
// source) replace their like, command and entrypoint the whole; networks, volumes, secrets and
// configs of the stack are replaced as a whole. What is empty, false or 0 replaces nothing but a
// count that may be 0.
[[nodiscard]] Json merge_compose(Json earlier, const Json& later);

}  // namespace pca::swarm_deploy
