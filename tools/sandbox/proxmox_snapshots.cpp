// Snapshots of both kinds of guests, and backups.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

namespace {

std::string task_type(const Guest& guest, const std::string& verb) {
  return (guest.is_container ? "vz" : "qm") + verb;
}

// Where one of its disks lies that cannot.
bool can_snapshot(Cluster& cluster, const Guest& guest) {
  for (const std::string& key : disks_of(guest)) {
    const std::string value = guest.value(key);
    const std::string volume = volume_of(value);
    // A CD is no part of a snapshot, but for the one of cloud-init.
    const bool is_cloud_init = volume.find("cloudinit") != std::string::npos;
    if (value_in(parse_property(value, "file"), "media") == "cdrom" && !is_cloud_init) continue;
    const auto storage = cluster.storages.find(volume.substr(0, volume.find(':')));
    if (storage == cluster.storages.end()) return false;
    const bool is_raw_file = storage->second.type == "dir" && !volume.ends_with(".qcow2");
    if (!storage->second.has_snapshots && (storage->second.type != "dir" || is_raw_file))
      return false;
  }
  return true;
}

// ZFS goes back to the newest snapshot only.
bool is_on_zfs(Cluster& cluster, const Guest& guest) {
  for (const std::string& key : disks_of(guest)) {
    const std::string volume = volume_of(guest.value(key));
    const auto storage = cluster.storages.find(volume.substr(0, volume.find(':')));
    if (storage != cluster.storages.end() && storage->second.type == "zfspool") return true;
  }
  return false;
}

template <bool is_container>
Outcome<> list_snapshots(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  Json out = Json::array();
  for (const auto& [name, snapshot] : guest->snapshots) {
    Json item = Json::object();
    item.set("name", name).set("description", snapshot.description);
    item.set("snaptime", snapshot.time);
    if (!is_container) item.set("vmstate", snapshot.has_memory ? 1 : 0);
    if (!snapshot.parent.empty()) item.set("parent", snapshot.parent);
    out.push(std::move(item));
  }
  Json current = Json::object();
  current.set("name", "current").set("description", "You are here!");
  current.set("running", guest->status == "stopped" ? 0 : 1).set("digest", digest_of(*guest));
  if (!guest->parent.empty()) current.set("parent", guest->parent);
  return out.push(std::move(current));
}

template <bool is_container>
Outcome<> take_snapshot(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  const std::string name = call.text("snapname");
  if (name == "current" || name == "pending") {
    return bad_parameter("snapname",
                         fmt::format("unable to use snapshot name '{}' (reserved name)", name));
  }
  const int vmid = guest->vmid;
  const std::string description = call.text("description");
  const bool has_memory = call.flag("vmstate") && guest->status == "running";
  return start_task(cluster, call,
                    {.type = task_type(*guest, "snapshot"),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid, name]() -> Outcome<void> {
                       Guest& taken = cluster.guests.at(vmid);
                       PCA_CHECK(check_lock(taken));
                       if (taken.is_template()) {
                         return server_error("you can't take a snapshot if it's a template");
                       }
                       if (taken.snapshots.contains(name)) {
                         return server_error(fmt::format("snapshot name '{}' already used", name));
                       }
                       if (!can_snapshot(cluster, taken))
                         return server_error("snapshot feature is not available");
                       taken.config["lock"] = "snapshot";
                       return {};
                     },
                     .time = timing::snapshot.time,
                     .finish = [&cluster, vmid, name, description, has_memory]() -> Outcome<void> {
                       Guest& taken = cluster.guests.at(vmid);
                       taken.config.erase("lock");
                       taken.snapshots[name] = {description, taken.parent, cluster.seconds(),
                                                has_memory, taken.config};
                       taken.parent = name;
                       cluster.disks.copy(std::to_string(vmid), fmt::format("{}@{}", vmid, name));
                       return {};
                     },
                     .abandon =
                         [&cluster, vmid] {
                           if (cluster.guests.contains(vmid))
                             cluster.guests.at(vmid).config.erase("lock");
                         }});
}

template <bool is_container>
Outcome<> roll_back(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  const std::string name = call.text("snapname");
  const int vmid = guest->vmid;
  const bool starts = call.flag("start");
  return start_task(cluster, call,
                    {.type = task_type(*guest, "rollback"),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid, name]() -> Outcome<void> {
                       Guest& back = cluster.guests.at(vmid);
                       PCA_CHECK(check_lock(back));
                       if (!back.snapshots.contains(name)) {
                         return server_error(fmt::format("snapshot '{}' does not exist", name));
                       }
                       if (back.parent != name && is_on_zfs(cluster, back)) {
                         const auto disks = disks_of(back);
                         return server_error(
                             fmt::format("can't rollback, '{}' is not most recent snapshot on '{}'",
                                         name, volume_of(back.value(disks.back()))));
                       }
                       halt(cluster, back);
                       back.config["lock"] = "rollback";
                       return {};
                     },
                     .time = timing::rollback.time,
                     .finish = [&cluster, vmid, name, starts]() -> Outcome<void> {
                       Guest& back = cluster.guests.at(vmid);
                       const Snapshot& snapshot = back.snapshots.at(name);
                       const Config before = back.config;
                       back.config = snapshot.config;
                       back.config.erase("lock");
                       back.parent = name;
                       cluster.disks.copy(fmt::format("{}@{}", vmid, name), std::to_string(vmid));
                       // Its generation is a new one, so that the guest can tell.
                       if (!back.is_container) back.config["vmgenid"] = new_uuid();
                       if (starts || snapshot.has_memory) run(cluster, back);
                       if (snapshot.has_memory) {
                         cluster.schedule.cancel(back.boot);
                         back.ready = cluster.schedule.now();
                         refresh_application(cluster, back);
                       }
                       return {};
                     },
                     .abandon =
                         [&cluster, vmid] {
                           if (cluster.guests.contains(vmid))
                             cluster.guests.at(vmid).config.erase("lock");
                         }});
}

template <bool is_container>
Outcome<> remove_snapshot(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  const std::string name = call.text("snapname");
  const int vmid = guest->vmid;
  return start_task(cluster, call,
                    {.type = task_type(*guest, "delsnapshot"),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid, name]() -> Outcome<void> {
                       Guest& changed = cluster.guests.at(vmid);
                       PCA_CHECK(check_lock(changed));
                       if (!changed.snapshots.contains(name)) {
                         return server_error(fmt::format("snapshot '{}' does not exist", name));
                       }
                       changed.config["lock"] = "snapshot-delete";
                       return {};
                     },
                     .time = timing::snapshot.time,
                     .finish = [&cluster, vmid, name]() -> Outcome<void> {
                       Guest& changed = cluster.guests.at(vmid);
                       changed.config.erase("lock");
                       const std::string parent = changed.snapshots.at(name).parent;
                       for (auto& [other, snapshot] : changed.snapshots) {
                         if (snapshot.parent == name) snapshot.parent = parent;
                       }
                       if (changed.parent == name) changed.parent = parent;
                       changed.snapshots.erase(name);
                       cluster.disks.remove(fmt::format("{}@{}", vmid, name));
                       return {};
                     },
                     .abandon =
                         [&cluster, vmid] {
                           if (cluster.guests.contains(vmid))
                             cluster.guests.at(vmid).config.erase("lock");
                         }});
}

template <bool is_container>
Outcome<> snapshot_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  const auto found = guest->snapshots.find(call.text("snapname"));
  if (found == guest->snapshots.end()) {
    return server_error(fmt::format("snapshot '{}' does not exist", call.text("snapname")));
  }
  Json out = Json::object();
  return out.set("description", found->second.description).set("snaptime", found->second.time);
}

template <bool is_container>
Outcome<> has_feature(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  const std::string feature = call.text("feature");
  bool has = true;
  if (feature == "snapshot") has = can_snapshot(cluster, *guest);
  if (feature == "clone") has = guest->is_template();
  Json out = Json::object();
  out.set("hasFeature", has ? 1 : 0);
  if (!is_container) {
    Json nodes = Json::array();
    out.set("nodes", has ? nodes.push(guest->node) : nodes);
  }
  return out;
}

Outcome<> back_up(Cluster& cluster, Call& call) {
  const std::string node = call.text("node");
  if (!call.has("vmid")) return bad_parameter("vmid", "property is missing and it is not optional");
  const std::string storage = call.text("storage", "local");
  PCA_TRY(Storage * target, cluster.storage_of(storage));
  if (!target->content.contains("backup")) {
    return server_error(
        fmt::format("storage '{}' does not support content-type 'backup'", storage));
  }
  PCA_CHECK(
      cluster.permissions.require(call.user, "/storage/" + storage, "Datastore.AllocateSpace"));
  if (call.has("prune-backups")) {
    PCA_CHECK(cluster.permissions.require(call.user, "/storage/" + storage, "Datastore.Allocate"));
  }
  std::vector<int> guests;
  for (const std::string& id : split(call.text("vmid"), ',')) {
    const int vmid = static_cast<int>(parse_integer(trim(id), 100, 999'999'999).value_or(0));
    PCA_CHECK(cluster.permissions.require(call.user, fmt::format("/vms/{}", vmid), "VM.Backup"));
    guests.push_back(vmid);
  }
  const std::string end = call.text("compress", "0") == "zstd" ? ".zst" : "";
  return start_task(cluster, call,
                    {.type = "vzdump",
                     .id = guests.size() == 1 ? std::to_string(guests.front()) : "",
                     .locks = guests.size() == 1 ? guests.front() : 0,
                     .begin = [&cluster, guests, node]() -> Outcome<void> {
                       for (const int vmid : guests) {
                         const auto found = cluster.guests.find(vmid);
                         if (found == cluster.guests.end() || found->second.node != node) {
                           return server_error(fmt::format("unable to find VM '{}'", vmid));
                         }
                         PCA_CHECK(check_lock(found->second));
                       }
                       for (const int vmid : guests)
                         cluster.guests.at(vmid).config["lock"] = "backup";
                       return {};
                     },
                     .time = timing::copy_gibibyte.time,
                     .finish = [&cluster, guests, storage, node, end]() -> Outcome<void> {
                       for (const int vmid : guests) {
                         if (!cluster.guests.contains(vmid)) continue;
                         Guest& guest = cluster.guests.at(vmid);
                         guest.config.erase("lock");
                         const bool is_container = guest.is_container;
                         const std::string name = fmt::format(
                             "{}:backup/vzdump-{}-{}-{}.{}{}", storage, guest.kind(), vmid,
                             cluster.seconds(), is_container ? "tar" : "vma", end);
                         cluster.storages.at(storage).volumes.push_back(
                             {node, name, "backup", is_container ? "tar" : "vma",
                              std::uint64_t{1} << 28U, vmid, "", cluster.seconds()});
                       }
                       return {};
                     },
                     .abandon =
                         [&cluster, guests] {
                           for (const int vmid : guests) {
                             if (cluster.guests.contains(vmid))
                               cluster.guests.at(vmid).config.erase("lock");
                           }
                         }});
}

template <bool is_container>
void add(std::vector<Endpoint>& endpoints) {
  const std::string guest = is_container ? "/nodes/{node}/lxc/{vmid}" : "/nodes/{node}/qemu/{vmid}";
  const std::string audit = "/vms/{vmid} VM.Audit";
  const std::string snapshot = "/vms/{vmid} VM.Snapshot";
  const std::string rollback = "/vms/{vmid} VM.Snapshot|VM.Snapshot.Rollback";
  endpoints.push_back(
      {"GET " + guest + "/snapshot", By::root, audit, "", list_snapshots<is_container>});
  endpoints.push_back({"POST " + guest + "/snapshot", By::root, snapshot,
                       is_container ? "snapname!:configid description:string"
                                    : "snapname!:configid description:string vmstate:boolean",
                       take_snapshot<is_container>});
  endpoints.push_back({"POST " + guest + "/snapshot/{snapname}/rollback", By::root, rollback,
                       "start:boolean", roll_back<is_container>});
  endpoints.push_back({"DELETE " + guest + "/snapshot/{snapname}", By::root, snapshot,
                       "force:boolean", remove_snapshot<is_container>});
  endpoints.push_back({"GET " + guest + "/snapshot/{snapname}/config", By::listener,
                       "/vms/{vmid} VM.Snapshot|VM.Snapshot.Rollback|VM.Audit", "",
                       snapshot_config<is_container>});
  endpoints.push_back({"GET " + guest + "/feature", By::root, audit,
                       "feature!:{snapshot|clone|copy} snapname:configid",
                       has_feature<is_container>});
}

}  // namespace

std::vector<Endpoint> snapshot_endpoints() {
  std::vector<Endpoint> endpoints;
  add<false>(endpoints);
  add<true>(endpoints);
  endpoints.push_back(
      {"POST /nodes/{node}/vzdump", By::root, "",
       "vmid:string storage:storage-id mode:{snapshot|suspend|stop} compress:{0|1|gzip|lzo|zstd} "
       "notes-template:string(1024) prune-backups:string protected:boolean remove:boolean "
       "quiet:boolean all:boolean bwlimit:integer(0..) lockwait:integer(0..) zstd:integer "
       "8:maxfiles:integer(1..)",
       back_up});
  return endpoints;
}

}  // namespace pca::sandbox::proxmox
