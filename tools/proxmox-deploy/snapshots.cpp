#include "proxmox-deploy/snapshots.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/percent.hpp"
#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

std::string snapshot_path(const Guest& guest, const std::string& name = {},
                          const std::string& rest = {}) {
  return guest_path(guest.node, guest.type, guest.vmid,
                    "/snapshot" + (name.empty() ? name : "/" + percent_encoded(name)) + rest);
}

std::string task_type(const Guest& guest, const char* what) {
  return (guest.type == "lxc" ? "vz" : "qm") + std::string(what);
}

ApiResult<> ended(ApiResult<TaskEnd> end) {
  if (end) return {};
  return std::move(end).error();
}

}  // namespace

bool is_snapshot_name(std::string_view text) {
  constexpr std::size_t longest = 40;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return text.size() >= 2 && text.size() <= longest && is_letter(text.front()) &&
         text != "current" && std::all_of(text.begin(), text.end(), [&](char c) {
           return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

std::vector<Snapshot> parse_snapshots(const Json& data) {
  std::vector<Snapshot> out;
  if (data.as_array() == nullptr) return out;
  for (const Json& one : *data.as_array()) {
    const std::string name = one.text_of("name");
    if (!is_snapshot_name(name)) continue;
    out.push_back({name, number_in(one, "snaptime").value_or(0), one.text_of("description"),
                   truth_in(one, "vmstate")});
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Snapshot& a, const Snapshot& b) { return a.time < b.time; });
  return out;
}

ApiResult<std::vector<Snapshot>> read_snapshots(const Budget& budget, ProxmoxApi& api,
                                                const Guest& guest) {
  PCA_TRY(const Json data, api.ask(budget, {.path = snapshot_path(guest), .node = guest.node}));
  return parse_snapshots(data);
}

ApiResult<> check_snapshots(const Budget& budget, ProxmoxApi& api, const Guest& guest) {
  PCA_TRY(const Json feature,
          api.ask(budget, {.path = guest_path(guest.node, guest.type, guest.vmid, "/feature"),
                           .parameters = {{"feature", "snapshot"}},
                           .node = guest.node}));
  if (truth_in(feature, "hasFeature")) return {};
  return {ApiFailure(
      failed(fmt::format("the storage of guest {} cannot take snapshots", guest.text()),
             "Move its disks to one that can (ZFS, LVM-thin, RBD, qcow2 on a directory), or do "
             "without."))};
}

ApiResult<> make_snapshot(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                          const std::string& name, const std::string& description) {
  ApiRequest request{
      .method = "POST",
      .path = snapshot_path(guest),
      .parameters = {{"snapname", name}},
      .node = guest.node,
      .find_done = find_task(api, guest.node, task_type(guest, "snapshot"), guest.vmid)};
  if (!description.empty()) request.parameters.emplace_back("description", description);
  return ended(tasks.run(budget, request));
}

ApiResult<> delete_snapshot(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                            const std::string& name) {
  const ApiRequest request{
      .method = "DELETE",
      .path = snapshot_path(guest, name),
      .node = guest.node,
      .find_done = find_task(api, guest.node, task_type(guest, "delsnapshot"), guest.vmid)};
  auto end = tasks.run(budget, request);
  if (!end && end.error().message.find("does not exist") != std::string::npos) return {};
  return ended(std::move(end));
}

ApiResult<> roll_back_to(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Guest& guest,
                         const std::string& name, bool starts) {
  ApiRequest request{
      .method = "POST",
      .path = snapshot_path(guest, name, "/rollback"),
      .node = guest.node,
      .find_done = find_task(api, guest.node, task_type(guest, "rollback"), guest.vmid)};
  if (starts) request.parameters.emplace_back("start", "1");
  return ended(tasks.run(budget, request));
}

}  // namespace pca::proxmox_deploy
