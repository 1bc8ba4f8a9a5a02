#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sandbox/proxmox_cluster.hpp"

namespace pca::sandbox::proxmox {

[[nodiscard]] std::string new_mac();  // "BC:24:11:..."
[[nodiscard]] std::string new_uuid();

// What a guest is made of.
[[nodiscard]] std::string config_text(const Config& config);  // as in its file
[[nodiscard]] std::string digest_of(const Guest& guest);
// Its configuration as JSON: numbers as numbers, no secret's value.
[[nodiscard]] Json config_json(const Config& config, bool is_container);
// The keys of disks and volumes: "scsi0", "rootfs"; not of what is empty.
[[nodiscard]] bool is_disk(std::string_view key, bool is_container);
[[nodiscard]] std::vector<std::string> disks_of(const Guest& guest);
[[nodiscard]] std::string volume_of(const std::string& disk);  // "local-zfs:vm-100-disk-0"
[[nodiscard]] std::uint64_t disk_size(const Guest& guest);
// "32G" in bytes; 0 when it is none.
[[nodiscard]] std::uint64_t bytes_of(std::string_view size);
[[nodiscard]] std::string size_text(std::uint64_t bytes);  // "32G", "4M"

// Refuses when its configuration is locked, or somebody has its lock file.
[[nodiscard]] Outcome<void> check_lock(const Guest& guest);
[[nodiscard]] Outcome<void> check_lock_file(Cluster& cluster, const Guest& guest);

// Power, as a finished task leaves it.
void run(Cluster& cluster, Guest& guest);
void halt(Cluster& cluster, Guest& guest);
// Whether its agent and application answer by now.
[[nodiscard]] bool is_ready(const Cluster& cluster, const Guest& guest);
[[nodiscard]] std::string address_of(const Guest& guest);  // 127.1.x.y, or the static one
// Opens its health port anew, for what has changed.
void refresh_application(Cluster& cluster, Guest& guest);

// Changes what the call says, with the permissions and checks of the server.
[[nodiscard]] Outcome<void> change_config(Cluster& cluster, const Call& call, Guest& guest);

// A volume of `size` for a guest, or a linked clone of `parent`. The error is of the storage.
[[nodiscard]] Outcome<std::string> make_volume(Cluster& cluster, const std::string& storage,
                                               const Guest& guest, std::uint64_t size,
                                               const std::string& parent, bool is_cloud_init);
[[nodiscard]] Volume* find_volume(Cluster& cluster, const std::string& id, const std::string& node);
void remove_volume(Cluster& cluster, const std::string& id, const std::string& node);

// The texts of an id that is taken, as the place says it where it is found.
[[nodiscard]] Outcome<void> check_free(Cluster& cluster, int vmid, const std::string& node,
                                       bool is_container);
// Removes it and all that is its own.
void remove_guest(Cluster& cluster, int vmid, bool purge);
// Somebody else's, for tests.
void make_stranger(Cluster& cluster, int vmid, const std::string& node);

// start, stop, shutdown, reboot, ... of both kinds.
[[nodiscard]] Outcome<> change_power(Cluster& cluster, const Call& call, bool is_container,
                                     const std::string& verb);
[[nodiscard]] Outcome<> clone_guest(Cluster& cluster, const Call& call, bool is_container);
[[nodiscard]] Outcome<> destroy_guest(Cluster& cluster, const Call& call, bool is_container);
[[nodiscard]] Outcome<> resize_disk(Cluster& cluster, const Call& call, bool is_container);
[[nodiscard]] Outcome<> make_template(Cluster& cluster, const Call& call, bool is_container);
[[nodiscard]] Json list_item(const Cluster& cluster, const Guest& guest);
[[nodiscard]] Json current_status(const Cluster& cluster, const Guest& guest);
[[nodiscard]] Json pending_json(const Guest& guest);

}  // namespace pca::sandbox::proxmox
