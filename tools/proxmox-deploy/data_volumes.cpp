#include "proxmox-deploy/data_volumes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/backoff.hpp"
#include "base/grace_period.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/snapshots.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr int most_tries = 5;  // somebody may set a hold just now
// A volume is renamed, which takes no time; one that is cut off half-way may be done later.
constexpr Milliseconds least_time{30'000};
constexpr Milliseconds moving_grace{1000};
constexpr Milliseconds stopping_limit{1500};
constexpr const char* move_task = "move_volume";

bool has_mount(const GuestConfig& config, const std::string& key) {
  return !config.text(key).empty();
}

// Changes the record of an own guest, which others may write meanwhile.
ApiResult<> change_own_record(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                              const std::string& app,
                              const std::function<void(GuestRecord&, const GuestConfig&)>& change) {
  for (int tries = 1;; ++tries) {
    PCA_TRY(const GuestConfig config, read_config(budget, api, guest));
    auto record = check_own(guest, config, app);
    if (!record) return {ApiFailure(std::move(record).error())};
    change(*record, config);
    const std::string text = with_record(config.description, *record);
    if (text == config.description) return {};
    auto done = write_config(budget, api, guest, {{"description", text}}, config.digest);
    if (done || done.error().trouble != Trouble::changed || tries == most_tries) return done;
  }
}

// Whether a volume has left the one and come to the other.
ApiResult<bool> has_moved(const Budget& budget, ProxmoxApi& api, const Guest& from,
                          const std::string& key, const Guest& to, const std::string& key_there) {
  PCA_TRY(const GuestConfig here, read_config(budget, api, from));
  PCA_TRY(const GuestConfig there, read_config(budget, api, to));
  return !has_mount(here, key) && has_mount(there, key_there);
}

ApiResult<> move_volume(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& from,
                        const std::string& key, const Guest& to, const std::string& key_there) {
  const std::string subject = fmt::format("{}-{}>{}-{}", from.vmid, key, to.vmid, key_there);
  const ApiRequest request{.method = "POST",
                           .path = guest_path(from.node, from.type, from.vmid, "/move_volume"),
                           .parameters = {{"volume", key},
                                          {"target-vmid", std::to_string(to.vmid)},
                                          {"target-volume", key_there}},
                           .node = from.node,
                           .find_done = find_task(api, from.node, move_task, subject)};
  const auto told = [&](ApiFailure failure) -> ApiResult<> {
    failure.message =
        fmt::format("the data volume {} of guest {} could not be given to guest {}: {}", key,
                    from.text(), to.text(), failure.message);
    return {std::move(failure)};
  };
  if (auto end = tasks.run(budget, request); !end) return told(std::move(end).error());
  // A task that ends with warnings ends well, too.
  PCA_TRY(const bool is_there, has_moved(budget, api, from, key, to, key_there));
  if (is_there) return {};
  return told(ApiFailure(failed("its task ended, but it is not there",
                                "Look at the task's log, and at both containers.")));
}

// So that it is down: where HA looks after it, its task ends before that.
ApiResult<> bring_down(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                       Milliseconds patience) {
  PCA_TRY(const std::string status, status_of(budget, api, guest));
  if (status == "stopped") return {};
  auto down = patience.count() > 0 ? shut_down_guest(budget, api, tasks, guest, patience)
                                   : stop_guest(budget, api, tasks, guest);
  if (down) return wait_for_status(budget, api, guest, "stopped");
  // One that goes on unheard would end later what is started then.
  const ErrorKind kind = down.error().kind;
  if (budget.is_over() || kind == ErrorKind::unreachable || kind == ErrorKind::outcome_unknown) {
    (void)stop_shutting_down(Budget::of(stopping_limit), api, tasks, guest).has_value();
  }
  return down;
}

// What a run that was cut off asked for may be done only by now.
ApiResult<> wait_for_moves(const Budget& budget, ProxmoxApi& api, const Guest& one,
                           const Guest& other) {
  const auto is_about = [&](const Upid& task) {
    for (const Guest* guest : {&one, &other}) {
      if (task.id.starts_with(fmt::format("{}-", guest->vmid))) return true;
    }
    return false;
  };
  for (int look = 0;; ++look) {
    PCA_TRY(const auto running, running_tasks(budget, api, one.node, move_task));
    if (std::none_of(running.begin(), running.end(), is_about)) return {};
    if (!pause_for(budget, look_pause(look))) {
      return {ApiFailure(budget.check("waiting for a data volume that is on its way").error())};
    }
  }
}

// Brings the container down for that, and again when its start was still under way.
ApiResult<> take_volume(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& from,
                        const std::string& key, const Guest& to, const std::string& key_there,
                        Milliseconds patience) {
  for (int look = 0;; ++look) {
    PCA_CHECK(bring_down(budget, api, tasks, from, patience));
    auto moved = move_volume(budget, api, tasks, from, key, to, key_there);
    const bool has_started =
        !moved && moved.error().message.find("source CT is running") != std::string::npos;
    if (!has_started || !pause_for(budget, look_pause(look))) return moved;
  }
}

// All that is gone from the active one comes back to it.
ApiResult<> take_all(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const OwnGuest& active,
                     const DataMove& move, Milliseconds patience) {
  const Guest there{.vmid = move.vmid, .type = active.guest.type, .node = active.guest.node};
  PCA_CHECK(wait_for_moves(budget, api, active.guest, there));
  PCA_TRY(const GuestConfig config, read_config(budget, api, active.guest));
  bool is_down = false;
  for (const auto& [key, key_there] : move.keys) {
    if (has_mount(config, key)) continue;
    if (!is_down) {
      const auto other = read_config(budget, api, there);
      if (!other && other.error().trouble == Trouble::gone) {
        return {ApiFailure(failed(
            fmt::format("the data of guest {} went to guest {}, which is gone", active.guest.text(),
                        move.vmid),
            "Look for their volumes in the storage. When nobody needs them, take \"data-move\" out "
            "of the line of proxmox-deploy in the description of the guest."))};
      }
      if (!other) return other.error();
      if (const auto own = check_own(there, *other, active.record.app); !own)
        return {ApiFailure(own.error())};
      // It may run without them by now, as after its node started.
      PCA_CHECK(bring_down(budget, api, tasks, active.guest, patience));
      is_down = true;
    }
    PCA_CHECK(take_volume(budget, api, tasks, there, key_there, active.guest, key, patience));
  }
  if (!move.was_running) return {};
  return start_guest(budget, api, tasks, active.guest);
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
    for (int i = 0; !is_free(there) && i <= last_mount; ++i) there = fmt::format("mp{}", i);
    keys.emplace_back(volume.key, there);
  }
  return keys;
}

ApiResult<> move_data(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const OwnGuest& active,
                      const Guest& to, const MountKeys& keys, Milliseconds patience) {
  PCA_TRY(const auto snapshots, read_snapshots(budget, api, active.guest));
  if (!snapshots.empty()) {
    return {ApiFailure(failed(
        fmt::format("guest {} has snapshots, which hold its data volumes", active.guest.text()),
        "Remove the container's snapshots first: \"proxmox-deploy snapshot list\" names them."))};
  }
  PCA_TRY(const std::string status, status_of(budget, api, active.guest));
  PCA_CHECK(change_own_record(budget, api, active.guest, active.record.app,
                              [&](GuestRecord& record, const GuestConfig&) {
                                record.data_move = DataMove{to.vmid, keys, status == "running"};
                              }));
  for (const Guest* guest : {&active.guest, &to}) {
    PCA_CHECK(bring_down(budget, api, tasks, *guest, patience));
  }
  const Budget enough(std::max(budget.deadline(), Clock::now() + least_time), budget.stop());
  const GracePeriod grace(enough, moving_grace);
  for (const auto& [key, key_there] : keys) {
    if (const auto time = budget.check("moving data volumes"); !time) {
      return {ApiFailure(time.error())};
    }
    PCA_CHECK(move_volume(grace.budget(), api, tasks, active.guest, key, to, key_there));
  }
  return {};
}

ApiResult<> give_data_back(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                           const OwnGuest& active, std::int64_t to, Milliseconds patience) {
  const std::string& app = active.record.app;
  for (int tries = 1;; ++tries) {
    PCA_TRY(const GuestConfig config, read_config(budget, api, active.guest));
    const auto record = check_own(active.guest, config, app);
    if (!record) return {ApiFailure(record.error())};
    if (!record->data_move) return {};
    const DataMove& move = *record->data_move;
    if (to != 0 && move.vmid != to) {
      return {ApiFailure(
          conflict(fmt::format("another run gives the data of guest {} to guest {} by now",
                               active.guest.text(), move.vmid),
                   "Look at what the other run makes of the application."))};
    }
    PCA_CHECK(take_all(budget, api, tasks, active, move, patience));
    // A volume that came only now is taken in the next round.
    bool is_whole = true;
    PCA_CHECK(change_own_record(budget, api, active.guest, app,
                                [&](GuestRecord& now, const GuestConfig& has) {
                                  for (const auto& [key, key_there] : move.keys)
                                    is_whole = is_whole && has_mount(has, key);
                                  if (is_whole) now.data_move.reset();
                                }));
    if (is_whole) return {};
    if (tries == most_tries || !pause_for(budget, look_pause(tries))) {
      return {ApiFailure(
          failed(fmt::format("not all data of guest {} have come back", active.guest.text()),
                 "The next deploy or rollback tries it again."))};
    }
  }
}

Result<> check_without_data(const Guest& guest, const GuestConfig& config,
                            const GuestRecord& record) {
  if (guest.type != "lxc") return {};
  std::vector<std::string> what;
  for (const DataVolume& volume : config.data_volumes()) {
    const bool is_fresh =
        !record.phase.empty() &&
        std::find(record.fresh.begin(), record.fresh.end(), volume.key) != record.fresh.end();
    if (!is_fresh) what.push_back("the data at " + visible(volume.path));
  }
  for (int i = 0; i <= last_mount; ++i) {
    const std::string key = fmt::format("unused{}", i);
    if (!config.text(key).empty()) what.push_back("the volume " + key);
  }
  if (!config.text("parent").empty()) what.emplace_back("snapshots");
  if (what.empty()) return {};
  return conflict(
      fmt::format("guest {} is not removed: it holds {}", guest.text(), join(what, ", ")),
      "\"proxmox-deploy destroy\" with delete-data removes them, too.");
}

}  // namespace pca::proxmox_deploy
