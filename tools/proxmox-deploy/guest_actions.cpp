#include "proxmox-deploy/guest_actions.hpp"

#include <fmt/format.h>

namespace pca::proxmox_deploy {

namespace {

bool says(const Error& error, std::string_view words) {
  return error.message.find(words) != std::string::npos;
}

// A call that starts a task of this type about the guest.
ApiRequest power_request(ProxmoxApi& api, const Guest& guest, const char* what) {
  const std::string task = (guest.type == "lxc" ? "vz" : "qm") + std::string(what);
  return {.method = "POST",
          .path = guest_path(guest.node, guest.type, guest.vmid, "/status/" + std::string(what)),
          .node = guest.node,
          .find_done = find_task(api, guest.node, task, guest.vmid)};
}

ApiResult<> done(ApiResult<TaskEnd> end, std::string_view harmless) {
  if (end || says(end.error(), harmless)) return {};
  return std::move(end).error();
}

}  // namespace

ApiResult<> start_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest) {
  return done(tasks.run(budget, power_request(api, guest, "start")), "already running");
}

ApiResult<> shut_down_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                            Milliseconds patience) {
  ApiRequest request = power_request(api, guest, "shutdown");
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(patience).count();
  request.parameters = {{"timeout", std::to_string(seconds)}, {"forceStop", "1"}};
  return done(tasks.run(budget, request), "not running");
}

ApiResult<> stop_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest) {
  return done(tasks.run(budget, power_request(api, guest, "stop")), "not running");
}

ApiResult<> delete_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest) {
  const std::string task = guest.type == "lxc" ? "vzdestroy" : "qmdestroy";
  ApiRequest request{.method = "DELETE",
                     .path = guest_path(guest.node, guest.type, guest.vmid),
                     .parameters = {{"purge", "1"}, {"destroy-unreferenced-disks", "1"}},
                     .node = guest.node,
                     .find_done = find_task(api, guest.node, task, guest.vmid)};
  auto end = tasks.run(budget, request);
  if (!end && says(end.error(), "is running")) {
    PCA_CHECK(stop_guest(budget, api, tasks, guest));
    end = tasks.run(budget, request);
  }
  if (end || end.error().trouble == Trouble::gone) return {};
  return std::move(end).error();
}

ApiResult<> delete_own_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                             const Guest& guest, const std::string& app) {
  const auto config = read_config(budget, api, guest);
  if (!config) {
    if (config.error().trouble == Trouble::gone) return {};
    return config.error();
  }
  if (const auto own = check_own(guest, *config, app); !own) return {ApiFailure(own.error())};
  for (const std::string& tag : config->tags) {
    if (tag != active_tag) continue;
    return {ApiFailure(conflict(fmt::format("guest {} is the active one of {}", guest.text(), app),
                                "Only a guest that nothing leads to is removed."))};
  }
  return delete_guest(budget, api, tasks, guest);
}

ApiResult<std::string> status_of(const Budget& budget, ProxmoxApi& api, const Guest& guest) {
  PCA_TRY(
      const Json status,
      api.ask(budget, {.path = guest_path(guest.node, guest.type, guest.vmid, "/status/current"),
                       .node = guest.node}));
  const std::string qmp = status.text_of("qmpstatus");
  return qmp == "paused" ? qmp : status.text_of("status");
}

}  // namespace pca::proxmox_deploy
