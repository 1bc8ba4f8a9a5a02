// What becomes of guests: power, clones, ends.
#include "sandbox/proxmox_guests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::sandbox::proxmox {

namespace {

const char* kind_name(bool is_container) { return is_container ? "CT" : "VM"; }

std::string task_type(bool is_container, const std::string& verb) {
  return (is_container ? "vz" : "qm") + verb;
}

// What cloud-init does not do anew while the guest runs.
void apply_cloud_init(Guest& guest) {
  for (const std::string& tag : split(guest.value("tags"), ';')) {
    if (tag.starts_with("rev-")) guest.revision = tag.substr(4);
  }
}

Milliseconds boot_time(const Guest& guest) {
  if (guest.is_container) return timing::container_boot.time;
  bool has_drive = false;
  for (const std::string& key : disks_of(guest)) {
    has_drive = has_drive || guest.value(key).find("cloudinit") != std::string::npos;
  }
  const bool upgrades = has_drive && !guest.was_booted && guest.value("ciupgrade") != "0";
  return timing::boot.time + (upgrades ? timing::first_upgrade.time : Milliseconds{0});
}

// A start's own reasons to fail.
Outcome<void> check_start(Cluster& cluster, const Guest& guest) {
  if (!cluster.has_quorum()) return no_quorum();
  if (guest.status != "stopped") {
    return server_error(
        fmt::format("{} {} already running", kind_name(guest.is_container), guest.vmid));
  }
  if (guest.is_template()) {
    return server_error("you can't start a vm if it's a template");
  }
  for (const auto& [key, value] : guest.config) {
    if (!key.starts_with("net")) continue;
    const std::string bridge = value_in(parse_property(value, "model"), "bridge");
    if (!bridge.empty() && !cluster.bridges.contains(bridge)) {
      return server_error(fmt::format("bridge '{}' does not exist", bridge));
    }
  }
  for (const std::string& key : disks_of(guest)) {
    const std::string volume = volume_of(guest.value(key));
    if (find_volume(cluster, volume, guest.node) == nullptr) {
      return server_error(fmt::format("volume '{}' does not exist", volume));
    }
  }
  return {};
}

Work start_work(Cluster& cluster, Guest& guest) {
  const int vmid = guest.vmid;
  return {.type = task_type(guest.is_container, "start"),
          .id = std::to_string(vmid),
          .node = guest.node,
          .locks = vmid,
          .begin = [&cluster, vmid]() -> Outcome<void> {
            PCA_CHECK(check_lock(cluster.guests.at(vmid)));
            return check_start(cluster, cluster.guests.at(vmid));
          },
          .time = timing::start.time,
          .finish = [&cluster, vmid]() -> Outcome<void> {
            run(cluster, cluster.guests.at(vmid));
            return {};
          }};
}

Work stop_work(Cluster& cluster, Guest& guest) {
  const int vmid = guest.vmid;
  return {.type = task_type(guest.is_container, "stop"),
          .id = std::to_string(vmid),
          .node = guest.node,
          .locks = vmid,
          .begin = [&cluster, vmid] { return check_lock(cluster.guests.at(vmid)); },
          .time = timing::stop.time,
          .finish = [&cluster, vmid]() -> Outcome<void> {
            halt(cluster, cluster.guests.at(vmid));
            return {};
          }};
}

// A guest that does not listen is ended by force, or is still there when the time is over.
Work shutdown_work(Cluster& cluster, Guest& guest, Milliseconds limit, bool is_forced) {
  const int vmid = guest.vmid;
  const bool listens =
      guest.is_container || guest.agent.state != "dead" || guest.status == "stopped";
  const bool is_running = guest.status != "stopped";
  Work work{.type = task_type(guest.is_container, "shutdown"),
            .id = std::to_string(vmid),
            .node = guest.node,
            .locks = vmid,
            .begin = [&cluster, vmid] { return check_lock(cluster.guests.at(vmid)); },
            .time = listens ? std::min(limit, timing::shutdown.time) : limit,
            .finish = [&cluster, vmid, listens, is_forced]() -> Outcome<void> {
              if (!listens && !is_forced) {
                return server_error("VM quit/powerdown failed - got timeout");
              }
              halt(cluster, cluster.guests.at(vmid));
              return {};
            }};
  if (!is_running) work.time = Milliseconds{20};
  if (!listens && is_forced)
    work.log.emplace_back("VM still running - terminating now with SIGTERM");
  return work;
}

Work reboot_work(Cluster& cluster, Guest& guest) {
  const int vmid = guest.vmid;
  return {.type = task_type(guest.is_container, "reboot"),
          .id = std::to_string(vmid),
          .node = guest.node,
          .locks = vmid,
          .begin = [&cluster, vmid] { return check_lock(cluster.guests.at(vmid)); },
          .time = timing::shutdown.time + timing::start.time,
          .finish = [&cluster, vmid]() -> Outcome<void> {
            halt(cluster, cluster.guests.at(vmid));
            run(cluster, cluster.guests.at(vmid));
            return {};
          }};
}

std::string ha_id(const Guest& guest) {
  return fmt::format("{}:{}", guest.is_container ? "ct" : "vm", guest.vmid);
}

// What the HA manager does, some rounds later.
Outcome<> ask_ha(Cluster& cluster, const Call& call, Guest& guest, bool to_run) {
  HaResource& resource = cluster.ha.at(ha_id(guest));
  resource.state = to_run ? "started" : "stopped";
  const int vmid = guest.vmid;
  const std::string user = call.user;
  cluster.schedule.after(timing::high_availability.time, [&cluster, vmid, to_run] {
    const auto found = cluster.guests.find(vmid);
    if (found == cluster.guests.end()) return;
    const bool is_running = found->second.status != "stopped";
    if (is_running == to_run) return;
    Work work = to_run ? start_work(cluster, found->second) : stop_work(cluster, found->second);
    cluster.tasks.start(cluster, "root@pam", std::move(work));
  });
  return start_task(cluster, call,
                    {.type = to_run ? "hastart" : "hastop",
                     .id = std::to_string(vmid),
                     .time = timing::configure.time});
}

// Old volumes and their copies; the new guest's disks.
struct Copy {
  bool is_linked = false;
  std::uint64_t bytes = 0;
};

Outcome<Copy> copy_disks(Cluster& cluster, const Call& call, const Guest& source, Guest& copy,
                         bool is_full) {
  Copy made;
  for (const std::string& key : disks_of(source)) {
    Parameters parts = parse_property(source.value(key), "file");
    const std::string volume = value_in(parts, "file");
    const bool is_cloud_init = volume.find("cloudinit") != std::string::npos;
    if (value_in(parts, "media") == "cdrom" && !is_cloud_init) continue;
    std::string storage = volume.substr(0, volume.find(':'));
    if (is_full && call.has("storage")) storage = call.text("storage");
    PCA_TRY(Storage * on, cluster.storage_of(storage));
    PCA_CHECK(
        cluster.permissions.require(call.user, "/storage/" + storage, "Datastore.AllocateSpace"));
    if (!on->is_shared && copy.node != source.node) {
      return server_error(
          fmt::format("can't clone VM to node '{}' (VM uses local storage)", copy.node));
    }
    const Volume* old = find_volume(cluster, volume, source.node);
    if (old == nullptr) return server_error(fmt::format("volume '{}' does not exist", volume));
    const bool is_linked = !is_full && !is_cloud_init;
    const std::uint64_t size = old->size;
    PCA_TRY(const std::string name,
            make_volume(cluster, storage, copy, size, is_linked ? volume : "", is_cloud_init));
    if (!is_linked && !is_cloud_init) made.bytes += size;
    parts.front().second = name;
    copy.config[key] = property_text(parts, "file");
  }
  made.is_linked = !is_full;
  return made;
}

Outcome<void> check_storage_lock(Cluster& cluster, const std::string& storage, int vmid) {
  const InjectedFault* fault = cluster.faults.due("storage-held", "*", vmid);
  if (fault == nullptr) return {};
  return server_error(
      fmt::format("can't lock file '/var/lock/pve-manager/pve-storage-{}' - got timeout", storage));
}

void renew_identity(Guest& guest) {
  for (auto& [key, value] : guest.config) {
    if (!key.starts_with("net")) continue;
    Parameters parts = parse_property(value, "model");
    if (guest.is_container) {
      for (auto& [name, part] : parts) {
        if (name == "hwaddr") part = new_mac();
      }
    } else if (!parts.empty()) {
      parts.front().second = new_mac();
    }
    value = property_text(parts);
  }
  if (guest.is_container) return;
  guest.config["smbios1"] = "uuid=" + new_uuid();
  guest.config["vmgenid"] = new_uuid();
}

}  // namespace

std::string new_mac() {
  const std::string hex = to_upper(random_hex(3));
  return fmt::format("BC:24:11:{}:{}:{}", hex.substr(0, 2), hex.substr(2, 2), hex.substr(4, 2));
}

std::string new_uuid() {
  const std::string hex = random_hex(16);
  return fmt::format("{}-{}-4{}-8{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3),
                     hex.substr(17, 3), hex.substr(20, 12));
}

Outcome<void> check_lock(const Guest& guest) {
  const std::string lock = guest.value("lock");
  if (lock.empty()) return {};
  return is_locked(guest.is_container, lock);
}

Outcome<void> check_lock_file(Cluster& cluster, const Guest& guest) {
  const bool is_held =
      !guest.lock_holder.empty() || cluster.faults.due("lock-held", "*", guest.vmid) != nullptr;
  if (!is_held) return {};
  return lock_timeout(guest.vmid, guest.is_container);
}

std::string address_of(const Guest& guest) {
  const Parameters card =
      parse_property(guest.is_container ? guest.value("net0") : guest.value("ipconfig0"), "ip");
  const std::string address = value_in(card, "ip");
  if (address.starts_with("127.")) return address.substr(0, address.find('/'));
  const int number = guest.vmid % 64'000;
  return fmt::format("127.1.{}.{}", number / 250, number % 250 + 1);
}

void refresh_application(Cluster& cluster, Guest& guest) {
  cluster.applications.close(guest.vmid);
  const Node* node = cluster.find_node(guest.node);
  const bool is_up = node != nullptr && (node->is_alive || node->refuses) &&
                     guest.status == "running" && cluster.schedule.now() >= guest.ready;
  if (!is_up) return;
  const int port = guest.application.port == 0 ? cluster.application_port : guest.application.port;
  const Config& booted = guest.booted;
  Guest as_booted = guest;
  as_booted.config = booted;
  cluster.applications.open(guest, address_of(as_booted), port);
}

void run(Cluster& cluster, Guest& guest) {
  for (const auto& [key, value] : guest.pending) guest.config[key] = value;
  for (const std::string& key : guest.removals) guest.config.erase(key);
  guest.pending.clear();
  guest.removals.clear();
  apply_cloud_init(guest);
  guest.status = "running";
  guest.started = cluster.schedule.now();
  guest.ready = guest.started + boot_time(guest);
  guest.booted = guest.config;
  guest.was_booted = true;
  guest.commands.clear();
  const int vmid = guest.vmid;
  guest.boot = cluster.schedule.after(guest.ready - guest.started, [&cluster, vmid] {
    const auto found = cluster.guests.find(vmid);
    if (found != cluster.guests.end()) refresh_application(cluster, found->second);
  });
}

void halt(Cluster& cluster, Guest& guest) {
  cluster.schedule.cancel(guest.boot);
  guest.status = "stopped";
  for (const auto& [key, value] : guest.pending) guest.config[key] = value;
  for (const std::string& key : guest.removals) guest.config.erase(key);
  guest.pending.clear();
  guest.removals.clear();
  guest.booted.clear();
  guest.commands.clear();
  cluster.applications.close(guest.vmid);
}

bool is_ready(const Cluster& cluster, const Guest& guest) {
  return guest.status == "running" && cluster.schedule.now() >= guest.ready;
}

Outcome<void> check_free(Cluster& cluster, int vmid, const std::string& node, bool is_container) {
  const auto found = cluster.guests.find(vmid);
  if (found == cluster.guests.end()) return {};
  const char* kind = kind_name(is_container);
  if (found->second.node == node && found->second.is_container == is_container) {
    return server_error(
        fmt::format("unable to create {} {}: config file already exists", kind, vmid));
  }
  return server_error(fmt::format("unable to create {0} {1} - {2} {1} already exists on node '{3}'",
                                  kind, vmid, kind_name(found->second.is_container),
                                  found->second.node));
}

void make_stranger(Cluster& cluster, int vmid, const std::string& node) {
  Guest guest;
  guest.vmid = vmid;
  guest.node = node;
  guest.config = {{"name", fmt::format("stranger-{}", vmid)},
                  {"memory", "512"},
                  {"cores", "1"},
                  {"smbios1", "uuid=" + new_uuid()},
                  {"vmgenid", new_uuid()}};
  cluster.guests[vmid] = std::move(guest);
}

void remove_guest(Cluster& cluster, int vmid, bool purge) {
  Guest& guest = cluster.guests.at(vmid);
  halt(cluster, guest);
  for (auto& [name, storage] : cluster.storages) {
    std::erase_if(storage.volumes, [&](const Volume& volume) {
      const bool is_image = volume.content == "images" || volume.content == "rootdir";
      return is_image && volume.vmid == vmid;
    });
  }
  if (purge) cluster.ha.erase(ha_id(guest));
  cluster.pool_of_guest.erase(fmt::format("/vms/{}", vmid));
  cluster.guests.erase(vmid);
}

Outcome<> change_power(Cluster& cluster, const Call& call, bool is_container,
                       const std::string& verb) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  if (call.has("skiplock")) return bad_parameter("skiplock", "Only root may use this option.");
  const bool is_running = guest->status != "stopped";
  const bool is_managed =
      cluster.ha.contains(ha_id(*guest)) && cluster.ha.at(ha_id(*guest)).state != "ignored";
  if (verb == "start") {
    if (is_managed) return ask_ha(cluster, call, *guest, true);
    if (is_container && is_running) {
      return server_error(fmt::format("CT {} already running", guest->vmid));
    }
    return start_task(cluster, call, start_work(cluster, *guest));
  }
  const bool needs_running = verb == "reboot" || (is_container && verb != "start");
  if (needs_running && !is_running) {
    return server_error(fmt::format("{} {} not running", kind_name(is_container), guest->vmid));
  }
  if (verb == "stop") {
    if (is_managed) return ask_ha(cluster, call, *guest, false);
    if (call.flag("overrule-shutdown")) {
      for (Task* task : cluster.tasks.newest_first(guest->node)) {
        const bool is_shutdown = task->type == task_type(is_container, "shutdown");
        if (!task->ended && is_shutdown && task->id == std::to_string(guest->vmid)) {
          cluster.tasks.kill(cluster, *task);
        }
      }
    }
    return start_task(cluster, call, stop_work(cluster, *guest));
  }
  if (verb == "shutdown") {
    if (is_managed) return ask_ha(cluster, call, *guest, false);
    const Milliseconds limit{std::min<std::int64_t>(call.number("timeout", 60), 86'400) * 1000};
    return start_task(cluster, call, shutdown_work(cluster, *guest, limit, call.flag("forceStop")));
  }
  if (verb == "reboot") return start_task(cluster, call, reboot_work(cluster, *guest));
  if (!is_running) return server_error(fmt::format("VM {} not running", guest->vmid));
  const int vmid = guest->vmid;
  return start_task(cluster, call,
                    {.type = task_type(is_container, verb),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid] { return check_lock(cluster.guests.at(vmid)); },
                     .time = timing::configure.time,
                     .finish = [&cluster, vmid, verb]() -> Outcome<void> {
                       Guest& changed = cluster.guests.at(vmid);
                       if (verb == "suspend") changed.status = "paused";
                       if (verb == "resume") changed.status = "running";
                       if (verb == "reset") run(cluster, changed);
                       return {};
                     }});
}

Outcome<> clone_guest(Cluster& cluster, const Call& call, bool is_container) {
  const int vmid = static_cast<int>(call.number("vmid"));
  const int new_id = static_cast<int>(call.number("newid"));
  const auto found = cluster.guests.find(vmid);
  if (found == cluster.guests.end() || found->second.node != call.text("node") ||
      found->second.is_container != is_container) {
    return server_error(fmt::format("unable to find configuration file for {} {} on node '{}'",
                                    kind_name(is_container), vmid, call.text("node")));
  }
  Guest& source = found->second;
  if (!cluster.has_quorum()) return no_quorum();
  const std::string target = call.text("target", source.node);
  if (cluster.find_node(target) == nullptr) {
    return server_error(fmt::format("no such cluster node '{}'", target));
  }
  if (call.has("pool") && !cluster.pools.contains(call.text("pool"))) {
    return server_error(fmt::format("pool '{}' does not exist", call.text("pool")));
  }
  if (cluster.faults.due("id-taken", "*", vmid) != nullptr) {
    make_stranger(cluster, new_id, target);
  }
  PCA_CHECK(check_free(cluster, new_id, target, is_container));
  PCA_CHECK(check_lock(source));
  const bool is_full = call.flag("full", !source.is_template());
  if (!is_full && !source.is_template()) {
    return server_error("Linked clone feature for 'scsi0' is not available");
  }
  if (!is_full && call.has("storage")) {
    return server_error("parameter 'storage' not allowed for linked clones");
  }
  if (!source.is_template()) PCA_CHECK(check_lock_file(cluster, source));
  for (const auto& [key, value] : source.config) {
    if (!key.starts_with("net")) continue;
    const std::string bridge = value_in(parse_property(value, "model"), "bridge");
    if (bridge.empty()) continue;
    PCA_CHECK(
        cluster.permissions.require(call.user, "/sdn/zones/localnetwork/" + bridge, "SDN.Use"));
  }
  if (cluster.faults.due("id-taken-late", "*", vmid) != nullptr) {
    make_stranger(cluster, new_id, target);
    return start_task(cluster, call,
                      {.type = task_type(is_container, "clone"),
                       .id = std::to_string(vmid),
                       .begin = [&cluster, new_id, target, is_container] {
                         return check_free(cluster, new_id, target, is_container);
                       }});
  }

  Guest copy;
  copy.vmid = new_id;
  copy.is_container = is_container;
  copy.node = target;
  copy.application = source.application;
  copy.agent = source.agent;
  copy.ssh = source.ssh;
  if (call.has("snapname")) {
    const auto snapshot = source.snapshots.find(call.text("snapname"));
    if (snapshot == source.snapshots.end()) {
      return server_error(fmt::format("snapshot '{}' does not exist", call.text("snapname")));
    }
    copy.config = snapshot->second.config;
  } else {
    copy.config = source.config;
  }
  for (const char* gone : {"template", "lock", "parent", "snaptime", "description"}) {
    copy.config.erase(gone);
  }
  std::erase_if(copy.config, [](const auto& item) { return item.first.starts_with("unused"); });
  const char* name_key = is_container ? "hostname" : "name";
  copy.config[name_key] = call.text(name_key, "Copy-of-VM-" + source.value(name_key));
  if (call.has("description")) copy.config["description"] = call.text("description");
  if (!is_container) {
    copy.config["meta"] = fmt::format("creation-qemu=10.0.13,ctime={}", cluster.seconds());
  }
  renew_identity(copy);
  const auto copied = copy_disks(cluster, call, source, copy, is_full);
  if (!copied) {
    for (auto& [name, storage] : cluster.storages) {
      std::erase_if(storage.volumes, [&](const Volume& volume) {
        return volume.vmid == new_id && volume.content == "images";
      });
    }
    return copied.error();
  }
  const Milliseconds time = timing::linked_clone.time +
                            timing::copy_gibibyte.time * static_cast<int>(copied->bytes >> 30U);
  // Until it is done there is nothing of it but its ID and a lock, beside the source; it comes to
  // its node and its pool last.
  Guest begun;
  begun.vmid = new_id;
  begun.is_container = is_container;
  begun.node = source.node;
  begun.config["lock"] = is_container ? "create" : "clone";
  cluster.guests[new_id] = std::move(begun);
  const auto disks = disks_of(source);
  const std::string first = disks.empty() ? "" : source.value(disks.back());
  const std::string storage =
      is_full && call.has("storage") ? call.text("storage") : first.substr(0, first.find(':'));
  return start_task(
      cluster, call,
      {.type = task_type(is_container, "clone"),
       .id = std::to_string(vmid),
       .locks = source.is_template() ? 0 : vmid,
       .needs = new_id,
       .storage_lock = copied->is_linked ? "" : storage,
       .begin = [&cluster, storage, vmid] { return check_storage_lock(cluster, storage, vmid); },
       .time = time,
       .finish = [&cluster, new_id, pool = call.text("pool"),
                  made = std::make_shared<Guest>(std::move(copy))]() -> Outcome<void> {
         cluster.guests[new_id] = std::move(*made);
         if (!pool.empty()) cluster.pool_of_guest[fmt::format("/vms/{}", new_id)] = pool;
         return {};
       },
       .is_made_early = true,
       .abandon =
           [&cluster, new_id] {
             if (cluster.guests.contains(new_id)) remove_guest(cluster, new_id, true);
           },
       .log = {fmt::format("create {} clone of drive scsi0 ({})",
                           copied->is_linked ? "linked" : "full", volume_of(first))}});
}

Outcome<> destroy_guest(Cluster& cluster, const Call& call, bool is_container) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  if (call.has("skiplock")) return bad_parameter("skiplock", "Only root may use this option.");
  const int vmid = guest->vmid;
  if (guest->value("protection") == "1") {
    return server_error(
        fmt::format("can't remove {} {} - protection mode enabled", kind_name(is_container), vmid));
  }
  if (cluster.ha.contains(ha_id(*guest)) && !call.flag("purge")) {
    return server_error(
        fmt::format("unable to remove {} {} - used in HA resources and purge "
                    "parameter not set.",
                    kind_name(is_container), vmid));
  }
  const bool is_forced = is_container && call.flag("force");
  if (guest->status != "stopped" && !is_forced) {
    return is_container
               ? server_error(fmt::format("unable to destroy CT {} - container is running", vmid))
               : server_error(fmt::format("VM {} is running - destroy failed", vmid));
  }
  const bool purge = call.flag("purge");
  return start_task(cluster, call,
                    {.type = task_type(is_container, "destroy"),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid]() -> Outcome<void> {
                       const Guest& doomed = cluster.guests.at(vmid);
                       if (!cluster.has_quorum()) return no_quorum();
                       PCA_CHECK(check_lock(doomed));
                       for (const auto& [name, storage] : cluster.storages) {
                         for (const Volume& volume : storage.volumes) {
                           for (const std::string& key : disks_of(doomed)) {
                             const std::string own = volume_of(doomed.value(key));
                             if (volume.parent == own && volume.vmid != vmid) {
                               return server_error(fmt::format(
                                   "base volume '{}' is still in use by linked cloned", own));
                             }
                           }
                         }
                       }
                       return {};
                     },
                     .time = timing::destroy.time,
                     .finish = [&cluster, vmid, purge]() -> Outcome<void> {
                       remove_guest(cluster, vmid, purge);
                       return {};
                     }});
}

Outcome<> resize_disk(Cluster& cluster, const Call& call, bool is_container) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  if (call.has("skiplock")) return bad_parameter("skiplock", "Only root may use this option.");
  const std::string digest = call.text("digest");
  if (!digest.empty() && digest != digest_of(*guest)) {
    return server_error("checksum mismatch (file change by other user?)");
  }
  const std::string disk = call.text("disk");
  const std::string size = call.text("size");
  if (guest->value(disk).empty()) {
    return server_error(fmt::format("disk '{}' does not exist", disk));
  }
  const int vmid = guest->vmid;
  return start_task(cluster, call,
                    {.type = "resize",
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid, disk, size]() -> Outcome<void> {
                       Guest& grown = cluster.guests.at(vmid);
                       PCA_CHECK(check_lock(grown));
                       Parameters parts = parse_property(grown.value(disk), "file");
                       const std::uint64_t old = bytes_of(value_in(parts, "size"));
                       const std::uint64_t wanted =
                           size.starts_with('+') ? old + bytes_of(std::string_view(size).substr(1))
                                                 : bytes_of(size);
                       if (wanted < old) return server_error("shrinking disks is not supported");
                       for (auto& [name, value] : parts) {
                         if (name == "size") value = size_text(wanted);
                       }
                       grown.config[disk] = property_text(parts, "file");
                       Volume* volume =
                           find_volume(cluster, volume_of(grown.value(disk)), grown.node);
                       if (volume != nullptr) volume->size = wanted;
                       return {};
                     },
                     .time = timing::resize.time});
}

Outcome<> make_template(Cluster& cluster, const Call& call, bool is_container) {
  PCA_TRY(Guest * guest, cluster.guest_of(call, is_container));
  if (guest->is_template()) {
    return server_error("you can't convert a template to a template");
  }
  if (guest->status != "stopped")
    return server_error("you can't convert a VM to template if VM is running.");
  if (!guest->snapshots.empty()) {
    return server_error("unable to create template, because VM contains snapshots");
  }
  const int vmid = guest->vmid;
  return start_task(cluster, call,
                    {.type = task_type(is_container, "template"),
                     .id = std::to_string(vmid),
                     .locks = vmid,
                     .begin = [&cluster, vmid] { return check_lock(cluster.guests.at(vmid)); },
                     .time = timing::make_template.time,
                     .finish = [&cluster, vmid]() -> Outcome<void> {
                       Guest& made = cluster.guests.at(vmid);
                       for (const std::string& key : disks_of(made)) {
                         Parameters parts = parse_property(made.value(key), "file");
                         std::string& file = parts.front().second;
                         const auto at = file.find("vm-");
                         if (at == std::string::npos || file.find("cloudinit") != std::string::npos)
                           continue;
                         const std::string old = file;
                         file.replace(at, 3, "base-");
                         if (Volume* volume = find_volume(cluster, old, made.node))
                           volume->id = file;
                         made.config[key] = property_text(parts, "file");
                       }
                       made.config["template"] = "1";
                       return {};
                     }});
}

Json list_item(const Cluster& cluster, const Guest& guest) {
  Json out = Json::object();
  const bool is_running = guest.status != "stopped";
  const std::int64_t uptime =
      is_running ? (cluster.schedule.now() - guest.started).count() / 1000 : 0;
  const auto memory = parse_integer(guest.value("memory"), 0, INT32_MAX).value_or(512);
  out.set("vmid", guest.vmid).set("status", is_running ? "running" : "stopped");
  out.set("name", guest.value(guest.is_container ? "hostname" : "name"));
  out.set("cpus", parse_integer(guest.value("cores"), 1, 512).value_or(1));
  out.set("maxmem", memory << 20U).set("maxdisk", disk_size(guest));
  out.set("mem", is_running ? memory << 19U : 0).set("disk", 0).set("cpu", 0);
  out.set("netin", 0).set("netout", 0).set("uptime", uptime);
  if (cluster.major >= 9) out.set("memhost", 0);
  if (is_running) out.set("pid", 4000 + guest.vmid % 20'000);
  if (guest.is_template()) out.set("template", 1);
  if (const std::string tags = guest.value("tags"); !tags.empty()) out.set("tags", tags);
  if (const std::string lock = guest.value("lock"); !lock.empty()) out.set("lock", lock);
  if (guest.is_container) out.set("type", "lxc");
  return out;
}

Json current_status(const Cluster& cluster, const Guest& guest) {
  Json out = list_item(cluster, guest);
  Json ha = Json::object();
  const auto managed = cluster.ha.find(ha_id(guest));
  ha.set("managed", managed == cluster.ha.end() ? 0 : 1);
  if (managed != cluster.ha.end()) ha.set("state", managed->second.state);
  out.set("ha", ha);
  if (guest.is_container) return out;
  out.set("qmpstatus", guest.status);
  const std::string agent = guest.value("agent");
  if (agent.starts_with("1") || agent.starts_with("enabled=1")) out.set("agent", 1);
  return out;
}

}  // namespace pca::sandbox::proxmox
