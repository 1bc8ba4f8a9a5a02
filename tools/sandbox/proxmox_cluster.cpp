#include "sandbox/proxmox_cluster.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

// What the statistics daemon finds, every ten seconds.
void look_around(Cluster& cluster) {
  for (auto& [vmid, guest] : cluster.guests) {
    const Node* node = cluster.find_node(guest.node);
    if (node == nullptr || !node->is_alive) continue;
    guest.seen = {true, guest.status == "paused" ? "running" : guest.status,
                  guest.value(guest.is_container ? "hostname" : "name"), guest.is_template()};
  }
  cluster.schedule.after(timing::statistics.time, [&cluster] { look_around(cluster); });
}

}  // namespace

bool Guest::is_template() const { return value("template") == "1"; }

std::string Guest::value(const std::string& name) const {
  const auto found = config.find(name);
  return found == config.end() ? "" : found->second;
}

const std::string* Call::find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string Call::text(std::string_view name, std::string_view otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string(otherwise) : *value;
}

bool Call::flag(std::string_view name, bool otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise : *value == "1";
}

std::int64_t Call::number(std::string_view name, std::int64_t otherwise) const {
  const std::string* value = find(name);
  return value == nullptr ? otherwise
                          : parse_integer(*value, INT64_MIN, INT64_MAX).value_or(otherwise);
}

std::vector<std::string> Call::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : parameters) {
    if (key == name) values.push_back(value);
  }
  return values;
}

Cluster::Cluster(std::string release, std::size_t node_count)
    : version(std::move(release)), major(version.starts_with("8") ? 8 : 9), permissions(major) {
  permissions.pool_of_guest = &pool_of_guest;
  for (std::size_t i = 1; i <= node_count; ++i) {
    nodes.push_back({.name = fmt::format("pve{}", i), .ip = fmt::format("127.0.0.{}", i)});
  }
}

Node* Cluster::find_node(std::string_view name) {
  const auto found =
      std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return node.name == name; });
  return found == nodes.end() ? nullptr : &*found;
}

bool Cluster::has_quorum() const {
  const auto alive = std::count_if(nodes.begin(), nodes.end(),
                                   [](const Node& node) { return node.is_alive || node.refuses; });
  return has_quorum_by_force && static_cast<std::size_t>(alive) * 2 > nodes.size();
}

Outcome<Guest*> Cluster::guest_of(const Call& call, bool is_container) {
  const int vmid = static_cast<int>(call.number("vmid"));
  const auto found = guests.find(vmid);
  if (found == guests.end() || found->second.is_container != is_container ||
      found->second.node != call.text("node")) {
    return no_guest(call.text("node"), vmid, is_container);
  }
  return &found->second;
}

Outcome<Storage*> Cluster::storage_of(const std::string& name) {
  const auto found = storages.find(name);
  if (found == storages.end()) {
    return server_error(fmt::format("storage '{}' does not exist", name));
  }
  return &found->second;
}

void Cluster::lose_node(Node& node, bool refuses) {
  node.is_alive = false;
  node.refuses = refuses;
  node.is_known_lost = false;
  if (refuses) return;  // only its API is gone
  for (Task* task : tasks.newest_first(node.name)) {
    if (!task->ended) tasks.end(*this, *task, "unexpected status");
  }
  for (auto& [vmid, guest] : guests) {
    if (guest.node == node.name) halt(*this, guest);
  }
}

void Cluster::return_node(Node& node) {
  node.is_alive = true;
  node.refuses = false;
  node.is_known_lost = false;
}

Json version_of(const Cluster& cluster) {
  Json out = Json::object();
  out.set("version", cluster.version);
  out.set("release", cluster.version.substr(0, cluster.version.rfind('.')));
  return out.set("repoid", cluster.major == 9 ? "14a22df3" : "96ed1a2b");
}

void populate(Cluster& cluster) {
  const std::int64_t now = cluster.seconds();
  const auto storage = [&](const char* name, const char* type, std::set<std::string> content,
                           bool is_shared, bool has_snapshots) -> Storage& {
    Storage made;
    made.name = name;
    made.type = type;
    made.content = std::move(content);
    made.is_shared = is_shared;
    made.has_snapshots = has_snapshots;
    return cluster.storages[name] = std::move(made);
  };
  Storage& local =
      storage("local", "dir",
              {"iso", "vztmpl", "import", "backup", "snippets", "images", "rootdir"}, false, false);
  Storage& zfs = storage("local-zfs", "zfspool", {"images", "rootdir"}, false, true);
  Storage& shared = storage("shared", "rbd", {"images", "rootdir"}, true, true);
  const std::string debian = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";
  for (const Node& node : cluster.nodes) {
    local.volumes.push_back(
        {node.name, debian, "vztmpl", "tzst", std::uint64_t{126} << 20U, 0, "", now});
  }
  constexpr std::uint64_t gib = std::uint64_t{1} << 30U;
  const auto machine = [&](int vmid, const std::string& name, Storage& on, bool is_template) {
    Guest guest;
    guest.vmid = vmid;
    guest.node = cluster.nodes.front().name;
    const std::string disk =
        fmt::format("{}:{}-{}-disk-0", on.name, is_template ? "base" : "vm", vmid);
    const std::string drive = fmt::format("{}:vm-{}-cloudinit", on.name, vmid);
    const std::string where = on.is_shared ? "" : guest.node;
    on.volumes.push_back({where, disk, "images", "raw", 3 * gib, vmid, "", now});
    on.volumes.push_back({where, drive, "images", "raw", 4U << 20U, vmid, "", now});
    guest.config = {{"agent", "1"},
                    {"boot", "order=scsi0;net0"},
                    {"cores", "1"},
                    {"cpu", "x86-64-v2-AES"},
                    {"ide2", drive + ",media=cdrom,size=4M"},
                    {"ipconfig0", "ip=dhcp"},
                    {"memory", "1024"},
                    {"meta", fmt::format("creation-qemu=10.0.13,ctime={}", now)},
                    {"name", name},
                    {"net0", fmt::format("virtio={},bridge=vmbr0", new_mac())},
                    {"ostype", "l26"},
                    {"scsi0", disk + ",size=3G"},
                    {"scsihw", "virtio-scsi-single"},
                    {"serial0", "socket"},
                    {"smbios1", "uuid=" + new_uuid()},
                    {"vmgenid", new_uuid()}};
    if (is_template) guest.config["template"] = "1";
    cluster.guests[vmid] = std::move(guest);
  };
  machine(9000, "debian-12", zfs, true);
  machine(9001, "debian-12-shared", shared, true);
  machine(100, "legacy", zfs, false);
  cluster.guests[100].config["tags"] = "finance";
  cluster.guests[100].status = "running";
  cluster.guests[100].was_booted = true;
  cluster.guests[100].booted = cluster.guests[100].config;

  cluster.permissions.add({"root@pam!admin", "00000000-aaaa-4aaa-8aaa-000000000001", false});
  cluster.permissions.add({"deploy@pve!ci", "00000000-aaaa-4aaa-8aaa-000000000002", true});
  const Privileges deploy = Permissions::deploy_role(cluster.major);
  for (const char* who : {"deploy@pve", "deploy@pve!ci"}) {
    cluster.permissions.grant(who, {{"/", who, deploy, true}});
  }
  look_around(cluster);
}

}  // namespace pca::sandbox::proxmox
