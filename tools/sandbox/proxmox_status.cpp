// The cluster as a whole: its nodes, what is in it, and who asks.
#include <fmt/format.h>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

constexpr std::int64_t node_memory = std::int64_t{64} << 30U;
constexpr std::int64_t node_disk = std::int64_t{500} << 30U;

Outcome<> get_version(Cluster& cluster, Call& /*call*/) { return version_of(cluster); }

Outcome<> cluster_status(Cluster& cluster, Call& call) {
  Json out = Json::array();
  Json whole = Json::object();
  whole.set("type", "cluster").set("id", "cluster").set("name", "sandbox").set("version", 1);
  whole.set("nodes", static_cast<std::int64_t>(cluster.nodes.size()));
  out.push(whole.set("quorate", cluster.has_quorum() ? 1 : 0));
  int number = 0;
  for (const Node& node : cluster.nodes) {
    Json item = Json::object();
    item.set("type", "node").set("id", "node/" + node.name).set("name", node.name);
    item.set("ip", node.ip).set("nodeid", ++number).set("level", "");
    item.set("online", node.is_alive || node.refuses ? 1 : 0);
    out.push(item.set("local", node.name == call.node ? 1 : 0));
  }
  return out;
}

Json node_item(const Node& node) {
  Json out = Json::object();
  const bool is_online = node.is_alive || node.refuses;
  out.set("type", "node").set("id", "node/" + node.name).set("node", node.name);
  out.set("status", is_online ? "online" : "offline").set("level", "");
  out.set("maxcpu", 16).set("maxmem", node_memory).set("maxdisk", node_disk);
  if (!is_online) return out;
  return out.set("cpu", 0.05)
      .set("mem", node_memory / 8)
      .set("disk", node_disk / 10)
      .set("uptime", 86'400);
}

Outcome<> list_nodes(Cluster& cluster, Call& /*call*/) {
  Json out = Json::array();
  for (const Node& node : cluster.nodes) {
    out.push(node_item(node).set("ssl_fingerprint", node.fingerprint));
  }
  return out;
}

// What the statistics daemon last saw of it; where it is, its tags and its lock are fresh.
Json guest_item(Cluster& cluster, const Guest& guest) {
  Json out = Json::object();
  out.set("type", guest.kind()).set("id", fmt::format("{}/{}", guest.kind(), guest.vmid));
  out.set("vmid", guest.vmid).set("node", guest.node);
  out.set("status", guest.seen.is_known ? guest.seen.status : "unknown");
  if (guest.seen.is_known) {
    const Json item = list_item(cluster, guest);
    out.set("name", guest.seen.name).set("template", guest.seen.is_template ? 1 : 0);
    for (const char* key :
         {"maxmem", "maxdisk", "uptime", "mem", "disk", "cpu", "netin", "netout"}) {
      out.set(key, *item.find(key));
    }
    out.set("maxcpu", *item.find("cpus")).set("diskread", 0).set("diskwrite", 0);
  }
  if (const std::string tags = guest.value("tags"); !tags.empty()) out.set("tags", tags);
  if (const std::string lock = guest.value("lock"); !lock.empty()) out.set("lock", lock);
  const auto pool = cluster.pool_of_guest.find(fmt::format("/vms/{}", guest.vmid));
  if (pool != cluster.pool_of_guest.end()) out.set("pool", pool->second);
  const auto ha =
      cluster.ha.find(fmt::format("{}:{}", guest.is_container ? "ct" : "vm", guest.vmid));
  if (ha != cluster.ha.end()) out.set("hastate", ha->second.state);
  return out;
}

Outcome<> list_resources(Cluster& cluster, Call& call) {
  const std::string type = call.text("type");
  const auto wants = [&](std::string_view kind) { return type.empty() || type == kind; };
  Json out = Json::array();
  if (wants("vm")) {
    for (const auto& [vmid, guest] : cluster.guests) {
      if (cluster.permissions.may(call.user, fmt::format("/vms/{}", vmid), "VM.Audit")) {
        out.push(guest_item(cluster, guest));
      }
    }
  }
  if (wants("node")) {
    for (const Node& node : cluster.nodes) out.push(node_item(node));
  }
  if (wants("storage")) {
    for (const auto& [name, storage] : cluster.storages) {
      if (!cluster.permissions.may_any(call.user, "/storage/" + name,
                                       {"Datastore.Audit", "Datastore.AllocateSpace"})) {
        continue;
      }
      for (const Node& node : cluster.nodes) {
        Json item = Json::object();
        item.set("type", "storage").set("id", fmt::format("storage/{}/{}", node.name, name));
        item.set("storage", name).set("node", node.name).set("plugintype", storage.type);
        item.set("status", node.is_alive ? "available" : "unknown");
        item.set("shared", storage.is_shared ? 1 : 0);
        const std::vector<std::string> content(storage.content.begin(), storage.content.end());
        item.set("content", join(content, ","));
        out.push(item.set("maxdisk", static_cast<std::int64_t>(storage.total)).set("disk", 0));
      }
    }
  }
  if (type.empty()) {
    for (const auto& [name, pool] : cluster.pools) {
      if (!cluster.permissions.may(call.user, "/pool/" + name, "Pool.Audit")) continue;
      Json item = Json::object();
      out.push(item.set("type", "pool").set("id", "/pool/" + name).set("pool", name));
    }
  }
  return out;
}

Outcome<> next_id(Cluster& cluster, Call& call) {
  if (call.has("vmid")) {
    const int vmid = static_cast<int>(call.number("vmid"));
    if (cluster.guests.contains(vmid)) {
      return bad_parameter("vmid", fmt::format("VM {} already exists", vmid));
    }
    return Json(std::to_string(vmid));
  }
  int free = 100;
  while (cluster.guests.contains(free)) ++free;
  return Json(std::to_string(free));
}

Outcome<> node_status(Cluster& cluster, Call& call) {
  Json out = Json::object();
  Json memory = Json::object();
  memory.set("total", node_memory).set("used", node_memory / 8);
  memory.set("free", node_memory - node_memory / 8);
  Json rootfs = Json::object();
  rootfs.set("total", node_disk).set("used", node_disk / 10);
  rootfs.set("avail", node_disk - node_disk / 10).set("free", node_disk - node_disk / 10);
  Json cpu = Json::object();
  cpu.set("cpus", 16).set("sockets", 1).set("cores", 8).set("model", "Sandbox CPU");
  out.set("uptime", 86'400).set("cpu", 0.05).set("wait", 0).set("memory", memory);
  out.set("rootfs", rootfs).set("cpuinfo", cpu);
  out.set("loadavg", Json::array().push("0.10").push("0.12").push("0.09"));
  out.set("kversion", "Linux 6.14.8-2-pve");
  static_cast<void>(call);
  return out.set("pveversion", fmt::format("pve-manager/{}/{}", cluster.version,
                                           cluster.major == 9 ? "14a22df3" : "96ed1a2b"));
}

Outcome<> list_networks(Cluster& cluster, Call& call) {
  Json out = Json::array();
  const std::string type = call.text("type");
  if (!type.empty() && type.find("bridge") == std::string::npos) return out;
  for (const std::string& bridge : cluster.bridges) {
    if (!cluster.permissions.may_any(call.user, "/sdn/zones/localnetwork/" + bridge,
                                     {"SDN.Audit", "SDN.Use"}) &&
        !cluster.permissions.may_any(call.user, "/nodes/" + call.text("node"),
                                     {"Sys.Audit", "Sys.Modify"})) {
      continue;
    }
    Json item = Json::object();
    item.set("iface", bridge).set("type", "bridge").set("active", 1).set("autostart", 1);
    out.push(item.set("method", "static").set("bridge_ports", "eno1"));
  }
  return out;
}

Outcome<> own_permissions(Cluster& cluster, Call& call) {
  const std::string who = call.text("userid", call.user);
  const bool is_own = who == call.user || who == call.user.substr(0, call.user.find('!'));
  if (!is_own) PCA_CHECK(cluster.permissions.require(call.user, "/access", "Sys.Audit"));
  if (call.has("path")) return cluster.permissions.dump(who, {call.text("path")});
  std::vector<std::string> paths{"/",        "/access", "/access/groups", "/nodes",
                                 "/pool",    "/pools",  "/sdn",           "/sdn/zones/localnetwork",
                                 "/storage", "/vms"};
  for (const std::string& bridge : cluster.bridges) {
    paths.push_back("/sdn/zones/localnetwork/" + bridge);
  }
  for (const Node& node : cluster.nodes) paths.push_back("/nodes/" + node.name);
  for (const auto& [name, storage] : cluster.storages) paths.push_back("/storage/" + name);
  for (const auto& [name, pool] : cluster.pools) paths.push_back("/pool/" + name);
  for (const auto& [vmid, guest] : cluster.guests) paths.push_back(fmt::format("/vms/{}", vmid));
  return cluster.permissions.dump(who, paths);
}

Outcome<> list_zones(Cluster& cluster, Call& call) {
  Json out = Json::array();
  if (!cluster.permissions.may_any(call.user, "/sdn/zones/localnetwork",
                                   {"SDN.Audit", "SDN.Allocate"})) {
    return out;
  }
  Json zone = Json::object();
  return out.push(zone.set("zone", "localnetwork").set("type", "simple"));
}

}  // namespace

std::vector<Endpoint> cluster_endpoints() {
  return {
      {"GET /version", By::listener, "", "", get_version},
      {"GET /cluster/status", By::root, "/ Sys.Audit", "", cluster_status},
      {"GET /cluster/resources", By::listener, "", "type:{vm|storage|node|sdn}", list_resources},
      {"GET /cluster/nextid", By::listener, "", "vmid:vmid(100..999999999)", next_id},
      {"GET /cluster/sdn/zones", By::listener, "",
       "type:{evpn|faucet|qinq|simple|vlan|vxlan} pending:boolean running:boolean", list_zones},
      {"GET /nodes", By::listener, "", "", list_nodes},
      {"GET /nodes/{node}/status", By::listener, "/nodes/{node} Sys.Audit", "", node_status},
      {"GET /nodes/{node}/network", By::listener, "",
       "type:{bridge|bond|eth|alias|vlan|vnet|OVSBridge|any_bridge|any_local_bridge}",
       list_networks},
      {"GET /access/permissions", By::listener, "", "path:string userid:string", own_permissions},
  };
}

}  // namespace pca::sandbox::proxmox
