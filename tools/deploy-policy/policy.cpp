#include "deploy-policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.hpp"
#include "base/yaml.hpp"
#include "deploy/hostname.hpp"
#include "deploy/resource_name.hpp"

namespace pca::deploy_policy {

namespace {

constexpr ConfigLimits limits{.bytes = std::size_t{64} * 1024,
                              .expanded = std::size_t{64} * 1024,
                              .values = 2000,
                              .depth = 4};
constexpr std::size_t most_patterns = 200;
constexpr std::size_t longest_environment_name = 255;  // GitHub's own limit

const std::vector<std::string> deploying_classes{"production", "staging", "preview"};

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const std::string near = nearest(word, known);
  const std::string all = fmt::format("The keys are {}.", join(known, ", "));
  return near.empty() ? all : fmt::format("Did you mean {}? {}", near, all);
}

std::vector<BranchPattern> patterns(std::initializer_list<std::string_view> texts) {
  std::vector<BranchPattern> all;
  for (const std::string_view text : texts) all.push_back(*BranchPattern::parse(text));
  return all;
}

// Reads one file, and goes on after a mistake to find them all.
class PolicyReader {
 public:
  ReadPolicy read(const ConfigValue& root) {
    if (root.kind == ConfigValue::Kind::null) {
      add(1, "the file is empty", "Begin with \"version: 1\", or remove the file.");
    } else if (!root.is_map()) {
      add(root.line, "the file is no map of keys", "Begin with \"version: 1\".");
    } else {
      read_keys(root);
      check_rules_differ();
    }
    std::stable_sort(
        mistakes_.begin(), mistakes_.end(),
        [](const PolicyMistake& a, const PolicyMistake& b) { return a.line < b.line; });
    return {std::move(policy_), std::move(mistakes_)};
  }

 private:
  void add(int line, std::string problem, std::string cure) {
    mistakes_.push_back({line, std::move(problem), std::move(cure)});
  }

  struct Key {
    std::string_view name;
    void (PolicyReader::*read)(const ConfigValue::Member&);
  };
  // Every key there is.
  static std::span<const Key> keys() {
    static constexpr std::array<Key, 14> all{{
        {"version", &PolicyReader::read_version},
        {"production", &PolicyReader::read_production},
        {"staging", &PolicyReader::read_staging},
        {"preview", &PolicyReader::read_preview},
        {"exclude", &PolicyReader::read_exclude},
        {"dispatch-environments", &PolicyReader::read_dispatch},
        {"customer", &PolicyReader::read_customer},
        {"project", &PolicyReader::read_project},
        {"components", &PolicyReader::read_components},
        {"domain", &PolicyReader::read_domain},
        {"hostname", &PolicyReader::read_hostnames},
        {"environment-name", &PolicyReader::read_environment_names},
        {"preview-ttl", &PolicyReader::read_ttl},
        {"preview-cap", &PolicyReader::read_cap},
    }};
    return all;
  }

  void read_keys(const ConfigValue& root) {
    if (root.find("version") == nullptr) {
      add(1, "version is missing", "Write \"version: 1\" on the first line.");
    }
    for (const ConfigValue::Member& member : root.members) {
      const auto known = keys();
      const auto key = std::find_if(known.begin(), known.end(),
                                    [&](const Key& one) { return one.name == member.key; });
      if (key != known.end()) {
        (this->*key->read)(member);
      } else {
        std::vector<std::string> names;
        for (const Key& one : known) names.emplace_back(one.name);
        add(member.line, fmt::format("{} is no key of a policy", shown(member.key)),
            did_you_mean(member.key, names));
      }
    }
  }

  void read_version(const ConfigValue::Member& member) {
    if (member.value.text == "1" && !member.value.is_quoted) return;
    add(member.line, "version is not 1, the only one there is", "Write \"version: 1\".");
  }
  void read_production(const ConfigValue::Member& member) {
    read_patterns(member, policy_.production);
  }
  void read_staging(const ConfigValue::Member& member) { read_patterns(member, policy_.staging); }
  void read_preview(const ConfigValue::Member& member) { read_patterns(member, policy_.preview); }
  void read_exclude(const ConfigValue::Member& member) { read_patterns(member, policy_.exclude); }
  void read_customer(const ConfigValue::Member& member) { read_segment(member, policy_.customer); }
  void read_project(const ConfigValue::Member& member) { read_segment(member, policy_.project); }

  // The texts of a list, or of one text in its place.
  std::vector<const ConfigValue*> texts_of(const ConfigValue::Member& member) {
    std::vector<const ConfigValue*> texts;
    if (member.value.is_list()) {
      for (const ConfigValue& item : member.value.items) {
        if (item.is_text()) {
          texts.push_back(&item);
        } else {
          add(item.line, fmt::format("{} holds an entry that is no text", member.key),
              fmt::format("Write a list of texts, as \"{}: [one, two]\".", member.key));
        }
      }
    } else if (member.value.is_text()) {
      texts.push_back(&member.value);
    } else {
      add(member.line, fmt::format("{} is no list", member.key),
          fmt::format("Write a list, as \"{}: [one, two]\", or [] for none.", member.key));
    }
    return texts;
  }

  const std::string* text_of(const ConfigValue::Member& member) {
    if (member.value.is_text()) return &member.value.text;
    add(member.line, fmt::format("{} is no text", member.key),
        fmt::format("Write \"{}: value\", or leave the key out.", member.key));
    return nullptr;
  }

  void read_patterns(const ConfigValue::Member& member, std::vector<BranchPattern>& into) {
    into.clear();
    const std::vector<const ConfigValue*> texts = texts_of(member);
    if (texts.size() > most_patterns) {
      add(member.line, fmt::format("{} has more than {} patterns", member.key, most_patterns),
          "Use prefixes with a *.");
      return;
    }
    for (const ConfigValue* text : texts) {
      auto pattern = BranchPattern::parse(text->text);
      if (!pattern) {
        add(text->line, fmt::format("{}: {}", member.key, pattern.error().message),
            pattern.error().hint);
      } else if (member.key == "production" && !pattern->is_exact()) {
        add(text->line, fmt::format("production: {} is a pattern", shown(text->text)),
            "Name the branch: what goes to production is never a matter of a prefix.");
      } else {
        note_rule(*text, member.key);
        into.push_back(*std::move(pattern));
      }
    }
  }

  void note_rule(const ConfigValue& text, const std::string& key) {
    rules_.push_back({text.text, key, text.line});
  }

  // The same pattern in two lists: one of them would never decide anything.
  void check_rules_differ() {
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      for (std::size_t earlier = 0; earlier < i; ++earlier) {
        if (rules_[earlier].text != rules_[i].text) continue;
        add(rules_[i].line,
            fmt::format("{}: {} stands under {} too", rules_[i].key, shown(rules_[i].text),
                        rules_[earlier].key),
            "Keep one of the two.");
        break;
      }
    }
  }

  void read_dispatch(const ConfigValue::Member& member) {
    for (const ConfigValue* text : texts_of(member)) {
      if (text->text == "production" || text->text == "staging") {
        policy_.dispatch_environments.push_back(text->text);
      } else {
        add(text->line,
            fmt::format("dispatch-environments: {} cannot be asked for", shown(text->text)),
            "Write production, staging or both.");
      }
    }
  }

  void read_segment(const ConfigValue::Member& member, std::string& into) {
    const std::string* text = text_of(member);
    if (text == nullptr) return;
    if (const auto good = check_segment(*text); good) {
      into = *text;
    } else {
      add(member.value.line, fmt::format("{}: {}", member.key, good.error().message),
          good.error().hint);
    }
  }

  void read_components(const ConfigValue::Member& member) {
    for (const ConfigValue* text : texts_of(member)) {
      if (const auto good = check_segment(text->text); good) {
        policy_.components.push_back(text->text);
      } else {
        add(text->line, fmt::format("components: {}", good.error().message), good.error().hint);
      }
    }
  }

  void read_domain(const ConfigValue::Member& member) {
    const std::string* text = text_of(member);
    if (text == nullptr) return;
    if (const auto good = check_hostname(*text); good) {
      policy_.domain = *text;
    } else {
      add(member.value.line, fmt::format("domain: {}", good.error().message),
          "Write a domain in lower case, as example.com.");
    }
  }

  // A map from classes to texts.
  std::vector<const ConfigValue::Member*> by_class(const ConfigValue::Member& member) {
    std::vector<const ConfigValue::Member*> entries;
    if (!member.value.is_map()) {
      add(member.line, fmt::format("{} is no map", member.key),
          fmt::format("Write a line for each class: \"{}:\", then \"  preview: value\".",
                      member.key));
      return entries;
    }
    for (const ConfigValue::Member& entry : member.value.members) {
      const bool is_known = std::find(deploying_classes.begin(), deploying_classes.end(),
                                      entry.key) != deploying_classes.end();
      if (!is_known) {
        add(entry.line,
            fmt::format("{}: {} is no class that deploys", member.key, shown(entry.key)),
            did_you_mean(entry.key, deploying_classes));
      } else if (!entry.value.is_text()) {
        add(entry.line, fmt::format("{}: {} is no text", member.key, entry.key),
            fmt::format("Write \"{}: value\".", entry.key));
      } else {
        entries.push_back(&entry);
      }
    }
    return entries;
  }

  void read_hostnames(const ConfigValue::Member& member) {
    for (const ConfigValue::Member* entry : by_class(member)) {
      const auto good = check_hostname_template(entry->value.text, entry->key == "preview");
      if (good) {
        policy_.hostnames[entry->key] = entry->value.text;
      } else {
        add(entry->value.line, fmt::format("hostname: {}", good.error().message),
            good.error().hint);
      }
    }
  }

  void read_environment_names(const ConfigValue::Member& member) {
    for (const ConfigValue::Member* entry : by_class(member)) {
      const std::string& name = entry->value.text;
      const bool is_odd = name != trim(name) || name.size() > longest_environment_name ||
                          std::any_of(name.begin(), name.end(),
                                      [](char c) { return static_cast<unsigned char>(c) < 0x20; });
      if (is_odd) {
        add(entry->value.line,
            fmt::format("environment-name: {} is no name of a GitHub environment", shown(name)),
            "Write a line of at most 255 bytes without blanks around it.");
      } else {
        policy_.environment_names[entry->key] = name;
      }
    }
  }

  void read_ttl(const ConfigValue::Member& member) {
    const std::string* text = text_of(member);
    if (text == nullptr) return;
    const auto ttl = parse_duration(*text);
    if (ttl && ttl->count() > 0) {
      policy_.preview_ttl = *ttl;
    } else {
      add(member.value.line, fmt::format("preview-ttl: {} is no time to live", shown(*text)),
          "Write a number and a unit, as 7d or 12h.");
    }
  }

  void read_cap(const ConfigValue::Member& member) {
    const std::string* text = text_of(member);
    if (text == nullptr) return;
    if (const auto cap = parse_integer(*text, 0, 1000); cap) {
      policy_.preview_cap = static_cast<int>(*cap);
    } else {
      add(member.value.line, fmt::format("preview-cap: {}", cap.error().message),
          "Write how many previews may be there at once, 0 to 1000.");
    }
  }

  struct Rule {
    std::string text;
    std::string key;
    int line = 0;
  };

  Policy policy_;
  std::vector<PolicyMistake> mistakes_;
  std::vector<Rule> rules_;
};

}  // namespace

Policy::Policy()
    : production(patterns({"main"})),
      exclude(patterns({"dependabot/*", "renovate/*"})),
      preview(patterns({"feature/*", "bugfix/*"})),
      preview_ttl(std::chrono::hours{24 * 7}),
      preview_cap(10) {}

ReadPolicy parse_policy(std::string_view yaml) {
  const auto root = parse_yaml(yaml, limits);
  if (!root) return {Policy(), {{root.error().line, root.error().text, "Correct the YAML there."}}};
  return PolicyReader().read(*root);
}

}  // namespace pca::deploy_policy
