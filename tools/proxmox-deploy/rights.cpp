#include "proxmox-deploy/rights.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr int without_monitor = 9;
constexpr const char* role = "ProxmoxDeploy";

std::vector<std::string> guest_privileges(const RightsQuestion& question) {
  std::vector<std::string> all{
      "VM.Allocate",         "VM.Audit",          "VM.Config.CDROM",  "VM.Config.CPU",
      "VM.Config.Cloudinit", "VM.Config.Disk",    "VM.Config.HWType", "VM.Config.Memory",
      "VM.Config.Network",   "VM.Config.Options", "VM.PowerMgmt"};
  if (question.major_version < without_monitor) {
    all.emplace_back("VM.Monitor");
  } else {
    all.emplace_back(question.runs_commands ? "VM.GuestAgent.Unrestricted" : "VM.GuestAgent.Audit");
  }
  if (question.takes_snapshots) {
    all.emplace_back("VM.Snapshot");
    all.emplace_back("VM.Snapshot.Rollback");
  }
  return all;
}

// "/vms/9000" -> "/vms" -> "/" -> ""
std::string_view parent_of(std::string_view path) {
  if (path == "/") return {};
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? std::string_view("/") : path.substr(0, slash);
}

}  // namespace

std::vector<NeededRights> needed_rights(const RightsQuestion& question) {
  std::vector<NeededRights> needed;
  if (!question.template_path.empty()) {
    needed.push_back({question.template_path, {"VM.Audit", "VM.Clone"}, "to clone the template"});
  }
  if (!question.archive_storage.empty()) {
    needed.push_back({"/storage/" + question.archive_storage,
                      {"Datastore.Audit"},
                      "to read what containers are made of"});
  }
  needed.push_back({question.guests_path, guest_privileges(question), "to make and run guests"});
  for (const std::string& storage : question.storages) {
    needed.push_back({"/storage/" + storage, {"Datastore.AllocateSpace"}, "for the guests' disks"});
  }
  for (const std::string& bridge : question.bridges) {
    needed.push_back({"/sdn/zones/localnetwork/" + bridge, {"SDN.Use"}, "for the guests' network"});
  }
  return needed;
}

GrantedRights::GrantedRights(const Json& permissions) {
  if (permissions.as_object() == nullptr) return;
  for (const auto& [path, privileges] : *permissions.as_object()) {
    if (privileges.as_object() == nullptr) continue;
    Path one{path, {}, {}};
    for (const auto& [name, propagates] : *privileges.as_object()) {
      one.own.insert(name);
      const std::int64_t* number = propagates.as_int();
      const bool* truth = propagates.as_bool();
      const std::string* text = propagates.as_string();
      if ((number != nullptr && *number != 0) || (truth != nullptr && *truth) ||
          (text != nullptr && *text == "1")) {
        one.inherits.insert(name);
      }
    }
    paths_.push_back(std::move(one));
  }
}

const GrantedRights::Path* GrantedRights::find(std::string_view path) const {
  const auto found =
      std::find_if(paths_.begin(), paths_.end(), [&](const Path& one) { return one.path == path; });
  return found == paths_.end() ? nullptr : &*found;
}

bool GrantedRights::has(std::string_view path, std::string_view privilege) const {
  const std::string name(privilege);
  if (const Path* here = find(path)) return here->own.contains(name);
  for (std::string_view above = parent_of(path); !above.empty(); above = parent_of(above)) {
    if (const Path* there = find(above)) return there->inherits.contains(name);
  }
  return false;
}

std::vector<MissingRights> missing_rights(const GrantedRights& granted,
                                          const std::vector<NeededRights>& needed) {
  std::vector<MissingRights> missing;
  for (const NeededRights& one : needed) {
    NeededRights lacking = one;
    std::erase_if(lacking.privileges,
                  [&](const std::string& privilege) { return granted.has(one.path, privilege); });
    if (!lacking.privileges.empty()) missing.push_back({std::move(lacking)});
  }
  return missing;
}

std::vector<std::string> pveum_lines(const std::vector<NeededRights>& needed,
                                     const std::string& token) {
  std::set<std::string> privileges;
  std::vector<std::string> paths;
  for (const NeededRights& one : needed) {
    privileges.insert(one.privileges.begin(), one.privileges.end());
    if (std::find(paths.begin(), paths.end(), one.path) == paths.end()) paths.push_back(one.path);
  }
  const std::vector<std::string> all(privileges.begin(), privileges.end());
  const std::string user = token.substr(0, token.find('!'));
  std::vector<std::string> lines{
      fmt::format("pveum role add {0} -privs {1} || pveum role modify {0} -privs {1}", role,
                  shell_quote(join(all, ",")))};
  for (const std::string& path : paths) {
    lines.push_back(fmt::format("pveum acl modify {} -roles {} -users {}", shell_quote(path), role,
                                shell_quote(user)));
    lines.push_back(fmt::format("pveum acl modify {} -roles {} -tokens {}", shell_quote(path), role,
                                shell_quote(token)));
  }
  return lines;
}

}  // namespace pca::proxmox_deploy
