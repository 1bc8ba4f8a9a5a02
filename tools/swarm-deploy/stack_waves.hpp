#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace pca::swarm_deploy {

// What decides when a service's turn comes.
struct WaveOrder {
  std::int64_t wave = 0;           // x-deploy: {wave: 2}; all of a lower one come before
  std::vector<std::string> after;  // services that it depends on; unknown ones count for nothing
};

struct Waves {
  std::map<std::string, std::size_t> of;  // by service, counting from 0 without gaps
  // Services whose order cannot be kept, and why: they depend on each other in a circle, or on one
  // of a later wave.
  std::map<std::string, std::string> mistakes;
};

// Services of one wave are deployed together, once those of all waves before are well. As few waves
// as the order allows. Pure.
[[nodiscard]] Waves make_waves(const std::map<std::string, WaveOrder>& services);

}  // namespace pca::swarm_deploy
