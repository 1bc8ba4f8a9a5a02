#pragma once

#include <string>
#include <utility>
#include <vector>

#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

// A container's data outlive it: the volumes of its mount points go to the container that takes its
// place. Proxmox VE gives a volume to another container of the same node, while the first one is
// shut down (move_volume with target-vmid). Where the data went is written into the record of the
// active container before the first volume goes; give_data_back() goes by that, also in a later
// run, so that whoever dies in between loses nothing.

// Which of the volumes in `from` become which mount points of `to`, by their paths in the
// container. `wanted`: {path, mount point}. Errors (failed): one that nobody wants would be left
// behind.
using MountKeys = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Result<MountKeys> match_data(const GuestConfig& from, const MountKeys& wanted);
// The same for a container that was active before: each volume where its path was, or at any mount
// point that is free.
[[nodiscard]] MountKeys free_mounts(const GuestConfig& from, const GuestConfig& to);

// Shuts both containers down, each of which may take `patience` (none pulls its plug, as a cancel
// has to), notes where the data of `active` go, and gives them to `to`. The
// caller has the application's lock. Errors: what failed; give_data_back() undoes the rest.
[[nodiscard]] ApiResult<> move_data(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                    const OwnGuest& active, const Guest& to, const MountKeys& keys,
                                    Milliseconds patience);

// What move_data() moved is the active one's again, which runs as it did. Waits for moves that are
// still under way. Safe to call twice; does nothing where no data went. `to`: only what went there,
// 0 = wherever it went. Errors: what failed; the record stays, so that a later call goes on.
[[nodiscard]] ApiResult<> give_data_back(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                         const OwnGuest& active, std::int64_t to,
                                         Milliseconds patience);

// Ok when no data would be lost with this guest: it has no volumes but its root and those that were
// made with it before anything led to it, also none that it does not use any more or that a
// snapshot holds. Else a conflict that says what to do.
[[nodiscard]] Result<> check_without_data(const Guest& guest, const GuestConfig& config,
                                          const GuestRecord& record);

}  // namespace pca::proxmox_deploy
