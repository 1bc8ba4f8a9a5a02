#pragma once

#include "deploy/preview.hpp"
#include "net/engine.hpp"

namespace pca::swarm_deploy {

// All previews of a swarm, by its own clock; those not deployed for `age` are old.
[[nodiscard]] Result<Previews> read_previews(const Budget& budget, Engine& engine,
                                             Milliseconds age = {});

}  // namespace pca::swarm_deploy
