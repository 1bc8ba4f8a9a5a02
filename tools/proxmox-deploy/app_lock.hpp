#pragma once

#include <functional>
#include <optional>
#include <string>

#include "deploy/provenance.hpp"
#include "proxmox-deploy/app_state.hpp"

namespace pca::proxmox_deploy {

// Who may change an application: a line in the record of its active guest, written as the
// configuration was read, so that of two one fails. It is a lease by the cluster's clock, renewed
// while the holder asks anything, and counts no more when it has run out. Not thread safe.
class AppLock {
 public:
  explicit AppLock(ProxmoxApi& api) : api_(api) {}
  ~AppLock();
  AppLock(const AppLock&) = delete;
  AppLock& operator=(const AppLock&) = delete;

  // Takes it from nobody. Errors: conflict when the guest was changed since it was read.
  [[nodiscard]] ApiResult<> take(const Budget& budget, const OwnGuest& active, Json owner);
  [[nodiscard]] bool is_held() const { return guest_.has_value(); }
  // The guest as it is now, if the lock is still ours: what is written next with its digest is
  // written only if nobody else wrote.
  [[nodiscard]] ApiResult<OwnGuest> check(const Budget& budget);
  // No more renewals, so that what check() gives stays as it is.
  void hold_still() { api_.set_heartbeat({}, {}); }
  // Puts the description back as it was. Safe to call twice; somebody else's lock stays.
  [[nodiscard]] ApiResult<> release(const Budget& budget);
  // The guest was written by others of us, without a lock in it.
  void forget();

 private:
  [[nodiscard]] ApiResult<> release_once(const Budget& budget);
  void renew();

  ProxmoxApi& api_;
  std::optional<OwnGuest> guest_;  // as it was before
  Json owner_;
  std::string token_;
};

// The guest's description with no lock in it. What people wrote since `before`, beside the record
// or in it (a hold), stays; else it is the very text of before.
[[nodiscard]] std::string description_without_lock(const OwnGuest& now, const OwnGuest& before);

// What says whose a lock is, without its end.
[[nodiscard]] Json lock_owner(const Provenance& from, const std::string& action,
                              const std::string& release, const std::string& run);
// How long a lock counts, and how often it is renewed.
inline constexpr Milliseconds lock_lease{90'000};
inline constexpr Milliseconds lock_renewal{30'000};
// The same with its end.
[[nodiscard]] Json lock_until(Json owner, UtcTime now, Milliseconds lease = lock_lease);

}  // namespace pca::proxmox_deploy
