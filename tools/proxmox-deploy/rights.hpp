#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace pca::proxmox_deploy {

// What a token needs on a path of the cluster.
struct NeededRights {
  std::string path;                     // "/vms/9000", "/storage/shared", ...
  std::vector<std::string> privileges;  // all of them
  std::string what_for;                 // "to clone the template"
};

// What the chosen deploy is about.
struct RightsQuestion {
  int major_version = 9;
  std::string template_path = {};    // "/vms/9000"; empty = not asked for
  std::string archive_storage = {};  // that has what containers are made of; empty = not asked for
  std::string guests_path = "/vms";  // or "/pool/NAME"
  std::vector<std::string> storages = {};
  std::vector<std::string> bridges = {};
  bool runs_commands = false;  // in guests, by the agent
  bool takes_snapshots = false;
};
[[nodiscard]] std::vector<NeededRights> needed_rights(const RightsQuestion& question);

// Hostile JSON of /access/permissions: {"/vms": {"VM.Audit": 1}}, where a value says whether it
// goes on to what lies below.
class GrantedRights {
 public:
  explicit GrantedRights(const Json& permissions);
  // By the path itself, else the nearest one above that says anything of it.
  [[nodiscard]] bool has(std::string_view path, std::string_view privilege) const;
  [[nodiscard]] bool empty() const { return paths_.empty(); }

 private:
  struct Path {
    std::string path;
    std::set<std::string> own;       // privileges here
    std::set<std::string> inherits;  // and below
  };
  [[nodiscard]] const Path* find(std::string_view path) const;
  std::vector<Path> paths_;
};

struct MissingRights {
  NeededRights needed;  // with only the privileges that are missing
};
[[nodiscard]] std::vector<MissingRights> missing_rights(const GrantedRights& granted,
                                                        const std::vector<NeededRights>& needed);

// The lines that make a role with all that is needed and give it to the token ("ci@pve!deploy"),
// to be run as root on a node. A token with privilege separation has only what its user has, too.
[[nodiscard]] std::vector<std::string> pveum_lines(const std::vector<NeededRights>& needed,
                                                   const std::string& token);

}  // namespace pca::proxmox_deploy
