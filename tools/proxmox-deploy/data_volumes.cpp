#include "proxmox-deploy/data_volumes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/backoff.hpp"
#include "base/grace_period.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/guest_actions.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr int most_mounts = 255;
constexpr int most_tries = 5;  // somebody may set a hold just now
// A volume is renamed, which takes no time.
constexpr Milliseconds least_time{30'000};
constexpr Milliseconds moving_grace{2000};
constexpr Milliseconds stopping_limit{3000};

bool has_mount(const GuestConfig& config, const std::string& key) {
  return !config.text(key).empty();
}

// Changes the record of an own guest, which others may write meanwhile.
ApiResult<> change_own_record(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                              const std::string& app,
                              const std::function<void(GuestRecord&)>& change) {
  for (int tries = 1;; ++tries) {
    PCA_TRY(const GuestConfig config, read_config(budget, api, guest));
    auto record = check_own(guest, config, app);
    if (!record) return {ApiFailure(std::move(record).error())};
    change(*record);
    const std::string text = with_record(text_without_record(config.description), *record);
    if (text == config.description) return {};
    auto done = write_config(budget, api, guest, {{"description", text}}, config.digest);
    if (done || done.error().trouble != Trouble::changed || tries == most_tries) return done;
  }
}

ApiResult<> move_volume(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& from,
                        const std::string& key, const Guest& to, const std::string& key_there) {
  const ApiRequest request{.method = "POST",
                           .path = guest_path(from.node, from.type, from.vmid, "/move_volume"),
                           .parameters = {{"volume", key},
                                          {"target-vmid", std::to_string(to.vmid)},
                                          {"target-volume", key_there}},
                           .node = from.node,
                           // By where the volume is: its task is named after both.
                           .find_done = [&](const Budget& limit) -> ApiResult<std::optional<Json>> {
                             PCA_TRY(const GuestConfig here, read_config(limit, api, from));
                             PCA_TRY(const GuestConfig there, read_config(limit, api, to));
                             if (!has_mount(here, key) && has_mount(there, key_there))
                               return std::optional(Json());
                             return std::optional<Json>();
                           }};
  // One that is cut off half-way may be done later, when its container was started without it.
  const Budget enough(std::max(budget.deadline(), Clock::now() + least_time), budget.stop());
  const GracePeriod grace(enough, moving_grace);
  auto end = tasks.run(grace.budget(), request);
  if (end) return {};
  ApiFailure failure = std::move(end).error();
  failure.message = fmt::format("the data volume {} of guest {} could not be given to guest {}: {}",
                                key, from.text(), to.text(), failure.message);
  if (failure.message.find("used by a snapshot") != std::string::npos) {
    failure.hint =
        "Remove the container's snapshots first: \"proxmox-deploy snapshot\" lists them.";
  }
  return {std::move(failure)};
}

// Stops the container for that, and again when its start was still under way.
ApiResult<> take_volume(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& from,
                        const std::string& key, const Guest& to, const std::string& key_there) {
  for (int look = 0;; ++look) {
    PCA_CHECK(stop_guest(budget, api, tasks, from));
    auto moved = move_volume(budget, api, tasks, from, key, to, key_there);
    const bool has_started =
        !moved && moved.error().message.find("source CT is running") != std::string::npos;
    if (!has_started || !pause_for(budget, look_pause(look))) return moved;
  }
}

}  // namespace

Result<MountKeys> match_data(const GuestConfig& from, const MountKeys& wanted) {
  MountKeys keys;
  std::vector<std::string> left;
  for (const DataVolume& volume : from.data_volumes()) {
    const auto place = std::find_if(wanted.begin(), wanted.end(),
                                    [&](const auto& one) { return one.first == volume.path; });
    if (place == wanted.end()) {
      left.push_back(visible(volume.path));
    } else {
      keys.emplace_back(volume.key, place->second);
    }
  }
  if (left.empty()) return keys;
  return failed(fmt::format("the active container has data at {}, which would be left behind",
                            join(left, ", ")),
                "Name all paths by data, or remove the mount point from the container if nobody "
                "needs what is there.");
}

MountKeys free_mounts(const GuestConfig& from, const GuestConfig& to) {
  MountKeys keys;
  const auto is_free = [&](const std::string& key) {
    return !has_mount(to, key) && std::none_of(keys.begin(), keys.end(),
                                               [&](const auto& one) { return one.second == key; });
  };
  for (const DataVolume& volume : from.data_volumes()) {
    std::string there = volume.key;
    for (int i = 0; !is_free(there) && i <= most_mounts; ++i) there = fmt::format("mp{}", i);
    keys.emplace_back(volume.key, there);
  }
  return keys;
}

ApiResult<> move_data(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const OwnGuest& active,
                      const Guest& to, const MountKeys& keys, Milliseconds shutdown_timeout) {
  PCA_TRY(const std::string status, status_of(budget, api, active.guest));
  PCA_CHECK(
      change_own_record(budget, api, active.guest, active.record.app, [&](GuestRecord& record) {
        record.data_move = DataMove{to.vmid, keys, status == "running"};
      }));
  auto down = shut_down_guest(budget, api, tasks, active.guest, shutdown_timeout);
  if (!down) {
    // One that goes on would end later what give_data_back() starts now.
    if (budget.is_over()) {
      (void)stop_shutting_down(Budget::of(stopping_limit), api, tasks, active.guest).has_value();
    }
    return down;
  }
  for (const auto& [key, key_there] : keys) {
    PCA_CHECK(move_volume(budget, api, tasks, active.guest, key, to, key_there));
  }
  return {};
}

ApiResult<> give_data_back(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& active,
                           const std::string& app) {
  PCA_TRY(const GuestConfig config, read_config(budget, api, active));
  const auto record = check_own(active, config, app);
  if (!record) return {ApiFailure(record.error())};
  if (!record->data_move) return {};
  const DataMove& move = *record->data_move;
  const Guest there{.vmid = move.vmid, .type = active.type, .node = active.node};
  MountKeys gone;
  for (const auto& [key, key_there] : move.keys) {
    if (!has_mount(config, key)) gone.emplace_back(key, key_there);
  }
  if (!gone.empty()) {
    PCA_TRY(const GuestConfig other, read_config(budget, api, there));
    if (const auto own = check_own(there, other, app); !own) return {ApiFailure(own.error())};
    for (const auto& [key, key_there] : gone) {
      PCA_CHECK(take_volume(budget, api, tasks, there, key_there, active, key));
    }
  }
  if (move.was_running) PCA_CHECK(start_guest(budget, api, tasks, active));
  return change_own_record(budget, api, active, app,
                           [](GuestRecord& now) { now.data_move.reset(); });
}

Result<> check_without_data(const Guest& guest, const GuestConfig& config,
                            const GuestRecord& record) {
  if (guest.type != "lxc") return {};
  std::vector<std::string> paths;
  for (const DataVolume& volume : config.data_volumes()) {
    const bool is_fresh =
        !record.phase.empty() &&
        std::find(record.fresh.begin(), record.fresh.end(), volume.key) != record.fresh.end();
    if (!is_fresh) paths.push_back(visible(volume.path));
  }
  if (paths.empty()) return {};
  return conflict(fmt::format("guest {} is not removed: it holds the data at {}", guest.text(),
                              join(paths, ", ")),
                  "\"proxmox-deploy destroy\" with delete-data removes them, too.");
}

}  // namespace pca::proxmox_deploy
