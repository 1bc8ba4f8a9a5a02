#include "swarm-deploy/compose_merge.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace pca::swarm_deploy {

namespace {

bool says_nothing(const Json& value) {
  if (value.is_null()) return true;
  if (const bool* flag = value.as_bool()) return !*flag;
  if (const std::string* text = value.as_string()) return text->empty() || *text == "0s";
  return false;
}

Json sorted(Json map) {
  Json::Object members = *map.as_object();
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

// Entries of both lists, of those with the same name the later; in the order of the names.
template <typename Name>
Json by_name(const Json& earlier, const Json& later, const std::function<Name(const Json&)>& name) {
  std::map<Name, Json> entries;
  for (const Json* list : {&earlier, &later}) {
    for (const Json& entry : *list->as_array()) entries[name(entry)] = entry;
  }
  Json out = Json::array();
  for (auto& [key, entry] : entries) out.push(std::move(entry));
  return out;
}

Json by_text(const Json& earlier, const Json& later, const char* key) {
  return by_name<std::string>(earlier, later,
                              [key](const Json& entry) { return entry.text_of(key); });
}

using PortName = std::pair<std::int64_t, std::string>;
PortName port_name(const Json& port) {
  const Json* published = port.find("published");
  if (published != nullptr) {
    const std::string protocol = port.text_of("protocol");
    return {*published->as_int(), protocol.empty() ? "tcp" : protocol};
  }
  return {0, port.dump()};
}

Json merge_values(const Json& earlier, const Json& later);
Json replace_entries(Json earlier, const Json& later);

// Maps of texts, in which an empty one counts.
bool is_of_texts(std::string_view key) {
  return key == "labels" || key == "sysctls" || key == "driver_opts" || key == "options";
}

Json merge_maps(Json earlier, const Json& later) {
  for (const auto& [key, value] : *later.as_object()) {
    const Json* old = earlier.find(key);
    if (old == nullptr) {
      earlier.set(key, value);
    } else {
      earlier.set(key, is_of_texts(key) ? replace_entries(*old, value) : merge_values(*old, value));
    }
  }
  return earlier;
}

Json merge_values(const Json& earlier, const Json& later) {
  if (says_nothing(later)) return earlier;
  if (earlier.as_object() != nullptr && later.as_object() != nullptr) {
    return merge_maps(earlier, later);
  }
  if (earlier.as_array() != nullptr && later.as_array() != nullptr) {
    Json both = earlier;
    for (const Json& item : *later.as_array()) both.push(item);
    return both;
  }
  return later;
}

Json merge_logging(const Json& earlier, const Json& later) {
  const std::string before = earlier.text_of("driver");
  const std::string after = later.text_of("driver");
  if (before.empty() || after.empty() || before == after) return merge_maps(earlier, later);
  return later;
}

Json merge_attachments(Json earlier, const Json& later) {
  for (const auto& [name, network] : *later.as_object()) {
    const Json* old = earlier.find(name);
    if (old == nullptr || old->is_null()) {
      earlier.set(name, network);
    } else if (!network.is_null()) {
      Json both = merge_maps(*old, network);
      if (const Json* aliases = network.find("aliases")) both.set("aliases", *aliases);
      earlier.set(name, std::move(both));
    }
  }
  return sorted(std::move(earlier));
}

Json replace_entries(Json earlier, const Json& later) {
  for (const auto& [name, entry] : *later.as_object()) earlier.set(name, entry);
  return sorted(std::move(earlier));
}

Json merge_member(std::string_view key, const Json& earlier, const Json& later) {
  if (key == "command" || key == "entrypoint") return later;
  if (key == "ports") return by_name<PortName>(earlier, later, port_name);
  if (key == "volumes") return by_text(earlier, later, "target");
  if (key == "secrets" || key == "configs") return by_text(earlier, later, "source");
  if (key == "logging") return merge_logging(earlier, later);
  if (key == "networks") return merge_attachments(earlier, later);
  if (key == "ulimits" || is_of_texts(key)) return replace_entries(earlier, later);
  Json merged = merge_values(earlier, later);
  return key == "environment" ? sorted(std::move(merged)) : merged;
}

Json merge_service(Json earlier, const Json& later) {
  for (const auto& [key, value] : *later.as_object()) {
    const Json* old = earlier.find(key);
    earlier.set(key, old == nullptr ? value : merge_member(key, *old, value));
  }
  return earlier;
}

}  // namespace

Json merge_compose(Json earlier, const Json& later) {
  if (const Json* services = later.find("services")) {
    // A file that is no map has none; that is told.
    Json merged = earlier.find("services") == nullptr ? Json::object() : *earlier.find("services");
    for (const auto& [name, service] : *services->as_object()) {
      const Json* old = merged.find(name);
      merged.set(name, old == nullptr ? service : merge_service(*old, service));
    }
    earlier.set("services", sorted(std::move(merged)));
  }
  if (const Json* name = later.find("name")) earlier.set("name", *name);
  for (const char* key : {"networks", "volumes", "secrets", "configs"}) {
    const Json* entries = later.find(key);
    if (entries == nullptr) continue;
    const Json* old = earlier.find(key);
    earlier.set(key, old == nullptr ? *entries : replace_entries(*old, *entries));
  }
  return earlier;
}

}  // namespace pca::swarm_deploy
