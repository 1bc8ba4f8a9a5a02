// Virtual machines: /nodes/{node}/qemu.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"
#include "sandbox/proxmox_guests.hpp"

namespace pca::sandbox::proxmox {

const char* const machine_options =
    " acpi:boolean affinity:string agent:string 9:allow-ksm:boolean arch:{x86_64|aarch64} "
    "args:string audio0:string autostart:boolean balloon:integer(0..) bios:{seabios|ovmf} "
    "boot:string bootdisk:string cicustom:string cipassword:string "
    "citype:{configdrive2|nocloud|opennebula} ciupgrade:boolean ciuser:string cores:integer(1..) "
    "cpu:string cpulimit:number(0..128) cpuunits:integer(1..262144) description:string(8192) "
    "efidisk0:string freeze:boolean hookscript:string hostpci[n]:string hotplug:string "
    "ide[n]:string ipconfig[n]:string keyboard:string kvm:boolean localtime:boolean "
    "lock:{backup|clone|create|migrate|rollback|snapshot|snapshot-delete|suspending|suspended} "
    "machine:string memory:string name:dns-name nameserver:string net[n]:string numa:boolean "
    "onboot:boolean "
    "ostype:{other|wxp|w2k|w2k3|w2k8|wvista|win7|win8|win10|win11|l24|l26|solaris} "
    "protection:boolean reboot:boolean rng0:string sata[n]:string scsi[n]:string "
    "scsihw:{lsi|lsi53c810|virtio-scsi-pci|virtio-scsi-single|megasas|pvscsi} "
    "searchdomain:string serial[n]:string shares:integer(0..50000) smbios1:string(512) "
    "sockets:integer(1..) sshkeys:urlencoded startdate:string startup:string tablet:boolean "
    "tags:string template:boolean tpmstate0:string unused[n]:string usb[n]:string "
    "vcpus:integer(1..) vga:string virtio[n]:string vmgenid:string vmstatestorage:storage-id "
    "watchdog:string ";

namespace {

Outcome<> list_machines(Cluster& cluster, Call& call) {
  Json out = Json::array();
  for (const auto& [vmid, guest] : cluster.guests) {
    const bool is_here = guest.node == call.text("node") && !guest.is_container;
    if (is_here && cluster.permissions.may(call.user, fmt::format("/vms/{}", vmid), "VM.Audit")) {
      out.push(list_item(cluster, guest));
    }
  }
  return out;
}

Outcome<> get_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  if (call.has("snapshot")) {
    const auto found = guest->snapshots.find(call.text("snapshot"));
    if (found == guest->snapshots.end()) {
      return server_error(fmt::format("snapshot '{}' does not exist", call.text("snapshot")));
    }
    return config_json(found->second.config, false);
  }
  Config told = guest->config;
  if (!call.flag("current")) {
    for (const auto& [key, value] : guest->pending) told[key] = value;
    for (const std::string& key : guest->removals) told.erase(key);
  }
  if (!guest->parent.empty()) told["parent"] = guest->parent;
  return config_json(told, false).set("digest", digest_of(*guest));
}

Outcome<> get_pending(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  return pending_json(*guest);
}

Outcome<> put_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  if (call.has("skiplock")) return bad_parameter("skiplock", "Only root may use this option.");
  if (!cluster.has_quorum()) {
    return server_error(fmt::format(
        "unable to open file '/etc/pve/nodes/{}/qemu-server/{}.conf.tmp.4711' - Permission denied",
        guest->node, guest->vmid));
  }
  PCA_CHECK(check_lock_file(cluster, *guest));
  PCA_CHECK(check_lock(*guest));
  PCA_CHECK(change_config(cluster, call, *guest));
  return Json();
}

// The same in a worker; what is wrong with it is said at once as far as that is known.
Outcome<> post_config(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  if (call.has("skiplock")) return bad_parameter("skiplock", "Only root may use this option.");
  PCA_CHECK(check_lock_file(cluster, *guest));
  PCA_CHECK(check_lock(*guest));
  Guest tried = *guest;
  PCA_CHECK(change_config(cluster, call, tried));
  *guest = std::move(tried);
  return start_task(cluster, call,
                    {.type = "qmconfig",
                     .id = std::to_string(guest->vmid),
                     .locks = guest->vmid,
                     .time = timing::configure.time});
}

Outcome<> create_machine(Cluster& cluster, Call& call) {
  const int vmid = static_cast<int>(call.number("vmid"));
  const std::string node = call.text("node");
  if (!cluster.has_quorum()) return no_quorum();
  PCA_CHECK(check_free(cluster, vmid, node, false));
  if (call.has("pool") && !cluster.pools.contains(call.text("pool"))) {
    return server_error(fmt::format("pool '{}' does not exist", call.text("pool")));
  }
  Guest guest;
  guest.vmid = vmid;
  guest.node = node;
  guest.config = {{"meta", fmt::format("creation-qemu=10.0.13,ctime={}", cluster.seconds())},
                  {"smbios1", "uuid=" + new_uuid()},
                  {"vmgenid", new_uuid()}};
  PCA_CHECK(change_config(cluster, call, guest));
  guest.config["lock"] = "create";
  if (call.has("pool")) cluster.pool_of_guest[fmt::format("/vms/{}", vmid)] = call.text("pool");
  cluster.guests[vmid] = std::move(guest);
  const bool starts = call.flag("start");
  return start_task(cluster, call,
                    {.type = "qmcreate",
                     .id = std::to_string(vmid),
                     .needs = vmid,
                     .time = timing::create.time,
                     .finish = [&cluster, vmid, starts]() -> Outcome<void> {
                       Guest& made = cluster.guests.at(vmid);
                       made.config.erase("lock");
                       if (starts) run(cluster, made);
                       return {};
                     },
                     .is_made_early = true,
                     .abandon =
                         [&cluster, vmid] {
                           if (cluster.guests.contains(vmid)) remove_guest(cluster, vmid, true);
                         }});
}

Outcome<> get_status(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  return current_status(cluster, *guest);
}

template <std::size_t size>
struct Verb {
  constexpr Verb(const char (&text)[size]) { std::copy_n(text, size, name); }  // NOLINT
  char name[size]{};
};
template <Verb verb>
Outcome<> power(Cluster& cluster, Call& call) {
  return change_power(cluster, call, false, verb.name);
}

Outcome<> clone(Cluster& cluster, Call& call) { return clone_guest(cluster, call, false); }
Outcome<> destroy(Cluster& cluster, Call& call) { return destroy_guest(cluster, call, false); }
Outcome<> resize(Cluster& cluster, Call& call) { return resize_disk(cluster, call, false); }
Outcome<> to_template(Cluster& cluster, Call& call) { return make_template(cluster, call, false); }

// What is on the drive differs from what is configured, once something was changed.
Outcome<> get_cloud_init(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  Json out = Json::array();
  for (const char* key : {"cipassword", "ciuser", "ciupgrade", "sshkeys", "nameserver",
                          "searchdomain", "ipconfig0", "name"}) {
    const auto on_drive = guest->booted.find(key);
    const std::string now = guest->value(key);
    const std::string then = on_drive == guest->booted.end() ? "" : on_drive->second;
    if (guest->status == "stopped" || (now.empty() && then.empty())) continue;
    Json item = Json::object();
    item.set("key", key).set("old", then);
    if (now != then) item.set("new", now);
    out.push(std::move(item));
  }
  return out;
}

Outcome<> put_cloud_init(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  PCA_CHECK(check_lock(*guest));
  return Json();
}

Outcome<> dump_cloud_init(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  const std::string name = guest->value("name");
  if (call.text("type") != "user") return Json("version: 1\nconfig:\n");
  std::string text =
      fmt::format("#cloud-config\nhostname: {0}\nmanage_etc_hosts: true\nfqdn: {0}\n", name);
  if (const std::string user = guest->value("ciuser"); !user.empty())
    text += "user: " + user + "\n";
  text += "chpasswd:\n  expire: False\nusers:\n  - default\n";
  if (guest->value("ciupgrade") != "0") text += "package_upgrade: true\n";
  return Json(text);
}

Outcome<> check_migration(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  Json disks = Json::array();
  Json nodes = Json::array();
  bool is_local = false;
  for (const std::string& key : disks_of(*guest)) {
    const std::string volume = volume_of(guest->value(key));
    const auto storage = cluster.storages.find(volume.substr(0, volume.find(':')));
    if (storage == cluster.storages.end() || storage->second.is_shared) continue;
    is_local = true;
    Json disk = Json::object();
    const bool is_cloud_init = volume.find("cloudinit") != std::string::npos;
    disk.set("volid", volume).set("drivename", key).set("shared", 0);
    disk.set("cdrom", is_cloud_init ? 1 : 0).set("is_cloudinit", is_cloud_init ? 1 : 0);
    disks.push(std::move(disk));
  }
  for (const Node& node : cluster.nodes) {
    if (node.name != guest->node && node.is_alive && !is_local) nodes.push(node.name);
  }
  Json out = Json::object();
  out.set("running", guest->status == "stopped" ? 0 : 1).set("local_disks", disks);
  out.set("local_resources", Json::array()).set("mapped-resources", Json::array());
  return out.set("allowed_nodes", nodes).set("not_allowed_nodes", Json::object());
}

Outcome<> migrate(Cluster& cluster, Call& call) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, false));
  const std::string target = call.text("target");
  if (cluster.find_node(target) == nullptr) {
    return server_error(fmt::format("no such cluster node '{}'", target));
  }
  if (target == guest->node) return bad_parameter("target", "target is local node.");
  if (guest->status != "stopped" && !call.flag("online")) {
    return bad_parameter("online", "VM is running");
  }
  const int vmid = guest->vmid;
  const bool takes_disks = call.flag("with-local-disks");
  return start_task(
      cluster, call,
      {.type = "qmigrate",
       .id = std::to_string(vmid),
       .locks = vmid,
       .begin = [&cluster, vmid, takes_disks]() -> Outcome<void> {
         Guest& moved = cluster.guests.at(vmid);
         PCA_CHECK(check_lock(moved));
         for (const std::string& key : disks_of(moved)) {
           const std::string volume = volume_of(moved.value(key));
           const auto storage = cluster.storages.find(volume.substr(0, volume.find(':')));
           const bool is_shared = storage != cluster.storages.end() && storage->second.is_shared;
           if (!is_shared && !takes_disks && moved.status != "stopped") {
             return server_error("can't migrate local disk '" + volume +
                                 "': can't live migrate "
                                 "attached local disks without with-local-disks option");
           }
         }
         moved.config["lock"] = "migrate";
         return {};
       },
       .time = timing::migrate.time,
       .finish = [&cluster, vmid, target]() -> Outcome<void> {
         Guest& moved = cluster.guests.at(vmid);
         for (auto& [name, storage] : cluster.storages) {
           for (Volume& volume : storage.volumes) {
             const bool is_own = volume.vmid == vmid && volume.node == moved.node;
             if (is_own && volume.content == "images") volume.node = target;
           }
         }
         moved.node = target;
         moved.config.erase("lock");
         return {};
       },
       .abandon =
           [&cluster, vmid] {
             if (cluster.guests.contains(vmid)) cluster.guests.at(vmid).config.erase("lock");
           }});
}

}  // namespace

std::vector<Endpoint> machine_endpoints() {
  const std::string options = machine_options;
  const std::string qemu = "/nodes/{node}/qemu";
  const std::string vm = qemu + "/{vmid}";
  const std::string any_config =
      "/vms/{vmid} VM.Config.Disk|VM.Config.CDROM|VM.Config.CPU|VM.Config.Memory|"
      "VM.Config.Network|VM.Config.HWType|VM.Config.Options|VM.Config.Cloudinit";
  const std::string power_rule = "/vms/{vmid} VM.PowerMgmt";
  const std::string audit = "/vms/{vmid} VM.Audit";
  return {
      {"GET " + qemu, By::root, "", "full:boolean", list_machines},
      {"POST " + qemu, By::root, "/vms/{vmid} VM.Allocate or /pool/{pool} VM.Allocate",
       "vmid!:vmid(100..999999999) pool:poolid start:boolean storage:storage-id unique:boolean "
       "bwlimit:integer(0..) force:boolean archive:string(255) live-restore:boolean "
       "import-working-storage:storage-id 9:ha-managed:boolean" +
           options,
       create_machine},
      {"GET " + vm + "/config", By::listener, audit, "current:boolean snapshot:configid",
       get_config},
      {"GET " + vm + "/pending", By::listener, audit, "", get_pending},
      {"PUT " + vm + "/config", By::root, any_config,
       "delete:string revert:string digest:string(40) skiplock:boolean force:boolean" + options,
       put_config},
      {"POST " + vm + "/config", By::root, any_config,
       "delete:string revert:string digest:string(40) skiplock:boolean force:boolean "
       "background_delay:integer(1..30) import-working-storage:storage-id" +
           options,
       post_config},
      {"POST " + vm + "/clone", By::root,
       "/vms/{vmid} VM.Clone; /vms/{newid} VM.Allocate or /pool/{pool} VM.Allocate",
       "newid!:vmid(100..999999999) name:dns-name description:string full:boolean "
       "format:{raw|qcow2|vmdk} pool:poolid snapname:configid storage:storage-id target:node "
       "bwlimit:integer(0..)",
       clone},
      {"POST " + vm + "/template", By::root, "/vms/{vmid} VM.Allocate", "disk:string", to_template},
      {"PUT " + vm + "/resize", By::root, "/vms/{vmid} VM.Config.Disk",
       "disk!:string size!:size digest:string(40) skiplock:boolean", resize},
      {"DELETE " + vm, By::root, "/vms/{vmid} VM.Allocate",
       "purge:boolean destroy-unreferenced-disks:boolean skiplock:boolean", destroy},
      {"GET " + vm + "/status/current", By::root, audit, "", get_status},
      {"POST " + vm + "/status/start", By::root, power_rule,
       "timeout:integer(0..) skiplock:boolean force-cpu:string machine:string", power<"start">},
      {"POST " + vm + "/status/stop", By::root, power_rule,
       "timeout:integer(0..) skiplock:boolean keepActive:boolean overrule-shutdown:boolean",
       power<"stop">},
      {"POST " + vm + "/status/shutdown", By::root, power_rule,
       "timeout:integer(0..) forceStop:boolean keepActive:boolean skiplock:boolean",
       power<"shutdown">},
      {"POST " + vm + "/status/reboot", By::root, power_rule, "timeout:integer(0..)",
       power<"reboot">},
      {"POST " + vm + "/status/reset", By::root, power_rule, "skiplock:boolean", power<"reset">},
      {"POST " + vm + "/status/suspend", By::root, power_rule,
       "skiplock:boolean todisk:boolean statestorage:storage-id", power<"suspend">},
      {"POST " + vm + "/status/resume", By::root, power_rule, "skiplock:boolean nocheck:boolean",
       power<"resume">},
      {"GET " + vm + "/cloudinit", By::listener, audit, "", get_cloud_init},
      {"PUT " + vm + "/cloudinit", By::root, "/vms/{vmid} VM.Config.Cloudinit", "", put_cloud_init},
      {"GET " + vm + "/cloudinit/dump", By::listener, audit, "type!:{user|network|meta}",
       dump_cloud_init},
      {"GET " + vm + "/migrate", By::root, "/vms/{vmid} VM.Migrate", "target:node",
       check_migration},
      {"POST " + vm + "/migrate", By::root, "/vms/{vmid} VM.Migrate",
       "target!:node online:boolean with-local-disks:boolean force:boolean targetstorage:string "
       "bwlimit:integer(0..)",
       migrate},
  };
}

}  // namespace pca::sandbox::proxmox
