#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "cli/inputs.hpp"

namespace pca::proxmox_deploy {

// A rule of a guest's firewall, by the API's own names: type, action, proto, dport, ... Rules have
// no name; whose one is stands at the end of its comment: "web [shop]".
using FirewallRule = std::map<std::string, std::string>;

// The rules of a file, from the first, as YAML or JSON: a list of maps, in which type is "in" and
// enable "1" unless they say otherwise. They get the owner's mark. Mistakes go to `bad`, all of
// them, with their lines.
[[nodiscard]] std::vector<FirewallRule> read_rules(std::string_view text, const std::string& owner,
                                                   BadInputs& bad);

struct GuestRules {
  std::vector<FirewallRule> rules;  // from the first
  std::string digest;               // empty where there are none
};
// Hostile JSON of /firewall/rules.
[[nodiscard]] GuestRules parse_rules(const Json& data);

[[nodiscard]] bool is_owned(const FirewallRule& rule, const std::string& owner);
// "in ACCEPT tcp 443 from 10.0.0.0/8 (web [shop])", visible().
[[nodiscard]] std::string describe(const FirewallRule& rule);

// One write. Proxmox VE puts a new rule above all others, whatever place it is asked for.
struct RuleStep {
  enum class Kind : std::uint8_t { insert, remove, move } kind = Kind::insert;
  std::size_t place = 0;  // of what is removed; where the first one moves to
  FirewallRule rule;

  // What takes an insertion or a removal back.
  [[nodiscard]] std::vector<RuleStep> undone() const;
};
// What leads from the rules that are there to the wanted ones in place of the owner's, above all
// others: the new ones first, so that nothing they allow is cut off in between. Empty where they
// are there already, in this order. Pure.
[[nodiscard]] std::vector<RuleStep> plan_rules(const std::vector<FirewallRule>& there,
                                               const std::vector<FirewallRule>& wanted,
                                               const std::string& owner);
// The rules after a step.
[[nodiscard]] std::vector<FirewallRule> after(std::vector<FirewallRule> rules,
                                              const RuleStep& step);

}  // namespace pca::proxmox_deploy
