// Pools of guests and storages, and what the HA manager looks after.
#include <fmt/format.h>

#include <algorithm>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

// Users, tokens and pools are in one file, whose lock nobody gets without a quorum.
Outcome<void> check_user_file(Cluster& cluster, const std::string& what) {
  if (cluster.has_quorum()) return {};
  Failure failure =
      server_error(fmt::format("{} failed: cfs-lock 'file-user_cfg' error: no quorum!", what));
  failure.delay = timing::lock_wait.time;
  return failure;
}

Json members_of(Cluster& cluster, const std::string& pool) {
  Json out = Json::array();
  for (const auto& [path, name] : cluster.pool_of_guest) {
    if (name != pool) continue;
    const int vmid = static_cast<int>(parse_integer(path.substr(5), 1, 999'999'999).value_or(0));
    const auto guest = cluster.guests.find(vmid);
    if (guest == cluster.guests.end()) continue;
    Json item = Json::object();
    item.set("type", guest->second.kind()).set("vmid", vmid).set("node", guest->second.node);
    item.set("id", fmt::format("{}/{}", guest->second.kind(), vmid));
    item.set("status", guest->second.seen.is_known ? guest->second.seen.status : "unknown");
    if (guest->second.seen.is_known) item.set("name", guest->second.seen.name);
    out.push(std::move(item));
  }
  for (const std::string& storage : cluster.pools.at(pool).storages) {
    Json item = Json::object();
    out.push(item.set("type", "storage").set("storage", storage).set("id", "storage/" + storage));
  }
  return out;
}

Json pool_json(const std::string& name, const Pool& pool) {
  Json out = Json::object();
  out.set("poolid", name);
  if (!pool.comment.empty()) out.set("comment", pool.comment);
  return out;
}

Outcome<> list_pools(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& [name, pool] : cluster.pools) {
    if (!cluster.permissions.may(call.user, "/pool/" + name, "Pool.Audit")) continue;
    if (call.has("poolid") && call.text("poolid") != name) continue;
    Json item = pool_json(name, pool);
    if (call.has("poolid")) item.set("members", members_of(cluster, name));
    out.push(std::move(item));
  }
  if (call.has("poolid") && out.as_array()->empty()) {
    return server_error(fmt::format("pool '{}' does not exist", call.text("poolid")));
  }
  return out;
}

Outcome<> get_pool(Cluster& cluster, Call& call) {
  const auto pool = cluster.pools.find(call.text("poolid"));
  if (pool == cluster.pools.end()) {
    return server_error(fmt::format("pool '{}' does not exist", call.text("poolid")));
  }
  Json out = Json::object();
  if (!pool->second.comment.empty()) out.set("comment", pool->second.comment);
  return out.set("members", members_of(cluster, pool->first));
}

Outcome<> create_pool(Cluster& cluster, Call& call) {
  PCA_CHECK(check_user_file(cluster, "create pool"));
  const std::string name = call.text("poolid");
  if (cluster.pools.contains(name)) {
    return server_error(fmt::format("create pool failed: pool '{}' already exists", name));
  }
  cluster.pools[name].comment = call.text("comment");
  return Json();
}

Outcome<void> change_members(Cluster& cluster, const Call& call, const std::string& name) {
  for (const std::string& id : split(call.text("vms"), ',')) {
    if (id.empty()) continue;
    const int vmid = static_cast<int>(parse_integer(id, 1, 999'999'999).value_or(0));
    const std::string path = fmt::format("/vms/{}", vmid);
    PCA_CHECK(cluster.permissions.require(call.user, path, "VM.Allocate"));
    const auto there = cluster.pool_of_guest.find(path);
    if (call.flag("delete")) {
      if (there == cluster.pool_of_guest.end() || there->second != name) {
        return server_error(fmt::format("update pools failed: VM {} is not a pool member", vmid));
      }
      cluster.pool_of_guest.erase(there);
      continue;
    }
    if (there != cluster.pool_of_guest.end() && there->second == name) {
      return server_error(fmt::format("update pools failed: VM {} is already a pool member", vmid));
    }
    if (there != cluster.pool_of_guest.end() && !call.flag("allow-move")) {
      return server_error(fmt::format(
          "update pools failed: VM {} belongs already to pool '{}' and 'allow-move' is not set",
          vmid, there->second));
    }
    cluster.pool_of_guest[path] = name;
  }
  for (const std::string& storage : split(call.text("storage"), ',')) {
    if (storage.empty()) continue;
    PCA_CHECK(cluster.permissions.require(call.user, "/storage/" + storage, "Datastore.Allocate"));
    std::set<std::string>& storages = cluster.pools.at(name).storages;
    call.flag("delete") ? static_cast<void>(storages.erase(storage))
                        : static_cast<void>(storages.insert(storage));
  }
  return {};
}

Outcome<> update_pool(Cluster& cluster, Call& call) {
  PCA_CHECK(check_user_file(cluster, "update pools"));
  const std::string name = call.text("poolid");
  if (!cluster.pools.contains(name)) {
    return server_error(fmt::format("update pools failed: pool '{}' does not exist", name));
  }
  if (call.has("comment")) cluster.pools.at(name).comment = call.text("comment");
  PCA_CHECK(change_members(cluster, call, name));
  return Json();
}

Outcome<> delete_pool(Cluster& cluster, Call& call) {
  PCA_CHECK(check_user_file(cluster, "delete pool"));
  const std::string name = call.text("poolid");
  if (!cluster.pools.contains(name)) {
    return server_error(fmt::format("delete pool failed: pool '{}' does not exist", name));
  }
  if (!members_of(cluster, name).as_array()->empty()) {
    return server_error(fmt::format("delete pool failed: pool '{}' is not empty", name));
  }
  cluster.pools.erase(name);
  return Json();
}

// "vm:100" of "100" too.
Outcome<std::string> ha_name(Cluster& cluster, const Call& call) {
  std::string sid = call.text("sid");
  const std::string number = sid.substr(sid.find(':') == std::string::npos ? 0 : sid.find(':') + 1);
  const int vmid = static_cast<int>(parse_integer(number, 1, 999'999'999).value_or(0));
  if (vmid == 0) return bad_parameter("sid", "invalid format - unable to parse ha resource id\n");
  const auto guest = cluster.guests.find(vmid);
  const bool is_container = guest != cluster.guests.end() && guest->second.is_container;
  return fmt::format("{}:{}", is_container ? "ct" : "vm", vmid);
}

std::string ha_digest(const Cluster& cluster) {
  std::string text;
  for (const auto& [sid, resource] : cluster.ha) text += sid + resource.state + resource.comment;
  return to_hex(sha1(text));
}

Json ha_json(const Cluster& cluster, const std::string& sid, const HaResource& resource) {
  Json out = Json::object();
  out.set("sid", sid).set("type", sid.substr(0, 2)).set("state", resource.state);
  if (!resource.comment.empty()) out.set("comment", resource.comment);
  if (!resource.group.empty()) out.set("group", resource.group);
  return out.set("digest", ha_digest(cluster));
}

Outcome<> list_ha(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& [sid, resource] : cluster.ha) {
    if (!call.has("type") || sid.starts_with(call.text("type")))
      out.push(ha_json(cluster, sid, resource));
  }
  return out;
}

Outcome<HaResource*> ha_of(Cluster& cluster, const std::string& sid) {
  const auto found = cluster.ha.find(sid);
  if (found == cluster.ha.end()) return server_error(fmt::format("no such resource '{}'", sid));
  return &found->second;
}

Outcome<> get_ha(Cluster& cluster, Call& call) {
  PCA_TRY(const std::string sid, ha_name(cluster, call));
  PCA_TRY(HaResource * resource, ha_of(cluster, sid));
  return ha_json(cluster, sid, *resource);
}

// The manager looks at what it shall do some seconds later.
void follow_state(Cluster& cluster, const std::string& sid) {
  cluster.schedule.after(timing::high_availability.time, [&cluster, sid] {
    const auto resource = cluster.ha.find(sid);
    const int vmid = static_cast<int>(parse_integer(sid.substr(3), 1, 999'999'999).value_or(0));
    const auto guest = cluster.guests.find(vmid);
    if (resource == cluster.ha.end() || guest == cluster.guests.end()) return;
    const std::string& wanted = resource->second.state;
    const bool is_running = guest->second.status != "stopped";
    if (wanted == "started" && !is_running) run(cluster, guest->second);
    if ((wanted == "stopped" || wanted == "disabled") && is_running) halt(cluster, guest->second);
  });
}

Outcome<> create_ha(Cluster& cluster, Call& call) {
  if (!cluster.has_quorum()) return no_quorum();
  PCA_TRY(const std::string sid, ha_name(cluster, call));
  if (cluster.ha.contains(sid)) {
    return server_error(fmt::format("resource ID '{}' already defined", sid));
  }
  if (!cluster.guests.contains(
          static_cast<int>(parse_integer(sid.substr(3), 1, 999'999'999).value_or(0)))) {
    return server_error(fmt::format("unable to read vm '{}' config", sid.substr(3)));
  }
  if (cluster.major >= 9 && call.has("group")) {
    return server_error("cannot add resource: ha groups have been migrated to rules");
  }
  HaResource& made = cluster.ha[sid];
  made.state = call.text("state", "started");
  if (made.state == "enabled") made.state = "started";
  made.group = call.text("group");
  made.comment = call.text("comment");
  follow_state(cluster, sid);
  return Json();
}

Outcome<> update_ha(Cluster& cluster, Call& call) {
  if (!cluster.has_quorum()) return no_quorum();
  PCA_TRY(const std::string sid, ha_name(cluster, call));
  PCA_TRY(HaResource * resource, ha_of(cluster, sid));
  if (call.has("digest") && call.text("digest") != ha_digest(cluster)) {
    return server_error("detected modified configuration - file changed by other user? Try again.");
  }
  if (call.has("state")) resource->state = call.text("state");
  if (resource->state == "enabled") resource->state = "started";
  if (call.has("comment")) resource->comment = call.text("comment");
  follow_state(cluster, sid);
  return Json();
}

Outcome<> delete_ha(Cluster& cluster, Call& call) {
  if (!cluster.has_quorum()) return no_quorum();
  PCA_TRY(const std::string sid, ha_name(cluster, call));
  if (!cluster.ha.contains(sid)) {
    return server_error(fmt::format("cannot delete service '{}', not HA managed!", sid));
  }
  cluster.ha.erase(sid);
  return Json();
}

Outcome<> ha_status(Cluster& cluster, Call& /*call*/) {
  Json out = Json::array();
  Json quorum = Json::object();
  quorum.set("id", "quorum").set("type", "quorum").set("node", cluster.nodes.front().name);
  quorum.set("quorate", cluster.has_quorum() ? 1 : 0);
  out.push(quorum.set("status", cluster.has_quorum() ? "OK" : "No quorum on node!"));
  for (const auto& [sid, resource] : cluster.ha) {
    const auto guest = cluster.guests.find(
        static_cast<int>(parse_integer(sid.substr(3), 1, 999'999'999).value_or(0)));
    if (guest == cluster.guests.end()) continue;
    const std::string state = guest->second.status == "stopped" ? "stopped" : "started";
    Json item = Json::object();
    item.set("id", "service:" + sid).set("type", "service").set("sid", sid);
    item.set("node", guest->second.node).set("state", state).set("request_state", resource.state);
    out.push(item.set("status", fmt::format("{} ({}, {})", sid, guest->second.node, state)));
  }
  return out;
}

}  // namespace

std::vector<Endpoint> pool_endpoints() {
  const std::string allocate = "/pool/{poolid} Pool.Allocate";
  const std::string changes =
      "allow-move:boolean comment:string delete:boolean storage:string vms:string ";
  const std::string ha = "/cluster/ha/resources";
  const std::string more =
      "comment:string(4096) group:configid max_relocate:integer(0..) max_restart:integer(0..) "
      "state:{started|stopped|enabled|disabled|ignored} 9:failback:boolean ";
  return {
      {"GET /pools", By::listener, "", "poolid:poolid type:{qemu|lxc|storage}", list_pools},
      {"POST /pools", By::root, allocate, "poolid!:poolid comment:string", create_pool},
      {"PUT /pools", By::root, allocate, changes + "poolid!:poolid", update_pool},
      {"DELETE /pools", By::root, allocate, "poolid!:poolid", delete_pool},
      {"GET /pools/{poolid}", By::listener, "/pool/{poolid} Pool.Audit", "type:{qemu|lxc|storage}",
       get_pool},
      {"PUT /pools/{poolid}", By::root, allocate, changes, update_pool},
      {"GET " + ha, By::listener, "/ Sys.Audit", "type:{ct|vm}", list_ha},
      {"POST " + ha, By::root, "/ Sys.Console", more + "sid!:string type:{ct|vm}", create_ha},
      {"GET " + ha + "/{sid}", By::listener, "/ Sys.Audit", "", get_ha},
      {"PUT " + ha + "/{sid}", By::root, "/ Sys.Console",
       more + "delete:string(4096) digest:string(64)", update_ha},
      {"DELETE " + ha + "/{sid}", By::root, "/ Sys.Console", "9:purge:boolean", delete_ha},
      {"GET /cluster/ha/status/current", By::listener, "/ Sys.Audit", "", ha_status},
  };
}

}  // namespace pca::sandbox::proxmox
