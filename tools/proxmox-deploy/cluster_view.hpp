#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "proxmox-deploy/proxmox_api.hpp"

namespace pca::proxmox_deploy {

// A guest as the cluster's inventory has it. Which node has it, tags and lock are as they are;
// status and name can be ten seconds old, and of a new guest missing: they serve to find guests,
// never to decide anything.
struct Guest {
  std::int64_t vmid = 0;
  std::string type = "qemu";  // or lxc
  std::string node;
  std::string name = {};
  std::string status = {};
  std::vector<std::string> tags = {};
  std::string pool = {};
  std::string lock = {};
  std::string ha_state = {};
  bool is_template = false;

  [[nodiscard]] bool has_tag(std::string_view tag) const;
  [[nodiscard]] std::string text() const;  // "101 (web-1a2b3c4 on pve1)", visible()
};

struct ClusterNode {
  std::string name;
  bool is_online = false;
};

struct ClusterStorage {
  std::string name;
  std::string node;
  bool is_shared = false;
  std::string content = {};
};

struct ClusterView {
  std::vector<Guest> guests;
  std::vector<ClusterNode> nodes;
  std::vector<ClusterStorage> storages;

  [[nodiscard]] const Guest* find(std::int64_t vmid) const;
  [[nodiscard]] const ClusterNode* find_node(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> node_names() const;
};

// Hostile JSON of /cluster/resources.
[[nodiscard]] ClusterView parse_cluster(const Json& resources);
[[nodiscard]] ApiResult<ClusterView> read_cluster(const Budget& budget, ProxmoxApi& api);

// The one that is named, by its ID or its name. Errors: failed, saying which there are, or that two
// have the name.
[[nodiscard]] Result<Guest> find_guest(const ClusterView& view, std::string_view text);
// The same among templates only.
[[nodiscard]] Result<Guest> find_template(const ClusterView& view, std::string_view text);

}  // namespace pca::proxmox_deploy
