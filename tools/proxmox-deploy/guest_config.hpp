#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxmox-deploy/cluster_view.hpp"

namespace pca::proxmox_deploy {

inline constexpr int most_nets = 32;    // net0 to net31
inline constexpr int last_mount = 255;  // mp0 to mp255, as unused0 to unused255

// A volume of a container that holds data.
struct DataVolume {
  std::string key;     // "mp0"
  std::string path;    // "/var/lib/shop": where the container has it
  std::string volume;  // "local-zfs:subvol-101-disk-1"
};

// A guest's configuration. Hostile.
struct GuestConfig {
  Json values;
  std::string digest;
  std::string name;  // a container's hostname
  // What a copy of it has otherwise: the UUID of its SMBIOS in lower case; of a container, which
  // has none, the MAC address of its first net.
  std::string identity;
  std::string description;
  std::vector<std::string> tags;
  std::string lock;
  bool is_template = false;
  bool is_protected = false;
  bool has_agent = false;

  [[nodiscard]] std::string text(std::string_view key) const { return text_in(values, key); }
  // MAC addresses of net0, net1, ...; upper case.
  [[nodiscard]] std::vector<std::string> macs() const;
  // A container's mount points but its root: volumes, not folders of the node.
  [[nodiscard]] std::vector<DataVolume> data_volumes() const;
};
[[nodiscard]] GuestConfig parse_config(const Json& data, const std::string& type);
[[nodiscard]] ApiResult<GuestConfig> read_config(const Budget& budget, ProxmoxApi& api,
                                                 const Guest& guest);

// Changes configuration at once (PUT), only as `digest` was read. A lost answer is made up for by a
// look at what is there.
[[nodiscard]] ApiResult<> write_config(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                       Parameters parameters, const std::string& digest,
                                       bool has_secrets = false);

}  // namespace pca::proxmox_deploy
