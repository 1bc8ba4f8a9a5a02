#include "proxmox-deploy/firewall_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/yaml.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::array<std::string_view, 13> fields{"type",   "action",  "proto",    "dport", "sport",
                                                  "source", "dest",    "macro",    "iface", "log",
                                                  "enable", "comment", "icmp-type"};
constexpr std::size_t most_rules = 500;
constexpr std::size_t longest_comment = 200;

std::string mark_of(const std::string& owner) { return "[" + owner + "]"; }

// A name of an action or of a security group.
bool is_action(std::string_view text) {
  return text.size() >= 2 && text.size() <= 20 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_';
         });
}

class RuleReader {
 public:
  RuleReader(const std::string& owner, BadInputs& bad) : owner_(owner), bad_(bad) {}

  std::vector<FirewallRule> read(std::string_view text) {
    const auto document = parse_yaml(text);
    if (!document) {
      bad_.add("rules", fmt::format("line {}: {}", document.error().line, document.error().text));
      return {};
    }
    if (!document->is_list()) {
      bad_.add("rules", "is no list of rules",
               "Write one a line: - {action: ACCEPT, proto: tcp, dport: 443}");
      return {};
    }
    if (document->items.size() > most_rules) {
      bad_.add("rules", fmt::format("has {} rules", document->items.size()),
               fmt::format("Write at most {}; a security group holds more.", most_rules));
      return {};
    }
    std::vector<FirewallRule> rules;
    for (const ConfigValue& item : document->items) rules.push_back(read_rule(item));
    return rules;
  }

 private:
  void complain(int line, const std::string& problem, const std::string& cure = {}) {
    bad_.add("rules", fmt::format("line {}: {}", line, problem), cure);
  }

  FirewallRule read_rule(const ConfigValue& item) {
    FirewallRule rule{{"type", "in"}, {"enable", "1"}};
    if (!item.is_map()) {
      complain(item.line, "is no rule", "Write {action: ACCEPT, proto: tcp, dport: 443}.");
      return rule;
    }
    for (const ConfigValue::Member& member : item.members) read_field(member, rule);
    if (!is_action(rule["action"])) {
      complain(item.line, "a rule has no action",
               "Write action: ACCEPT, DROP or REJECT; of type group, the group's name.");
    }
    std::string& comment = rule["comment"];
    comment += (comment.empty() ? "" : " ") + mark_of(owner_);
    return rule;
  }

  void read_field(const ConfigValue::Member& member, FirewallRule& rule) {
    const std::string name = visible(member.key);
    if (std::find(fields.begin(), fields.end(), member.key) == fields.end()) {
      const std::vector<std::string> known(fields.begin(), fields.end());
      const std::string near = nearest(member.key, known);
      complain(member.line, fmt::format("a rule has no {}", shown(member.key)),
               near.empty() ? fmt::format("Its keys are {}.", join(known, ", "))
                            : fmt::format("Did you mean {}?", near));
      return;
    }
    std::string value = member.value.text;
    if (!member.value.is_text() || value.find('\n') != std::string::npos) {
      complain(member.line, name + " is no text of one line");
      return;
    }
    if (member.key == "enable") {
      if (value == "true") value = "1";
      if (value == "false") value = "0";
      if (value != "0" && value != "1") complain(member.line, "enable is neither true nor false");
    }
    if (member.key == "type" && value != "in" && value != "out" && value != "forward" &&
        value != "group") {
      complain(member.line, fmt::format("there is no type {}", shown(value)),
               "Write in, out, forward or group.");
    }
    if (member.key == "comment" && value.size() > longest_comment) {
      complain(member.line, "a comment is too long",
               fmt::format("Use at most {} bytes.", longest_comment));
    }
    rule[member.key] = std::move(value);
  }

  const std::string& owner_;
  BadInputs& bad_;
};

}  // namespace

std::vector<FirewallRule> read_rules(std::string_view text, const std::string& owner,
                                     BadInputs& bad) {
  return RuleReader(owner, bad).read(text);
}

GuestRules parse_rules(const Json& data) {
  GuestRules out;
  if (data.as_array() == nullptr) return out;
  for (const Json& one : *data.as_array()) {
    FirewallRule rule;
    for (const std::string_view field : fields) {
      const Json* value = one.find(field);
      if (value == nullptr) continue;
      std::string text = value->as_string() != nullptr ? *value->as_string() : value->dump();
      if (!text.empty()) rule[std::string(field)] = std::move(text);
    }
    if (!rule.contains("enable")) rule["enable"] = "0";
    if (out.digest.empty()) out.digest = one.text_of("digest");
    out.rules.push_back(std::move(rule));
  }
  return out;
}

bool is_owned(const FirewallRule& rule, const std::string& owner) {
  const auto comment = rule.find("comment");
  return comment != rule.end() && trim(comment->second).ends_with(mark_of(owner));
}

std::string describe(const FirewallRule& rule) {
  const auto of = [&](const char* field, const char* before) {
    const auto found = rule.find(field);
    return found == rule.end() || found->second.empty() ? std::string() : before + found->second;
  };
  std::string text = of("type", "") + of("action", " ") + of("macro", " ") + of("proto", " ") +
                     of("icmp-type", " ") + of("dport", " ") + of("source", " from ") +
                     of("sport", " port ") + of("dest", " to ") + of("iface", " on ");
  if (of("enable", "") == "0") text += ", off";
  const std::string comment = of("comment", "");
  if (!comment.empty()) text += " (" + comment + ")";
  return visible(text);
}

std::vector<RuleStep> plan_rules(const std::vector<FirewallRule>& there,
                                 const std::vector<FirewallRule>& wanted,
                                 const std::string& owner) {
  std::vector<FirewallRule> own;
  for (const FirewallRule& rule : there) {
    if (is_owned(rule, owner)) own.push_back(rule);
  }
  if (own == wanted) return {};
  std::vector<RuleStep> steps;
  for (auto rule = wanted.rbegin(); rule != wanted.rend(); ++rule) {
    steps.push_back({RuleStep::Kind::insert, 0, *rule});
  }
  for (std::size_t place = there.size(); place > 0; --place) {
    if (is_owned(there[place - 1], owner)) {
      steps.push_back({RuleStep::Kind::remove, wanted.size() + place - 1, there[place - 1]});
    }
  }
  return steps;
}

std::vector<RuleStep> RuleStep::undone() const {
  if (kind == Kind::insert) return {{Kind::remove, 0, rule}};
  std::vector<RuleStep> steps{{Kind::insert, 0, rule}};
  if (place > 0) steps.push_back({Kind::move, place, rule});
  return steps;
}

std::vector<FirewallRule> after(std::vector<FirewallRule> rules, const RuleStep& step) {
  if (step.kind == RuleStep::Kind::insert) {
    rules.insert(rules.begin(), step.rule);
    return rules;
  }
  const auto place =
      rules.begin() + static_cast<std::ptrdiff_t>(std::min(step.place, rules.size()));
  if (place == rules.end()) return rules;
  if (step.kind == RuleStep::Kind::remove) {
    rules.erase(place);
  } else {
    std::rotate(rules.begin(), rules.begin() + 1, place + 1);
  }
  return rules;
}

}  // namespace pca::proxmox_deploy
