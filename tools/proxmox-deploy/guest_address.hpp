#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "proxmox-deploy/cluster_view.hpp"

namespace pca::proxmox_deploy {

enum class IpVersion : std::uint8_t { any, v4, v6 };

// Which of a guest's addresses is meant.
struct AddressRules {
  IpVersion version = IpVersion::any;  // any: IPv4 where there is one
  std::string interface = {};          // its name in the guest; empty = that of the first net
};

// The address in what the agent says of a guest's interfaces (network-get-interfaces): of the one
// with the first MAC address of the configuration, else of any that is not lo, docker*, veth*, br-*
// and the like; never loopback or link-local. Empty while there is none. Hostile.
[[nodiscard]] std::string choose_address(const Json& interfaces,
                                         const std::vector<std::string>& macs,
                                         const AddressRules& rules);
// What it has instead, for a message: "docker0 172.17.0.1, lo 127.0.0.1".
[[nodiscard]] std::string list_addresses(const Json& interfaces);

// The address in a value of ipconfigN ("ip=10.0.0.5/24,gw=10.0.0.1"); empty for dhcp.
[[nodiscard]] std::string static_address(std::string_view ip_config, IpVersion version);

// Asks the agent until the guest has an address. Each question waits up to 3 s on the server.
// Errors: failed (no agent is configured; none answered, or no address came within the budget).
[[nodiscard]] ApiResult<std::string> wait_for_address(const Budget& budget, ProxmoxApi& api,
                                                      const Guest& guest,
                                                      const std::vector<std::string>& macs,
                                                      const AddressRules& rules);

}  // namespace pca::proxmox_deploy
