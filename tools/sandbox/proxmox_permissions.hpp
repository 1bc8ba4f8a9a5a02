#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sandbox/proxmox_parameters.hpp"

namespace pca::sandbox::proxmox {

using Privileges = std::set<std::string, std::less<>>;

struct Token {
  std::string id;  // "deploy@pve!ci"
  std::string secret;
  bool is_separate = true;  // it may do what both it and its user may
};

// What somebody may do below a path.
struct AclEntry {
  std::string path;
  std::string who;  // a user, or a token
  Privileges privileges;
  bool propagates = true;
};

// Users, tokens and what they may. root@pam may everything, so may its tokens that are not
// separate.
class Permissions {
 public:
  explicit Permissions(int major) : major_(major) {}

  // What a role of this version gives; nothing for one that there is not.
  [[nodiscard]] static std::optional<Privileges> role(const std::string& name, int major);
  // What deploys need, and no more.
  [[nodiscard]] static Privileges deploy_role(int major);

  void add(Token token);
  // Replaces what `who` may.
  void grant(const std::string& who, std::vector<AclEntry> entries);

  // The name that a header's "USER@REALM!ID=SECRET" belongs to.
  [[nodiscard]] std::optional<std::string> authenticate(std::string_view credentials) const;
  [[nodiscard]] bool may(const std::string& who, const std::string& path,
                         std::string_view privilege) const;
  [[nodiscard]] bool may_any(const std::string& who, const std::string& path,
                             const std::vector<std::string>& privileges) const;
  // The failure when `who` may not.
  [[nodiscard]] Outcome<void> require(const std::string& who, const std::string& path,
                                      std::string_view privilege) const;
  // An endpoint's rule: "/vms/{newid} VM.Allocate or /pool/{pool} VM.Allocate; /vms/{vmid}
  // VM.Clone".
  // ',' between privileges asks for all, '|' for one.
  [[nodiscard]] Outcome<void> check(const std::string& who, std::string_view rule,
                                    const Parameters& parameters) const;
  // By path, what `who` may there and whether that goes on below.
  [[nodiscard]] Json dump(const std::string& who, const std::vector<std::string>& paths) const;
  // Which pool a guest is in, for what is granted on /pool/NAME.
  std::map<std::string, std::string>* pool_of_guest = nullptr;

 private:
  [[nodiscard]] const Token* find(std::string_view id) const;
  [[nodiscard]] Privileges of(const std::string& who, const std::string& path) const;
  [[nodiscard]] Privileges granted(const std::string& who, const std::string& path) const;
  [[nodiscard]] Outcome<void> check_one(const std::string& who, const std::string& path,
                                        std::string_view privileges) const;

  int major_;
  std::vector<Token> tokens_;
  std::map<std::string, std::vector<AclEntry>> entries_;
};

[[nodiscard]] const Privileges& all_privileges(int major);

}  // namespace pca::sandbox::proxmox
