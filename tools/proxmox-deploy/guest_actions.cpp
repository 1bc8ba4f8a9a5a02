#include "proxmox-deploy/guest_actions.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "proxmox-deploy/data_volumes.hpp"

namespace pca::proxmox_deploy {

namespace {

// "VM 101 already running": of this guest, and not in what another one's log says.
bool says_of(const Error& error, const Guest& guest, std::string_view words) {
  const std::string told =
      fmt::format("{} {} {}", guest.type == "lxc" ? "CT" : "VM", guest.vmid, words);
  return error.message.find(told) != std::string::npos;
}

// A call that starts a task of this type about the guest.
ApiRequest power_request(ProxmoxApi& api, const Guest& guest, const char* what) {
  const std::string task = (guest.type == "lxc" ? "vz" : "qm") + std::string(what);
  return {.method = "POST",
          .path = guest_path(guest.node, guest.type, guest.vmid, "/status/" + std::string(what)),
          .node = guest.node,
          .find_done = find_task(api, guest.node, task, guest.vmid)};
}

ApiResult<> done(ApiResult<TaskEnd> end, const Guest& guest, std::string_view harmless) {
  if (end || says_of(end.error(), guest, harmless)) return {};
  return std::move(end).error();
}

// Whether it is there at all, and the application's, and nothing leads to it; where it is to go,
// whether it holds no data.
ApiResult<bool> check_out_of_use(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                 const std::string& app, bool is_to_go) {
  const auto config = read_config(budget, api, guest);
  if (!config) {
    if (config.error().trouble == Trouble::gone) return false;
    return config.error();
  }
  const auto own = check_own(guest, *config, app);
  if (!own) return {ApiFailure(own.error())};
  if (const auto empty = check_without_data(guest, *config, *own); is_to_go && !empty) {
    return {ApiFailure(empty.error())};
  }
  if (std::find(config->tags.begin(), config->tags.end(), active_tag) == config->tags.end()) {
    return true;
  }
  return {ApiFailure(conflict(fmt::format("guest {} is the active one of {}", guest.text(), app),
                              "Only a guest that nothing leads to is stopped or removed."))};
}

}  // namespace

ApiResult<> start_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest) {
  return done(tasks.run(budget, power_request(api, guest, "start")), guest, "already running");
}

ApiResult<> shut_down_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                            Milliseconds patience) {
  ApiRequest request = power_request(api, guest, "shutdown");
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience).count();
  request.parameters = {{"timeout", std::to_string(seconds)}, {"forceStop", "1"}};
  return done(tasks.run(budget, request), guest, "not running");
}

ApiResult<> stop_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest) {
  return done(tasks.run(budget, power_request(api, guest, "stop")), guest, "not running");
}

ApiResult<> stop_shutting_down(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                               const Guest& guest) {
  ApiRequest request = power_request(api, guest, "stop");
  constexpr int major = 8;
  constexpr int minor = 2;
  if (api.is_at_least(major, minor)) request.parameters = {{"overrule-shutdown", "1"}};
  return done(tasks.run(budget, request), guest, "not running");
}

ApiResult<> delete_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                         bool with_data) {
  const bool is_container = guest.type == "lxc";
  const std::string task = is_container ? "vzdestroy" : "qmdestroy";
  ApiRequest request{.method = "DELETE",
                     .path = guest_path(guest.node, guest.type, guest.vmid),
                     .parameters = {{"purge", "1"}},
                     .node = guest.node,
                     .find_done = find_task(api, guest.node, task, guest.vmid)};
  // A data volume that a move left half-way belongs to a container that does not name it.
  if (!is_container || with_data)
    request.parameters.emplace_back("destroy-unreferenced-disks", "1");
  auto end = tasks.run(budget, request);
  if (!end && (says_of(end.error(), guest, "is running") ||
               says_of(end.error(), guest, "- container is running"))) {
    PCA_CHECK(stop_guest(budget, api, tasks, guest));
    end = tasks.run(budget, request);
  }
  if (end || end.error().trouble == Trouble::gone) return {};
  return std::move(end).error();
}

ApiResult<> delete_own_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                             const Guest& guest, const std::string& app) {
  PCA_TRY(const bool is_there, check_out_of_use(budget, api, guest, app, true));
  if (!is_there) return {};
  return delete_guest(budget, api, tasks, guest);
}

ApiResult<> shut_down_own_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                const Guest& guest, const std::string& app, Milliseconds patience) {
  PCA_TRY(const bool is_there, check_out_of_use(budget, api, guest, app, false));
  if (!is_there) return {};
  return shut_down_guest(budget, api, tasks, guest, patience);
}

ApiResult<std::string> status_of(const Budget& budget, ProxmoxApi& api, const Guest& guest) {
  PCA_TRY(
      const Json status,
      api.ask(budget, {.path = guest_path(guest.node, guest.type, guest.vmid, "/status/current"),
                       .node = guest.node}));
  const std::string qmp = status.text_of("qmpstatus");
  return qmp == "paused" ? qmp : status.text_of("status");
}

ApiResult<> wait_for_status(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                            const std::string& wanted) {
  for (int look = 0;; ++look) {
    PCA_TRY(const std::string status, status_of(budget, api, guest));
    if (status == wanted) return {};
    if (!pause_for(budget, look_pause(look))) {
      return {ApiFailure(budget
                             .check(fmt::format("waiting until guest {} is {}, and not {}",
                                                guest.text(), wanted, visible(status)))
                             .error())};
    }
  }
}

}  // namespace pca::proxmox_deploy
