#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::swarm_deploy {

// "8080:80/udp", "3000-3002" and the like written out: {mode, target, published, protocol} each.
struct ExpandedPort {
  std::vector<Json> ports;
  std::string ignored_address;  // the IP address in front, or empty
};
[[nodiscard]] Result<ExpandedPort> expand_port(std::string_view text);

// "data:/data:ro" written out: {type, source, target, read_only, bind, volume}.
[[nodiscard]] Result<Json> expand_mount(std::string_view text);

}  // namespace pca::swarm_deploy
