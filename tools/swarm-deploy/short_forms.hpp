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

// "data:/data:ro" written out: {type, source, target, read_only, bind, volume}. Where it
// `may_be_drive`, a letter in front is no volume but one of Windows' drives.
[[nodiscard]] Result<Json> expand_mount(std::string_view text, bool may_be_drive = true);

}  // namespace pca::swarm_deploy
