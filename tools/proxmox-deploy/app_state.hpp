#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deploy/provenance.hpp"
#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/guest_config.hpp"
#include "proxmox-deploy/guest_record.hpp"

namespace pca::proxmox_deploy {

// A guest that passed check_own().
struct OwnGuest {
  Guest guest;
  GuestConfig config;
  GuestRecord record;
};

inline constexpr std::string_view active_tag = "active";

// What a cluster has of one application.
struct AppState {
  ClusterView view;
  std::optional<OwnGuest> active;
  // Others that have the tag active, where a switch ended half-way: in `others`, too.
  std::vector<OwnGuest> left_active;
  std::vector<Guest> others;        // with its tag, or called as its guests are; not looked into
  std::vector<OwnGuest> half_made;  // of others, those that were never switched to
  std::vector<std::string> left_alone;  // why guests that look like its own are not
  std::string refused_active = {};      // the same of one that has the tag active
};

// Reads the inventory, the configuration of the active guest, and of those that the active one's
// history does not know. Two requests where all is well.
[[nodiscard]] ApiResult<AppState> read_app_state(const Budget& budget, ProxmoxApi& api,
                                                 const std::string& app);

// Whether a name is one that guests of this application have: "web-1a2b3c4" of web.
[[nodiscard]] bool is_name_of(std::string_view name, std::string_view app);

// Whether a lock is one that still counts. Hostile.
[[nodiscard]] bool is_locked(const GuestRecord& record, UtcTime now);

// The lock of the application that counts now, or nullptr: of the active guest, of one that a
// switch is leaving, or before there is an active one of the first that is being made.
[[nodiscard]] const Json* lock_in_force(const AppState& state, UtcTime now);

// Of these, which to remove beside the active one: all but the `keep` newest, by the history's
// order; one that the history does not know counts as the oldest. From the oldest.
[[nodiscard]] std::vector<Guest> beyond_keep(const std::vector<Guest>& others,
                                             const std::vector<ReleaseLine>& releases,
                                             std::int64_t active, std::size_t keep);

}  // namespace pca::proxmox_deploy
