#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "deploy/provenance.hpp"
#include "proxmox-deploy/app_lock.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/data_volumes.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/guest_address.hpp"
#include "proxmox-deploy/guest_health.hpp"
#include "proxmox-deploy/run_report.hpp"

namespace pca::proxmox_deploy {

// How one guest takes the place of another, and what becomes of that one.
struct SwitchRules {
  bool starts_on_boot = true;  // the one that takes the place
  Milliseconds drain{0};       // before the old one is shut down
  Milliseconds shutdown_timeout{60'000};
  std::size_t keep = 1;  // old guests, shut down
  // A command of the runner's sh that leads whoever uses the application to the new guest, before
  // the tag moves; run again with PROXMOX_SWITCH=back when that comes to nothing. Empty = none.
  std::string hook = {};
};

// What deploy and rollback are told besides which guest it is about.
struct AppRunInputs {
  std::string command;
  std::string app;
  Provenance from;
  std::string reason;
  Milliseconds timeout{900'000};
  Milliseconds lock_wait{900'000};
  Milliseconds rollback_timeout{300'000};
  AddressRules address;
  HealthRules health;
  SwitchRules rules;
};

// What all runs that make a guest the active one have in common: the lock, the way up, the switch,
// and what comes after. Its steps are taken back by take_back(), safe to call twice.
class AppRun {
 public:
  AppRun(ToolContext& context, ProxmoxApi& api, const AppRunInputs& inputs);

  // Reads the application until nobody has its lock; then that is what it was. Data that a run
  // which is gone left on their way are given back before.
  [[nodiscard]] ApiResult<AppState> read_unlocked();
  // Refuses what is on hold. Ok, or a conflict.
  [[nodiscard]] Result<> check_hold(const AppState& state) const;
  // Takes it, and ends what a switch that ended half-way left.
  [[nodiscard]] ApiResult<> lock(const AppState& state, const std::string& release);

  // How a guest is brought up.
  struct WayUp {
    std::vector<std::string> macs;  // of its nets
    std::string fixed_address;      // known already; empty = the agent is asked
    bool has_agent = true;          // else it is asked only where health needs an address
    bool is_running = false;        // it needs no start
    // What it is given once it runs, and before it has to be healthy.
    std::function<ApiResult<>()> provision = {};
  };
  // Starts it, and waits until it has an address and is healthy.
  [[nodiscard]] ApiResult<> bring_up(const Guest& guest, const WayUp& way);
  // Gives the active container's data volumes to another, which shuts the active one down.
  [[nodiscard]] ApiResult<> bring_data(const AppState& state, const Guest& to,
                                       const MountKeys& keys);
  // `to` (as its configuration says now) becomes the active one with this record, and the one that
  // is active ceases to be. A hold that was set or ended since `state` was read is kept so.
  [[nodiscard]] ApiResult<> switch_to(const OwnGuest& to, GuestRecord record,
                                      const AppState& state);
  // The active guest stays it, with this record.
  [[nodiscard]] ApiResult<> record(GuestRecord record, const AppState& state);
  // After the switch: the old one is drained and shut down, and what is too old is removed. What
  // fails of this is a warning.
  void retire(const AppState& state, const std::vector<Guest>& too_old);
  // Before the switch, or after half of it: the old one is the active one, with its data, without a
  // lock.
  [[nodiscard]] ApiResult<> take_back();

  [[nodiscard]] Budget budget() const { return budget_; }
  // For all that has to be done after a failure or a cancel: its time begins with the first call.
  [[nodiscard]] Budget farewell();
  [[nodiscard]] Tasks& tasks() { return tasks_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] bool has_switched() const { return has_switched_; }
  [[nodiscard]] GuestRun& result() { return out_; }
  void begin_budget() { budget_ = Budget::of(inputs_.timeout, context_.stop); }
  // Runs a part of it, and notes how long it took.
  [[nodiscard]] ApiResult<> in_phase(const char* name, const std::function<ApiResult<>()>& part);
  // What its result becomes for this failure, once everything is taken back or not.
  void fail(const Error& error, const ApiResult<>& taken_back, bool has_written);
  // What a line of the history says of this run.
  [[nodiscard]] Json provenance() const;

 private:
  // `direction`: forward or back.
  [[nodiscard]] ApiResult<> run_hook(const Budget& budget, const Guest& to,
                                     const std::string& direction);
  [[nodiscard]] ApiResult<> leave(const OwnGuest& own);
  [[nodiscard]] ApiResult<> recover_data(const OwnGuest& active);
  [[nodiscard]] ApiResult<> take_back_data(const Budget& budget);
  [[nodiscard]] Milliseconds data_patience() const;
  [[nodiscard]] ApiResult<> remove_old(const Budget& budget, const Guest& guest);
  [[nodiscard]] ApiResult<> take_back_new(const Budget& budget);
  [[nodiscard]] ApiResult<> take_back_old(const Budget& budget);
  void warn(std::string text) { out_.warnings.push_back(std::move(text)); }

  ToolContext& context_;
  ProxmoxApi& api_;
  const AppRunInputs& inputs_;
  Tasks tasks_;
  AppLock lock_;
  Budget budget_;
  Clock::time_point start_ = Clock::now();
  std::string token_;
  std::optional<Clock::time_point> farewell_ends_;
  std::optional<OwnGuest> switched_;   // as it was before it was made the active one
  std::optional<OwnGuest> left_;       // as it was before it ceased to be
  std::optional<OwnGuest> data_left_;  // the container whose data are on their way, and where to
  std::int64_t data_to_ = 0;
  std::optional<Guest> hooked_;  // the guest that the hook led to
  std::string old_vmid_;         // and whom it led away from
  bool has_switched_ = false;
  GuestRun out_;
};

}  // namespace pca::proxmox_deploy
