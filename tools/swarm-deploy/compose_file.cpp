#include "swarm-deploy/compose_file.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "base/yaml.hpp"
#include "swarm-deploy/compose_merge.hpp"
#include "swarm-deploy/go_values.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr ConfigLimits limits{.bytes = std::size_t{1024} * 1024,
                              .expanded = std::size_t{4} * 1024 * 1024,
                              .values = 100'000,
                              .depth = 30};

void merge_into(ConfigValue& map, const ConfigValue& other) {
  for (const ConfigValue::Member& member : other.members) {
    if (map.find_member(member.key) == nullptr) map.members.push_back(member);
  }
}

// YAML's merge key: "<<: *base", "<<: [*one, *two]". What the map says itself counts. Recurses no
// deeper than the parser lets a value go.
void resolve_merge_keys(ConfigValue& value, const std::string& file, Problems& problems) {
  for (ConfigValue& item : value.items) resolve_merge_keys(item, file, problems);
  for (ConfigValue::Member& member : value.members) {
    resolve_merge_keys(member.value, file, problems);
  }
  const auto found = std::find_if(value.members.begin(), value.members.end(),
                                  [](const auto& member) { return member.key == "<<"; });
  if (found == value.members.end()) return;
  const ConfigValue::Member merge = std::move(*found);
  value.members.erase(found);
  const std::vector<ConfigValue> alone{merge.value};
  for (const ConfigValue& other : merge.value.is_list() ? merge.value.items : alone) {
    if (other.is_map()) {
      merge_into(value, other);
    } else {
      problems.mistake(place_of(file, merge), "<< merges only maps", "Write it as \"<<: *name\".");
    }
  }
}

// Whether YAML reads the text as itself, and as text, without quotes.
bool is_plain_yaml(const std::string& text) {
  constexpr std::string_view other_values =
      " y Y yes Yes YES n N no No NO on On ON off Off OFF .inf .Inf .INF -.inf -.Inf -.INF ";
  constexpr std::string_view indicators = "!&*?|>%@`\"'#,[]{}:-=<~";
  ConfigValue plain;
  plain.kind = ConfigValue::Kind::text;
  plain.text = text;
  const Json read = go_scalar(plain);
  if (read.as_string() == nullptr || *read.as_string() != text) return false;
  if (std::any_of(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }))
    return false;
  if (text.front() == ' ' || text.back() == ' ' || text.back() == ':') return false;
  const bool is_flag = text.size() > 1 && text.front() == '-' && text[1] != ' ' && text[1] != '-';
  if (indicators.find(text.front()) != std::string_view::npos && !is_flag) return false;
  if (text.find(": ") != std::string::npos || text.find(" #") != std::string::npos) return false;
  // Of 22:22 YAML 1.1 makes a number.
  if (text.find_first_not_of("0123456789:.+-") == std::string::npos &&
      text.find(':') != std::string::npos) {
    return false;
  }
  return other_values.find(fmt::format(" {} ", text)) == std::string_view::npos;
}

// Texts that are not plain are written in JSON's quotes, which are YAML's.
std::string yaml_text(const std::string& text) {
  return !text.empty() && is_plain_yaml(text) ? text : Json(text).dump();
}

void write_yaml(std::string& out, const Json& value, std::size_t indent);

void write_member(std::string& out, const Json& value, std::size_t indent) {
  const bool is_block = (value.as_object() != nullptr && !value.as_object()->empty()) ||
                        (value.as_array() != nullptr && !value.as_array()->empty());
  out += is_block ? "\n" : " ";
  write_yaml(out, value, indent + 2);
  if (!is_block) out += '\n';
}

// Recurses no deeper than a compose file goes.
void write_yaml(std::string& out, const Json& value, std::size_t indent) {
  const std::string space(indent, ' ');
  if (const auto* map = value.as_object(); map != nullptr && !map->empty()) {
    for (const auto& [key, member] : *map) {
      out += space + yaml_text(key) + ':';
      write_member(out, member, indent);
    }
  } else if (const auto* list = value.as_array(); list != nullptr && !list->empty()) {
    for (const Json& item : *list) {
      std::string text;
      write_yaml(text, item, indent + 2);
      if (item.as_object() != nullptr || item.as_array() != nullptr) {
        text = std::string(trim(text)) + '\n';
      } else {
        text += '\n';
      }
      out += space + "- " + text;
    }
  } else if (const std::string* text = value.as_string()) {
    out += yaml_text(*text);
  } else {
    out += value.dump();
  }
}

}  // namespace

Place Compose::place(std::span<const std::string> path) const {
  Place best;
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const ConfigValue* at = &trees[i];
    for (std::size_t depth = 0; depth < path.size(); ++depth) {
      const ConfigValue::Member* member = at->find_member(path[depth]);
      if (member == nullptr) break;
      at = &member->value;
      if (depth + 1 >= deepest) {
        deepest = depth + 1;
        best = place_of(files[i], *member);
      }
    }
  }
  if (best.file.empty() && !files.empty()) best.file = files.front();
  return best;
}

namespace {

// A switch that is false in all files is as good as none.
void drop_what_is_off(Json& config) {
  const Json* services = config.find("services");
  if (services == nullptr) return;
  Json kept = Json::object();
  for (const auto& [name, service] : *services->as_object()) {
    Json::Object members = *service.as_object();
    std::erase_if(members, [](const auto& member) {
      const bool* flag = member.second.as_bool();
      return flag != nullptr && !*flag && member.first != "init" && !member.first.starts_with("x-");
    });
    kept.set(name, std::move(members));
  }
  config.set("services", std::move(kept));
}

// Leaves out services of profiles that are not asked for.
void select_profiles(Json& config, const std::set<std::string>& selected) {
  const Json* services = config.find("services");
  if (services == nullptr) return;
  Json kept = Json::object();
  for (const auto& [name, service] : *services->as_object()) {
    const Json* profiles = service.find("profiles");
    const bool is_on =
        profiles == nullptr || selected.contains("*") ||
        std::any_of(profiles->as_array()->begin(), profiles->as_array()->end(),
                    [&](const Json& one) { return selected.contains(*one.as_string()); });
    if (!is_on) continue;
    Json::Object members = *service.as_object();
    std::erase_if(members, [](const auto& member) { return member.first == "profiles"; });
    kept.set(name, std::move(members));
  }
  config.set("services", std::move(kept));
}

}  // namespace

Compose read_compose_files(std::span<const ComposeText> files, const ComposeSources& sources) {
  Compose out;
  for (const ComposeText& file : files) {
    auto tree = parse_yaml(file.text, limits);
    if (!tree) {
      const ConfigProblem& problem = tree.error();
      out.problems.mistake({file.file, problem.line, problem.column}, problem.text,
                           "Correct the YAML there.");
      continue;
    }
    resolve_merge_keys(*tree, file.file, out.problems);
    ReadCompose read = read_compose(file.file, *tree, sources);
    out.problems.add(std::move(read.problems));
    out.files.push_back(file.file);
    out.trees.push_back(*std::move(tree));
    if (out.files.size() == 1) {
      out.config = std::move(read.config);
      continue;
    }
    const std::string version = read.config.text_of("version");
    if (const std::string first = out.config.text_of("version"); version != first) {
      out.problems.mistake(out.place(std::vector<std::string>{"version"}),
                           fmt::format("version is {} here and {} in the files before it",
                                       shown(version), shown(first)),
                           "Write the same version into all files, or none.");
    }
    std::vector<MergeNote> notes;
    out.config = merge_compose(std::move(out.config), read.config, notes);
    for (MergeNote& note : notes) {
      out.problems.difference(out.place(note.path),
                              fmt::format("{}: {}", join(note.path, "."), note.text),
                              std::move(note.cure));
    }
  }
  drop_what_is_off(out.config);
  select_profiles(out.config, sources.profiles);
  return out;
}

std::string compose_yaml(const Json& config) {
  std::string out;
  write_yaml(out, config, 0);
  return out;
}

}  // namespace pca::swarm_deploy
