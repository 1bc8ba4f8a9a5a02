#include "swarm-deploy/compose_merge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/text.hpp"

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

// Those that the docker CLI tells from each other: by the published number, or none.
std::size_t ports_of_docker(const Json& earlier, const Json& later) {
  std::set<std::int64_t> published;
  for (const Json* list : {&earlier, &later}) {
    for (const Json& port : *list->as_array()) published.insert(port_name(port).first);
  }
  return published.size();
}

Json replace_entries(Json earlier, const Json& later) {
  for (const auto& [name, entry] : *later.as_object()) earlier.set(name, entry);
  return sorted(std::move(earlier));
}

Json without(const Json& map, std::string_view key) {
  Json::Object members = *map.as_object();
  std::erase_if(members, [&](const auto& member) { return member.first == key; });
  return members;
}

// Maps of texts, in which an empty one counts.
bool is_of_texts(std::string_view key) {
  return key == "labels" || key == "sysctls" || key == "driver_opts" || key == "options";
}

using Path = std::vector<std::string>;
Path operator/(Path path, std::string_view key) {
  path.emplace_back(key);
  return path;
}

class Merge {
 public:
  explicit Merge(std::vector<MergeNote>& notes) : notes_(notes) {}

  Json services(Json earlier, const Json& later) {
    for (const auto& [name, service] : *later.as_object()) {
      const Json* old = earlier.find(name);
      earlier.set(name,
                  old == nullptr ? service : merge_service(Path{"services"} / name, *old, service));
    }
    return sorted(std::move(earlier));
  }

  Json objects(std::string_view section, const Json& earlier, const Json& later) {
    for (const auto& [name, entry] : *later.as_object()) {
      const Json* old = earlier.find(name);
      if (old != nullptr) tell_of_lost(Path{std::string(section)} / name, *old, entry);
    }
    return replace_entries(earlier, later);
  }

 private:
  void note(Path path, std::string text, std::string cure) {
    notes_.push_back({std::move(path), std::move(text), std::move(cure)});
  }

  void tell_of_lost(const Path& path, const Json& earlier, const Json& later) {
    std::vector<std::string> lost;
    for (const auto& [key, value] : *earlier.as_object()) {
      if (later.find(key) == nullptr && !key.starts_with("x-")) lost.push_back(key);
    }
    if (lost.empty()) return;
    note(path,
         fmt::format("it replaces the whole of an earlier file, as for docker stack deploy: {} of "
                     "that one is lost",
                     join(lost, ", ")),
         "Repeat it here.");
  }

  Json merge_service(const Path& path, Json earlier, const Json& later) {
    for (const auto& [key, value] : *later.as_object()) {
      const Json* old = earlier.find(key);
      earlier.set(key, old == nullptr ? value : merge_member(path / key, *old, value));
    }
    return earlier;
  }

  Json merge_member(const Path& path, const Json& earlier, const Json& later) {
    const std::string& key = path.back();
    if (key == "command" || key == "entrypoint") return later;
    if (key == "ports") return merge_ports(path, earlier, later);
    if (key == "volumes") return by_text(earlier, later, "target");
    if (key == "secrets" || key == "configs") return by_text(earlier, later, "source");
    if (key == "logging") return merge_logging(path, earlier, later);
    if (key == "healthcheck") return merge_healthcheck(path, earlier, later);
    if (key == "networks") return merge_attachments(path, earlier, later);
    if (key == "ulimits" || is_of_texts(key)) return replace_entries(earlier, later);
    Json merged = merge_values(path, earlier, later);
    return key == "environment" ? sorted(std::move(merged)) : merged;
  }

  Json merge_values(const Path& path, const Json& earlier, const Json& later) {
    if (says_nothing(later)) {
      if (!says_nothing(earlier)) {
        note(path,
             "what is empty or false replaces nothing, as for docker stack deploy: what an earlier "
             "file says stays",
             "Change it in that file.");
      }
      return earlier;
    }
    if (earlier.as_object() != nullptr && later.as_object() != nullptr) {
      return merge_maps(path, earlier, later);
    }
    if (earlier.as_array() != nullptr && later.as_array() != nullptr) {
      Json both = earlier;
      for (const Json& item : *later.as_array()) both.push(item);
      return both;
    }
    return later;
  }

  Json merge_maps(const Path& path, Json earlier, const Json& later) {
    for (const auto& [key, value] : *later.as_object()) {
      const Json* old = earlier.find(key);
      if (old == nullptr) {
        earlier.set(key, value);
      } else {
        earlier.set(key, is_of_texts(key) ? replace_entries(*old, value)
                                          : merge_values(path / key, *old, value));
      }
    }
    return earlier;
  }

  Json merge_ports(const Path& path, const Json& earlier, const Json& later) {
    Json both = by_name<PortName>(earlier, later, port_name);
    if (both.as_array()->size() > ports_of_docker(earlier, later)) {
      note(path,
           "ports of both files that differ in more than the published number are all kept; docker "
           "stack deploy keeps one of each number, and one of those without",
           "Write all ports in one file where both commands deploy it.");
    }
    return both;
  }

  Json merge_logging(const Path& path, const Json& earlier, const Json& later) {
    const std::string before = earlier.text_of("driver");
    const std::string after = later.text_of("driver");
    if (!before.empty() && !after.empty() && before != after) return later;
    if (before == after && earlier.find("options") == nullptr && later.find("options") != nullptr) {
      note(path, "its options count; docker stack deploy loses them, as the earlier file has none",
           "Write the options in the earlier file, too, where both commands deploy it.");
    }
    return merge_maps(path, earlier, later);
  }

  Json merge_healthcheck(const Path& path, const Json& earlier, const Json& later) {
    const Json* test = later.find("test");
    if (test == nullptr || earlier.find("test") == nullptr) {
      return merge_maps(path, earlier, later);
    }
    if (!earlier.find("test")->as_array()->empty()) {
      note(path / "test",
           "it replaces that of an earlier file; docker stack deploy puts it behind that one",
           "Write it in one file where both commands deploy it.");
    }
    return merge_maps(path, earlier, without(later, "test")).set("test", *test);
  }

  Json merge_attachments(const Path& path, Json earlier, const Json& later) {
    for (const auto& [name, network] : *later.as_object()) {
      const Json* old = earlier.find(name);
      if (old == nullptr || old->is_null()) {
        earlier.set(name, network);
      } else if (!network.is_null()) {
        earlier.set(name, merge_attachment(path / name, *old, network));
      }
    }
    return sorted(std::move(earlier));
  }

  Json merge_attachment(const Path& path, const Json& earlier, const Json& later) {
    Json both = merge_maps(path, without(earlier, "aliases"), without(later, "aliases"));
    if (const Json* aliases = later.find("aliases")) {
      both.set("aliases", *aliases);
    } else if (earlier.find("aliases") != nullptr) {
      note(path,
           "it takes the place of aliases of an earlier file, as for docker stack deploy: they are "
           "lost",
           "Repeat the aliases here.");
    }
    const Json* options = both.find("driver_opts");
    const Json* before = earlier.find("driver_opts");
    if (options != nullptr && (before == nullptr || before->dump() != options->dump())) {
      note(path / "driver_opts",
           "they are merged with those of an earlier file; docker stack deploy drops them",
           "Write them in one file where both commands deploy it.");
    }
    return both;
  }

  std::vector<MergeNote>& notes_;
};

}  // namespace

Json merge_compose(Json earlier, const Json& later, std::vector<MergeNote>& notes) {
  Merge merge(notes);
  if (const Json* services = later.find("services")) {
    // A file that is no map has none; that is told.
    Json merged = earlier.find("services") == nullptr ? Json::object() : *earlier.find("services");
    earlier.set("services", merge.services(std::move(merged), *services));
  }
  if (const Json* name = later.find("name")) earlier.set("name", *name);
  for (const char* key : {"networks", "volumes", "secrets", "configs"}) {
    const Json* entries = later.find(key);
    if (entries == nullptr) continue;
    const Json* old = earlier.find(key);
    earlier.set(key, old == nullptr ? *entries : merge.objects(key, *old, *entries));
  }
  return earlier;
}

}  // namespace pca::swarm_deploy
