// Containers: /nodes/{node}/lxc. There is no call that runs a command in one.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

const char* const container_options =
    " arch:{amd64|i386|arm64|armhf|riscv32|riscv64} cmode:{shell|console|tty} console:boolean "
    "cores:integer(1..8192) cpulimit:number(0..8192) cpuunits:integer(0..500000) debug:boolean "
    "description:string(8192) dev[n]:string 9:entrypoint:string 9:env:string features:string "
    "hookscript:string hostname:dns-name "
    "lock:{backup|create|destroyed|disk|fstrim|migrate|mounted|rollback|snapshot|snapshot-delete} "
    "memory:integer(16..) mp[n]:string nameserver:string net[n]:string onboot:boolean "
    "ostype:{debian|devuan|ubuntu|centos|fedora|opensuse|archlinux|alpine|gentoo|nixos|unmanaged} "
    "protection:boolean rootfs:string searchdomain:string startup:string swap:integer(0..) "
    "tags:string template:boolean timezone:string tty:integer(0..6) unprivileged:boolean "
    "unused[n]:string ";

namespace {

Outcome<> list_containers(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& [vmid, guest] : cluster.guests) {
    const bool is_here = guest.node == call.text("node") && guest.is_container;
    if (is_here && cluster.permissions.may(call.user, fmt::format("/vms/{}", vmid), "VM.Audit")) {
      out.push(list_item(cluster, guest));
    }
  }
  return out;
}

// A container that is restored in place keeps what its new configuration still names.
Outcome<> create_container(Cluster& cluster, Call& call) {
  const int vmid = static_cast<int>(call.number("vmid"));
  const std::string node = call.text("node");
  if (!cluster.has_quorum()) return no_quorum();
  if (!call.flag("unprivileged") && !call.flag("restore")) {
    PCA_CHECK(cluster.permissions.require(call.user, "/", "Sys.Modify"));
  }
  const bool replaces = call.flag("force") && call.flag("restore");
  if (!replaces) PCA_CHECK(check_free(cluster, vmid, node, true));
  const std::string archive = call.text("ostemplate");
  if (find_volume(cluster, archive, node) == nullptr) {
    return server_error(fmt::format("volume '{}' does not exist", archive));
  }
  if (call.has("pool") && !cluster.pools.contains(call.text("pool"))) {
    return server_error(fmt::format("pool '{}' does not exist", call.text("pool")));
  }
  Guest guest;
  guest.vmid = vmid;
  guest.node = node;
  guest.is_container = true;
  guest.config = {{"arch", "amd64"},
                  {"ostype", "debian"},
                  {"memory", "512"},
                  {"swap", "512"},
                  {"hostname", fmt::format("CT{}", vmid)}};
  // A bare size is one on the storage that is said for all.
  Call filled = call;
  if (!call.has("rootfs"))
    filled.parameters.emplace_back("rootfs", call.text("storage", "local") + ":4");
  for (auto& [key, value] : filled.parameters) {
    const bool is_bare =
        is_disk(key, true) && !value.empty() &&
        value.substr(0, value.find(',')).find_first_not_of("0123456789.") == std::string::npos;
    if (is_bare) value = call.text("storage", "local") + ":" + value;
  }
  PCA_CHECK(change_config(cluster, filled, guest));
  // Until its root is unpacked its configuration says nothing but that.
  Config made_config = std::move(guest.config);
  guest.config = {{"lock", "create"}};
  if (call.has("pool")) cluster.pool_of_guest[fmt::format("/vms/{}", vmid)] = call.text("pool");
  if (replaces && cluster.guests.contains(vmid)) remove_guest(cluster, vmid, false);
  cluster.guests[vmid] = std::move(guest);
  const bool starts = call.flag("start");
  return start_task(cluster, call,
                    {.type = call.flag("restore") ? "vzrestore" : "vzcreate",
                     .id = std::to_string(vmid),
                     .needs = vmid,
                     .time = timing::unpack.time,
                     .finish = [&cluster, vmid, starts, made_config]() -> Outcome<void> {
                       Guest& made = cluster.guests.at(vmid);
                       made.config = made_config;
                       if (starts) run(cluster, made);
                       return {};
                     },
                     .is_made_early = true,
                     .abandon =
                         [&cluster, vmid, made_config] {
                           const auto made = cluster.guests.find(vmid);
                           if (made == cluster.guests.end()) return;
                           made->second.config = made_config;  // its volumes go, too
                           remove_guest(cluster, vmid, true);
                         },
                     .log = {fmt::format("extracting archive '/var/lib/vz/template/cache/{}'",
                                         archive.substr(archive.rfind('/') + 1))}});
}

Outcome<> get_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  if (call.has("snapshot")) {
    const auto found = guest->snapshots.find(call.text("snapshot"));
    if (found == guest->snapshots.end()) {
      return server_error(fmt::format("snapshot '{}' does not exist", call.text("snapshot")));
    }
    return config_json(found->second.config, true);
  }
  Config told = guest->config;
  if (!call.flag("current")) {
    for (const auto& [key, value] : guest->pending) told[key] = value;
    for (const std::string& key : guest->removals) told.erase(key);
  }
  if (!guest->parent.empty()) told["parent"] = guest->parent;
  return config_json(told, true).set("digest", digest_of(*guest));
}

Outcome<> get_pending(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  return pending_json(*guest);
}

Outcome<> put_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  if (!cluster.has_quorum()) return no_quorum();
  PCA_CHECK(check_lock_file(cluster, *guest));
  PCA_CHECK(check_lock(*guest));
  PCA_CHECK(change_config(cluster, call, *guest));
  return Json();
}

Outcome<> get_status(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  return current_status(cluster, *guest);
}

Outcome<> interfaces(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  Json out = Json::array();
  if (guest->status == "stopped") return Json();
  const auto add = [&](const std::string& name, const std::string& mac, const std::string& v4,
                       const std::string& v6) {
    Json item = Json::object();
    item.set("name", name).set("hwaddr", mac).set("hardware-address", mac);
    Json addresses = Json::array();
    for (const auto& [text, kind] : {std::pair(v4, "inet"), std::pair(v6, "inet6")}) {
      if (text.empty()) continue;
      item.set(kind, text);
      Json address = Json::object();
      address.set("ip-address", text.substr(0, text.find('/')));
      address.set("prefix", text.substr(text.find('/') + 1)).set("ip-address-type", kind);
      addresses.push(std::move(address));
    }
    out.push(item.set("ip-addresses", addresses));
  };
  add("lo", "00:00:00:00:00:00", "127.0.0.1/8", "::1/128");
  Guest booted;
  booted.vmid = guest->vmid;
  booted.is_container = true;
  booted.config = guest->booted;
  const Parameters card = parse_property(booted.value("net0"));
  if (card.empty()) return out;
  const bool is_up = is_ready(cluster, *guest);
  add(value_in(card, "name"), to_lower(value_in(card, "hwaddr")),
      is_up ? address_of(booted) + "/8" : "", is_up ? "fe80::be24:11ff:fe00:1/64" : "");
  return out;
}

template <std::size_t size>
struct Verb {
  constexpr Verb(const char (&text)[size]) { std::copy_n(text, size, name); }  // NOLINT
  char name[size]{};
};
template <Verb verb>
Outcome<> power(Cluster& cluster, Call& call) {
  return change_power(cluster, call, true, verb.name);
}

Outcome<> clone(Cluster& cluster, Call& call) { return clone_guest(cluster, call, true); }
Outcome<> destroy(Cluster& cluster, Call& call) { return destroy_guest(cluster, call, true); }
Outcome<> resize(Cluster& cluster, Call& call) { return resize_disk(cluster, call, true); }
Outcome<> to_template(Cluster& cluster, Call& call) { return make_template(cluster, call, true); }

// What stands against it, in the order of the real one.
Outcome<void> check_giving(Cluster& cluster, int vmid, const std::string& key, int target,
                           const std::string& new_key) {
  if (key == "rootfs" || new_key == "rootfs") {
    return server_error("Cannot move to/from 'rootfs'");
  }
  const auto from = cluster.guests.find(vmid);
  const auto to = cluster.guests.find(target);
  for (const auto& [id, found] : {std::pair(vmid, from), std::pair(target, to)}) {
    if (found == cluster.guests.end() || !found->second.is_container)
      return server_error(fmt::format("could not find CT {}", id));
  }
  if (from->second.node != to->second.node) {
    return server_error(fmt::format("Both containers need to be on the same node ({} != {})",
                                    from->second.node, to->second.node));
  }
  PCA_CHECK(check_lock(from->second));
  PCA_CHECK(check_lock(to->second));
  for (const auto& found : {from, to}) {
    if (found->second.value("template") == "1")
      return server_error("Can't move volumes from or to template CT");
  }
  const std::string volume = volume_of(from->second.value(key));
  if (volume.empty()) {
    return server_error(fmt::format("volume '{}' for container '{}' does not exist", key, vmid));
  }
  if (!to->second.value(new_key).empty()) {
    return server_error(fmt::format("Target volume key '{}' is already in use for container '{}'",
                                    new_key, target));
  }
  for (const auto& [name, snapshot] : from->second.snapshots) {
    const auto kept = snapshot.config.find(key);
    if (kept != snapshot.config.end() && volume_of(kept->second) == volume)
      return server_error("Cannot move volume used by a snapshot to another container");
  }
  if (from->second.status != "stopped" && !key.starts_with("unused")) {
    return server_error(
        "Cannot move in-use volume while the source CT is running - detach or shutdown first");
  }
  return {};
}

// Gives a data volume to another container.
Outcome<> move_volume(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, true));
  const std::string key = call.text("volume");
  if (!call.has("target-vmid")) return bad_parameter("storage", "missing target storage");
  const int target = static_cast<int>(call.number("target-vmid"));
  PCA_CHECK(
      cluster.permissions.require(call.user, fmt::format("/vms/{}", target), "VM.Config.Disk"));
  const int vmid = guest->vmid;
  const std::string new_key = call.text("target-volume", key);
  PCA_CHECK(check_giving(cluster, vmid, key, target, new_key));
  return start_task(cluster, call,
                    {.type = "move_volume",
                     .id = fmt::format("{}-{}>{}-{}", vmid, key, target, new_key),
                     .locks = vmid,
                     .begin = [&cluster, vmid, key, target, new_key]() -> Outcome<void> {
                       return check_giving(cluster, vmid, key, target, new_key);
                     },
                     .time = timing::configure.time,
                     .finish = [&cluster, vmid, key, target, new_key]() -> Outcome<void> {
                       const auto to = cluster.guests.find(target);
                       if (to == cluster.guests.end())
                         return server_error(fmt::format("CT {} does not exist", target));
                       Guest& from = cluster.guests.at(vmid);
                       Parameters parts = parse_property(from.value(key), "file");
                       std::string& file = parts.front().second;
                       Volume* moved = find_volume(cluster, file, from.node);
                       const std::string storage = file.substr(0, file.find(':'));
                       int number = 0;
                       const bool is_directory = cluster.storages.at(storage).type == "dir";
                       const std::string folder = is_directory ? std::to_string(target) + "/" : "";
                       const std::string end = is_directory ? ".raw" : "";
                       do {
                         file = fmt::format("{}:{}vm-{}-disk-{}{}", storage, folder, target,
                                            number++, end);
                       } while (find_volume(cluster, file, from.node) != nullptr);
                       if (moved != nullptr) {
                         moved->id = file;
                         moved->vmid = target;
                       }
                       to->second.config[new_key] = property_text(parts, "file");
                       from.config.erase(key);
                       return {};
                     }});
}

}  // namespace

std::vector<Endpoint> container_endpoints() {
  const std::string options = container_options;
  const std::string lxc = "/nodes/{node}/lxc";
  const std::string ct = lxc + "/{vmid}";
  const std::string audit = "/vms/{vmid} VM.Audit";
  const std::string power_rule = "/vms/{vmid} VM.PowerMgmt";
  return {
      {"GET " + lxc, By::root, "", "", list_containers},
      {"POST " + lxc, By::root, "/vms/{vmid} VM.Allocate or /pool/{pool} VM.Allocate",
       "vmid!:vmid(100..999999999) ostemplate!:string(255) pool:poolid start:boolean "
       "storage:storage-id password:string(5..) ssh-public-keys:string restore:boolean "
       "force:boolean unique:boolean bwlimit:number(0..) ignore-unpack-errors:boolean "
       "9:ha-managed:boolean" +
           options,
       create_container},
      {"GET " + ct + "/config", By::listener, audit, "current:boolean snapshot:configid",
       get_config},
      {"GET " + ct + "/pending", By::listener, audit, "", get_pending},
      {"PUT " + ct + "/config", By::root,
       "/vms/{vmid} VM.Config.Disk|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|"
       "VM.Config.Options",
       "delete:string revert:string digest:string(40)" + options, put_config},
      {"POST " + ct + "/clone", By::root,
       "/vms/{vmid} VM.Clone; /vms/{newid} VM.Allocate or /pool/{pool} VM.Allocate",
       "newid!:vmid(100..999999999) hostname:dns-name description:string full:boolean pool:poolid "
       "snapname:configid storage:storage-id target:node bwlimit:number(0..)",
       clone},
      {"POST " + ct + "/template", By::root, "/vms/{vmid} VM.Allocate", "", to_template},
      {"PUT " + ct + "/resize", By::root, "/vms/{vmid} VM.Config.Disk",
       "disk!:string size!:size digest:string(40)", resize},
      {"DELETE " + ct, By::root, "/vms/{vmid} VM.Allocate",
       "purge:boolean destroy-unreferenced-disks:boolean force:boolean", destroy},
      {"GET " + ct + "/interfaces", By::root, audit, "", interfaces},
      {"GET " + ct + "/status/current", By::root, audit, "", get_status},
      {"POST " + ct + "/status/start", By::root, power_rule, "debug:boolean skiplock:boolean",
       power<"start">},
      {"POST " + ct + "/status/stop", By::root, power_rule,
       "skiplock:boolean overrule-shutdown:boolean", power<"stop">},
      {"POST " + ct + "/status/shutdown", By::root, power_rule,
       "timeout:integer(0..) forceStop:boolean", power<"shutdown">},
      {"POST " + ct + "/status/reboot", By::root, power_rule, "timeout:integer(0..)",
       power<"reboot">},
      {"POST " + ct + "/move_volume", By::root, "/vms/{vmid} VM.Config.Disk",
       "volume!:string storage:storage-id delete:boolean target-vmid:vmid(100..999999999) "
       "target-volume:string digest:string(40) target-digest:string(40) bwlimit:number(0..)",
       move_volume},
  };
}

}  // namespace pca::sandbox::proxmox
