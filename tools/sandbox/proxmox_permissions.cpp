#include "sandbox/proxmox_permissions.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace pca::sandbox::proxmox {

namespace {

// Of both versions; "8:" and "9:" stand before what only one has.
constexpr const char* vm_admin =
    "VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit "
    "VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options "
    "VM.Console VM.Migrate VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback 8:VM.Monitor "
    "9:VM.GuestAgent.Audit 9:VM.GuestAgent.FileRead 9:VM.GuestAgent.FileWrite "
    "9:VM.GuestAgent.FileSystemMgmt 9:VM.GuestAgent.Unrestricted 9:VM.Replicate";
constexpr const char* vm_user =
    "VM.Audit VM.Backup VM.Config.CDROM VM.Config.Cloudinit VM.Console VM.PowerMgmt "
    "9:VM.GuestAgent.Audit";
constexpr const char* datastore_admin =
    "Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit";
constexpr const char* others =
    "Sys.AccessNetwork Sys.Audit Sys.Console Sys.Incoming Sys.Modify Sys.PowerMgmt Sys.Syslog "
    "Group.Allocate Mapping.Audit Mapping.Modify Mapping.Use Permissions.Modify Pool.Allocate "
    "Pool.Audit Realm.Allocate Realm.AllocateUser SDN.Allocate SDN.Audit SDN.Use User.Modify";
constexpr const char* deploy =
    "VM.Allocate VM.Audit VM.Backup VM.Clone VM.Config.CDROM VM.Config.CPU VM.Config.Cloudinit "
    "VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network VM.Config.Options "
    "VM.PowerMgmt VM.Snapshot VM.Snapshot.Rollback 8:VM.Monitor 9:VM.GuestAgent.Audit "
    "9:VM.GuestAgent.FileRead 9:VM.GuestAgent.FileWrite 9:VM.GuestAgent.Unrestricted "
    "Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Pool.Allocate Pool.Audit "
    "SDN.Use Sys.AccessNetwork Sys.Audit";

Privileges read(std::string_view text, int major) {
  Privileges found;
  for (std::string word : split(text, ' ')) {
    if (word.size() > 2 && word[1] == ':') {
      if (word[0] - '0' != major) continue;
      word = word.substr(2);
    }
    if (!word.empty()) found.insert(word);
  }
  return found;
}

std::string user_of(const std::string& who) { return who.substr(0, who.find('!')); }

// "/vms/{newid}" with the parameter's value, and whether there is one.
std::pair<std::string, bool> filled(std::string path, const Parameters& parameters) {
  bool is_whole = true;
  for (auto open = path.find('{'); open != std::string::npos; open = path.find('{')) {
    const auto close = path.find('}', open);
    const std::string value = value_in(parameters, path.substr(open + 1, close - open - 1));
    is_whole = is_whole && !value.empty();
    path.replace(open, close - open + 1, value);
  }
  if (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return {path, is_whole};
}

}  // namespace

const Privileges& all_privileges(int major) {
  static const std::map<int, Privileges> known = [] {
    std::map<int, Privileges> made;
    for (const int version : {8, 9}) {
      made[version] = read(vm_admin, version);
      for (const char* more : {datastore_admin, others}) {
        made[version].merge(read(more, version));
      }
    }
    return made;
  }();
  return known.at(major);
}

std::optional<Privileges> Permissions::role(const std::string& name, int major) {
  if (name == "Administrator") return all_privileges(major);
  if (name == "NoAccess") return Privileges();
  if (name == "PVEVMAdmin") return read(vm_admin, major);
  if (name == "PVEVMUser") return read(vm_user, major);
  if (name == "PVETemplateUser") return read("VM.Audit VM.Clone", major);
  if (name == "PVEDatastoreAdmin") return read(datastore_admin, major);
  if (name == "PVEDatastoreUser") return read("Datastore.AllocateSpace Datastore.Audit", major);
  if (name == "PVEPoolAdmin") return read("Pool.Allocate Pool.Audit", major);
  if (name == "PVESDNUser") return read("SDN.Audit SDN.Use", major);
  if (name == "PVEAuditor") {
    return read(
        "Datastore.Audit Mapping.Audit Pool.Audit SDN.Audit Sys.Audit VM.Audit "
        "9:VM.GuestAgent.Audit",
        major);
  }
  if (name == "PVEAdmin") {
    Privileges all = all_privileges(major);
    for (const char* denied :
         {"Permissions.Modify", "Realm.Allocate", "Sys.Modify", "Sys.PowerMgmt"}) {
      all.erase(denied);
    }
    return all;
  }
  return std::nullopt;
}

Privileges Permissions::deploy_role(int major) { return read(deploy, major); }

void Permissions::add(Token token) {
  std::erase_if(tokens_, [&](const Token& known) { return known.id == token.id; });
  tokens_.push_back(std::move(token));
}

void Permissions::grant(const std::string& who, std::vector<AclEntry> entries) {
  entries_[who] = std::move(entries);
}

const Token* Permissions::find(std::string_view id) const {
  const auto found = std::find_if(tokens_.begin(), tokens_.end(),
                                  [&](const Token& token) { return token.id == id; });
  return found == tokens_.end() ? nullptr : &*found;
}

std::optional<std::string> Permissions::authenticate(std::string_view credentials) const {
  const auto equals = credentials.find('=');
  const Token* token = find(credentials.substr(0, equals));
  if (token == nullptr || equals == std::string_view::npos) return std::nullopt;
  if (token->secret != credentials.substr(equals + 1)) return std::nullopt;
  return token->id;
}

// The entry of the longest path that leads to `path` counts, as the server has it.
Privileges Permissions::granted(const std::string& who, const std::string& path) const {
  if (who == "root@pam") return all_privileges(major_);
  const auto entries = entries_.find(who);
  if (entries == entries_.end()) return {};
  const AclEntry* nearest_entry = nullptr;
  Privileges found;
  for (const AclEntry& entry : entries->second) {
    const bool is_here = entry.path == path;
    const bool is_above =
        entry.propagates && (entry.path == "/" || path.starts_with(entry.path + "/"));
    if (!is_here && !is_above) continue;
    if (nearest_entry != nullptr && entry.path.size() < nearest_entry->path.size()) continue;
    if (nearest_entry == nullptr || entry.path.size() > nearest_entry->path.size()) found.clear();
    nearest_entry = &entry;
    found.insert(entry.privileges.begin(), entry.privileges.end());
  }
  return found;
}

Privileges Permissions::of(const std::string& who, const std::string& path) const {
  Privileges of_user = granted(user_of(who), path);
  const Token* token = find(who);
  if (token == nullptr || !token->is_separate) return of_user;
  const Privileges of_token = granted(who, path);
  Privileges both;
  std::set_intersection(of_user.begin(), of_user.end(), of_token.begin(), of_token.end(),
                        std::inserter(both, both.end()));
  return both;
}

bool Permissions::may(const std::string& who, const std::string& path,
                      std::string_view privilege) const {
  Privileges here = of(who, path);
  if (here.contains(privilege)) return true;
  if (pool_of_guest == nullptr) return false;
  const auto pool = pool_of_guest->find(path);
  return pool != pool_of_guest->end() && of(who, "/pool/" + pool->second).contains(privilege);
}

bool Permissions::may_any(const std::string& who, const std::string& path,
                          const std::vector<std::string>& privileges) const {
  return std::any_of(privileges.begin(), privileges.end(),
                     [&](const std::string& privilege) { return may(who, path, privilege); });
}

Outcome<void> Permissions::require(const std::string& who, const std::string& path,
                                   std::string_view privilege) const {
  if (may(who, path, privilege)) return {};
  return forbidden(path + ", " + std::string(privilege));
}

Outcome<void> Permissions::check_one(const std::string& who, const std::string& path,
                                     std::string_view privileges) const {
  if (privileges.find('|') == std::string_view::npos) {
    for (const std::string& privilege : split(privileges, ',')) {
      // What guards the agent was one privilege before there were five.
      const bool is_agent = privilege.starts_with("VM.GuestAgent.") && major_ < 9;
      PCA_CHECK(require(who, path, is_agent ? "VM.Monitor" : privilege));
    }
    return {};
  }
  if (privileges.find("VM.GuestAgent.") != std::string_view::npos && major_ < 9) {
    return require(who, path, "VM.Monitor");
  }
  if (may_any(who, path, split(privileges, '|'))) return {};
  return forbidden(path + ", " + std::string(privileges));
}

Outcome<void> Permissions::check(const std::string& who, std::string_view rule,
                                 const Parameters& parameters) const {
  for (const std::string& clause : split(rule, ';')) {
    std::vector<std::string> words;
    for (const std::string& word : split(clause, ' ')) {
      if (!word.empty() && word != "or") words.push_back(word);
    }
    if (words.empty()) continue;
    bool is_met = false;
    Failure why = forbidden("");
    for (std::size_t i = 0; i + 1 < words.size() && !is_met; i += 2) {
      const auto [path, is_whole] = filled(words[i], parameters);
      if (i > 0 && !is_whole) continue;  // the other ways ask for what their parameter names
      auto met = check_one(who, path, words[i + 1]);
      is_met = met.has_value();
      if (!is_met && words.size() == 2) why = met.error();
    }
    if (!is_met) return why;
  }
  return {};
}

Json Permissions::dump(const std::string& who, const std::vector<std::string>& paths) const {
  Json out = Json::object();
  for (const std::string& path : paths) {
    Json here = Json::object();
    for (const std::string& privilege : of(who, path)) here.set(privilege, 1);
    if (!here.as_object()->empty()) out.set(path, std::move(here));
  }
  return out;
}

}  // namespace pca::sandbox::proxmox
