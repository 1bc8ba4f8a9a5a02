#include "swarm-deploy/stack_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t longest_value = 80;
constexpr std::size_t most_changes = 100;

bool is_empty(const Json& value) {
  if (value.is_null()) return true;
  if (const bool* flag = value.as_bool()) return !*flag;
  if (const auto* number = value.as_int()) return *number == 0;
  if (const auto* number = value.as_double()) return *number == 0;
  if (const auto* text = value.as_string()) return text->empty();
  if (const auto* list = value.as_array()) return list->empty();
  return value.as_object()->empty();
}

// Where 0 and false say something else than nothing.
bool counts_when_empty(std::string_view path) {
  constexpr std::array<std::string_view, 4> ends{".Replicated.Replicas", ".ContainerSpec.Init",
                                                 ".StopGracePeriod", ".RestartPolicy.Delay"};
  return std::any_of(ends.begin(), ends.end(),
                     [&](std::string_view end) { return path.ends_with(end); });
}

// A kind of mode or a spread is there even when nothing is in it.
bool is_kept(std::string_view path, const Json& value) {
  if (!is_empty(value)) return true;
  if (value.is_null()) return false;
  return counts_when_empty(path) || path == ".Mode.Global" || path == ".Mode.GlobalJob" ||
         path == ".Mode.ReplicatedJob" || path.ends_with(".Runtime") ||
         path.ends_with(".Healthcheck");
}

// What the Engine writes out where a spec says nothing.
bool is_default(std::string_view path, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> defaults{{
      {".TaskTemplate.ContainerSpec.Isolation", "default"},
      {".TaskTemplate.Runtime", "container"},
      {".TaskTemplate.RestartPolicy.Condition", "any"},
      {".UpdateConfig.FailureAction", "pause"},
      {".UpdateConfig.Order", "stop-first"},
      {".RollbackConfig.FailureAction", "pause"},
      {".RollbackConfig.Order", "stop-first"},
      {".EndpointSpec.Mode", "vip"},
      {".EndpointSpec.Ports.Protocol", "tcp"},
      {".EndpointSpec.Ports.PublishMode", "ingress"},
  }};
  return std::find(defaults.begin(), defaults.end(), std::pair(path, text)) != defaults.end();
}

bool is_added_by_engine(std::string_view path, const Json& value, int minor_version) {
  if (const std::string* text = value.as_string(); text != nullptr && is_default(path, *text)) {
    return true;
  }
  if (path == ".TaskTemplate.ForceUpdate") return true;
  if (path.ends_with(".Healthcheck.StartInterval")) return minor_version < 44;
  if (path.ends_with(".OomScoreAdj")) return minor_version < 46;
  return path.ends_with(".Mounts.Consistency");
}

Json reduced(const Json& value, const std::string& path, int minor_version) {
  if (const auto* list = value.as_array()) {
    Json out = Json::array();
    for (const Json& item : *list) out.push(reduced(item, path, minor_version));
    return out;
  }
  if (value.as_object() == nullptr) {
    const double* number = value.as_double();
    const bool is_whole =
        number != nullptr && *number == static_cast<double>(static_cast<std::int64_t>(*number));
    return is_whole ? Json(static_cast<std::int64_t>(*number)) : value;
  }
  Json::Object members;
  for (const auto& [key, member] : *value.as_object()) {
    const std::string at = path + "." + key;
    if (is_added_by_engine(at, member, minor_version)) continue;
    Json inner = reduced(member, at, minor_version);
    if (is_kept(at, inner)) members.emplace_back(key, std::move(inner));
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return members;
}

// `value` with what `change` makes of the member at `path`; as it was where there is none.
template <typename Change>
Json changed_at(const Json& value, std::span<const std::string_view> path, const Change& change) {
  if (path.empty()) return change(value);
  const Json* inner = value.find(path.front());
  if (inner == nullptr) return value;
  Json out = value;
  return out.set(std::string(path.front()), changed_at(*inner, path.subspan(1), change));
}

Json without(const Json& map, std::string_view key) {
  if (map.as_object() == nullptr) return map;
  Json::Object members = *map.as_object();
  std::erase_if(members, [&](const auto& member) { return member.first == key; });
  return members;
}

std::string shown_value(const Json& value) {
  const std::string text = value.as_string() != nullptr ? *value.as_string() : value.dump();
  return visible(text.size() > longest_value ? std::string(cut_utf8(text, longest_value)) + "..."
                                             : text);
}

std::string variable_of_line(const Json& line) {
  const std::string text = line.as_string() == nullptr ? "" : *line.as_string();
  return text.substr(0, text.find('='));
}

class Differences {
 public:
  std::vector<std::string> run(const Json& before, const Json& after) {
    compare("", before, after);
    if (found_.size() > most_changes) {
      const std::size_t more = found_.size() - most_changes;
      found_.resize(most_changes);
      found_.push_back(fmt::format("... and {} more", more));
    }
    return std::move(found_);
  }

 private:
  // Recurses no deeper than JSON is parsed.
  void compare(const std::string& path, const Json& before, const Json& after) {
    if (before.dump() == after.dump()) return;
    if (path.ends_with(".Env")) return compare_environment(before, after);
    if (before.as_object() != nullptr && after.as_object() != nullptr) {
      std::set<std::string> keys;
      for (const Json* map : {&before, &after}) {
        for (const auto& [key, value] : *map->as_object()) keys.insert(key);
      }
      for (const std::string& key : keys) {
        const Json* old = before.find(key);
        const Json* now = after.find(key);
        compare(path + "." + key, old == nullptr ? Json() : *old, now == nullptr ? Json() : *now);
      }
      return;
    }
    found_.push_back(fmt::format("{}: {} -> {}", path.substr(path.empty() ? 0 : 1),
                                 shown_value(before), shown_value(after)));
  }

  void compare_environment(const Json& before, const Json& after) {
    std::map<std::string, std::pair<Json, Json>> lines;
    if (before.as_array() != nullptr) {
      for (const Json& line : *before.as_array()) lines[variable_of_line(line)].first = line;
    }
    if (after.as_array() != nullptr) {
      for (const Json& line : *after.as_array()) lines[variable_of_line(line)].second = line;
    }
    for (const auto& [name, sides] : lines) {
      if (sides.first.dump() == sides.second.dump()) continue;
      found_.push_back(fmt::format("variable {}: {}", visible(name),
                                   sides.first.is_null()    ? "added"
                                   : sides.second.is_null() ? "removed"
                                                            : "changed"));
    }
  }

  std::vector<std::string> found_;
};

bool is_of_node(const std::string& network) {
  return network == "host" || network == "bridge" || network == "none" || network == "default";
}

std::string_view mode_of(const Json& spec) {
  const Json* mode = spec.find("Mode");
  for (const std::string_view name : {"Global", "ReplicatedJob", "GlobalJob"}) {
    if (mode != nullptr && mode->find(name) != nullptr) return name;
  }
  return "Replicated";
}

class Planning {
 public:
  Planning(const StackSpec& wanted, const SwarmState& state, const PlanRules& rules,
           const RegistryLogins& logins)
      : wanted_(wanted), state_(state), rules_(rules), logins_(logins) {
    for (const auto& [name, network] : state.networks) network_names_[network.id] = name;
  }

  StackPlan run() {
    plan_networks();
    plan_objects(wanted_.secrets, state_.secrets, "secret", plan_.secrets);
    plan_objects(wanted_.configs, state_.configs, "config", plan_.configs);
    for (const StackService& service : wanted_.services) plan_service(service);
    check_ports();
    plan_removals();
    std::sort(plan_.services.begin(), plan_.services.end(),
              [](const ServicePlan& a, const ServicePlan& b) { return a.name < b.name; });
    return std::move(plan_);
  }

 private:
  void plan_networks() {
    for (const std::string& name : wanted_.external_networks) {
      const auto found = state_.networks.find(name);
      if (is_of_node(name)) continue;
      if (found == state_.networks.end()) {
        plan_.mistakes.push_back(
            fmt::format("the external network {} does not exist: create it by docker network "
                        "create --driver overlay {}",
                        name, name));
      } else if (found->second.json.text_of("Scope") != "swarm") {
        plan_.mistakes.push_back(fmt::format(
            "the external network {} is of scope {}, and services need one of scope swarm", name,
            visible(found->second.json.text_of("Scope"))));
      }
    }
    for (const StackNetwork& network : wanted_.networks) {
      const auto found = state_.networks.find(network.name);
      if (found == state_.networks.end()) {
        plan_.networks.push_back(network);
      } else {
        compare_network(network, found->second.json);
      }
    }
  }

  // A network cannot be changed while services use it.
  void compare_network(const StackNetwork& wanted, const Json& there) {
    for (const char* key : {"Driver", "Internal", "Attachable", "EnableIPv6"}) {
      const bool is_asked = key != std::string_view("EnableIPv6") || wanted.body.find(key);
      if (is_asked)
        compare_in_network(wanted.name, key, member_of(there, key), member_of(wanted.body, key));
    }
    compare_in_network(wanted.name, "Options", options_of(there), options_of(wanted.body));
    // Without a word in the files the swarm chooses, and adds to what it was told.
    const std::vector<std::string> subnets = subnets_of(wanted.body);
    if (!subnets.empty()) {
      compare_in_network(wanted.name, "IPAM", join(subnets_of(there), ", "), join(subnets, ", "));
    }
  }

  void compare_in_network(const std::string& name, const char* key, const Json& now,
                          const Json& then) {
    if (now.dump() == then.dump()) return;
    plan_.staying.push_back(fmt::format("network {}: {} stays {}, not {}", name, key,
                                        shown_value(now), shown_value(then)));
    plan_.warnings.push_back(
        fmt::format("the network {} stays as it is: its {} is {}, the files say {}, and a network "
                    "cannot be changed",
                    name, key, shown_value(now), shown_value(then)));
  }

  // Null for what says nothing.
  static Json member_of(const Json& network, const char* key) {
    const Json* value = network.find(key);
    return value == nullptr || is_empty(*value) ? Json() : *value;
  }

  // Without what the swarm gives to each network.
  static Json options_of(const Json& network) {
    const Json options = member_of(network, "Options");
    const Json given = without(options, "com.docker.network.driver.overlay.vxlanid_list");
    return is_empty(given) ? Json() : reduced(given, "", 0);
  }

  static std::vector<std::string> subnets_of(const Json& network) {
    std::vector<std::string> subnets;
    for (const Json& one : list_at(network, {"IPAM", "Config"})) {
      if (!one.text_of("Subnet").empty()) subnets.push_back(one.text_of("Subnet"));
    }
    std::sort(subnets.begin(), subnets.end());
    return subnets;
  }

  // Without a digest of its content in its name.
  [[nodiscard]] static bool is_unnumbered(const StackObject& object) {
    return !object.is_rotated && !object.body.text_of("Data").empty();
  }

  void plan_objects(const std::vector<StackObject>& wanted,
                    const std::map<std::string, SwarmObject>& there, const char* kind,
                    std::vector<StackObject>& to_make) {
    for (const StackObject& object : wanted) {
      const auto found = there.find(object.name);
      if (found == there.end()) {
        to_make.push_back(object);
        continue;
      }
      const Json* spec = found->second.json.find("Spec");
      const std::string data = spec == nullptr ? "" : spec->text_of("Data");
      const std::string wanted_data = object.body.text_of("Data");
      if (kind == std::string_view("config") && !data.empty() && data != wanted_data) {
        plan_.mistakes.push_back(
            fmt::format("the config {} exists with another content, and a swarm cannot change it: "
                        "give it another name, or let rotate name it",
                        object.name));
      }
      if (kind == std::string_view("secret") && is_unnumbered(object)) {
        plan_.warnings.push_back(
            fmt::format("the secret {} stays as it is: a swarm tells nobody whether its content is "
                        "another. Leave its name to rotate, so that a new content is deployed",
                        object.name));
      }
    }
  }

  void plan_service(const StackService& wanted) {
    ServicePlan out;
    out.name = wanted.name;
    out.wave = wanted.wave;
    out.spec = with_known_ids(wanted);
    const auto found = state_.services.find(wanted.name);
    if (found != state_.services.end()) out.before = found->second;
    set_image(wanted, out);
    if (found == state_.services.end()) {
      out.action = Action::create;
    } else {
      compare_service(out);
    }
    plan_.services.push_back(std::move(out));
  }

  Json with_known_ids(const StackService& wanted) {
    Json spec = wanted.spec;
    constexpr int knows_oom_score = 46;
    if (state_.minor_version < knows_oom_score) {
      const std::array<std::string_view, 2> container{"TaskTemplate", "ContainerSpec"};
      spec = changed_at(spec, container,
                        [](const Json& value) { return without(value, "OomScoreAdj"); });
    }
    struct Kind {
      const char* list;
      const char* id_key;
      const char* name_key;
      std::string_view word;
    };
    for (const Kind& kind : {Kind{"Secrets", "SecretID", "SecretName", "secret"},
                             Kind{"Configs", "ConfigID", "ConfigName", "config"}}) {
      const bool is_secret = kind.word == "secret";
      const auto& there = is_secret ? state_.secrets : state_.configs;
      const auto& own = is_secret ? wanted_.secrets : wanted_.configs;
      const std::array<std::string_view, 3> path{"TaskTemplate", "ContainerSpec", kind.list};
      spec = changed_at(spec, path, [&](const Json& references) {
        Json out = Json::array();
        if (references.as_array() == nullptr) return out;
        for (Json reference : *references.as_array()) {
          const std::string name = reference.text_of(kind.name_key);
          const auto known = there.find(name);
          const bool is_own = std::any_of(own.begin(), own.end(), [&](const StackObject& object) {
            return object.name == name;
          });
          if (known != there.end()) {
            reference.set(kind.id_key, known->second.id);
          } else if (!is_own) {
            plan_.mistakes.push_back(
                rules_.is_rollback
                    ? fmt::format("the {} {} of {} is gone, and a swarm tells nobody what was in "
                                  "it: deploy that commit again",
                                  kind.word, visible(name), wanted.name)
                    : fmt::format("the external {} {} of {} does not exist: create it first",
                                  kind.word, name, wanted.name));
          }
          out.push(std::move(reference));
        }
        return out;
      });
    }
    const std::array<std::string_view, 4> credential{"TaskTemplate", "ContainerSpec", "Privileges",
                                                     "CredentialSpec"};
    spec = changed_at(spec, credential, [&](Json value) {
      const auto known = state_.configs.find(value.text_of("Config"));
      return known == state_.configs.end() ? value : value.set("Config", known->second.id);
    });
    return spec;
  }

  void set_image(const StackService& wanted, ServicePlan& out) {
    const std::string full = full_image(wanted.image).value_or(wanted.image);
    out.registry_auth = logins_.of_image(full);
    if (rules_.is_rollback) {
      out.image = wanted.image;
      return;
    }
    out.image = full;
    const Json* old_labels = out.before.spec.find("Labels");
    const bool is_same_name =
        old_labels != nullptr && old_labels->text_of(image_label) == wanted.image;
    std::string digest_from_before;
    Json platforms_before;
    if (is_same_name) {
      if (const Json* task = out.before.spec.find("TaskTemplate")) {
        if (const Json* container = task->find("ContainerSpec"))
          digest_from_before = container->text_of("Image");
        if (const Json* placement = task->find("Placement")) {
          if (const Json* platforms = placement->find("Platforms")) platforms_before = *platforms;
        }
      }
    }
    const auto keep_before = [&] {
      if (digest_from_before.empty()) return;
      out.image = digest_from_before;
      set_container_image(out, digest_from_before, platforms_before);
    };
    const bool asks = rules_.resolve == ResolveImages::always ||
                      (rules_.resolve == ResolveImages::changed && !is_same_name);
    const auto found = state_.images.find(full);
    if (!asks || found == state_.images.end()) return keep_before();
    const bool has_digest = full.find('@') != std::string::npos;
    if (found->second) {
      out.image = has_digest ? full : full + "@" + found->second->digest;
      set_container_image(out, out.image, found->second->platforms);
      return;
    }
    const std::string problem = fmt::format("the {} of the image {} of {} cannot be had: {}",
                                            has_digest ? "platforms" : "digest", full, wanted.name,
                                            found->second.error().message);
    if (rules_.require_digest && !has_digest) {
      plan_.mistakes.push_back(fmt::format(
          "{}. {}, or say require-digest: false", problem,
          out.registry_auth == nullptr
              ? fmt::format("Check the image; if {} asks for a login, give registry-auth",
                            registry_of(full))
              : fmt::format("Check the image and what registry-auth says of {}",
                            registry_of(full))));
    } else {
      plan_.warnings.push_back(problem);
      keep_before();
    }
  }

  static void set_container_image(ServicePlan& out, const std::string& image,
                                  const Json& platforms) {
    const std::array<std::string_view, 2> container{"TaskTemplate", "ContainerSpec"};
    out.spec =
        changed_at(out.spec, container, [&](Json value) { return value.set("Image", image); });
    if (is_empty(platforms)) return;
    const std::array<std::string_view, 2> placement{"TaskTemplate", "Placement"};
    out.spec = changed_at(out.spec, placement,
                          [&](Json value) { return value.set("Platforms", platforms); });
  }

  // A node's own network (host) has an ID in the swarm that no list tells: it is the one that
  // stands for the name.
  [[nodiscard]] std::map<std::string, std::string> names_for(const ServicePlan& service) const {
    std::map<std::string, std::string> names = network_names_;
    const std::vector<std::string> before = targets_of(service.before.spec);
    const std::vector<std::string> after = targets_of(service.spec);
    if (before.size() != after.size()) return names;
    for (std::size_t i = 0; i < after.size(); ++i) {
      if (is_of_node(after[i]) && !names.contains(before[i])) names[before[i]] = after[i];
    }
    return names;
  }

  void compare_service(ServicePlan& out) {
    const Json before = canonical_spec(out.before.spec, names_for(out), state_.minor_version);
    const Json after = canonical_spec(out.spec, network_names_, state_.minor_version);
    out.changes = differences(before, after);
    out.action = out.changes.empty() ? Action::unchanged : Action::update;
    if (mode_of(out.before.spec) != mode_of(out.spec)) {
      plan_.mistakes.push_back(
          fmt::format("the mode of {} cannot become {} from {}: remove the service first, or give "
                      "it another name",
                      out.name, mode_of(out.spec), mode_of(out.before.spec)));
    }
    // A forced restart by hand is not undone.
    const Json* task = out.before.spec.find("TaskTemplate");
    const Json* forced = task == nullptr ? nullptr : task->find("ForceUpdate");
    if (forced != nullptr) {
      const std::array<std::string_view, 1> path{"TaskTemplate"};
      out.spec =
          changed_at(out.spec, path, [&](Json value) { return value.set("ForceUpdate", *forced); });
    }
  }

  // What a swarm refuses, but only once others of the stack are written. The stack's own services
  // are written too, but for those that the files no longer have: they stay until all is well.
  void check_ports() {
    std::set<std::string> own;
    Json specs = Json::array();
    for (const StackService& service : wanted_.services) {
      own.insert(service.name);
      specs.push(service.spec);
    }
    std::set<std::string> told;
    for (const PublishedPort& port : published_ports(specs)) {
      for (const PublishedPort& taken : state_.ports) {
        if (own.contains(taken.service) || !port.clashes_with(taken)) continue;
        const std::string text = fmt::format(
            "the port {}/{} of {} is published by the service {} already: publish the container's "
            "port alone, for which the swarm finds a free one, or none, and let a proxy such as "
            "Traefik lead to it",
            port.number, port.protocol, port.service, visible(taken.service));
        if (told.insert(text).second) plan_.mistakes.push_back(text);
      }
    }
  }

  void plan_removals() {
    std::set<std::string> wanted;
    for (const StackService& service : wanted_.services) wanted.insert(service.name);
    for (const auto& [name, service] : state_.services) {
      if (wanted.contains(name)) continue;
      if (!rules_.prune) {
        plan_.warnings.push_back(
            fmt::format("the service {} is not in the files any more and stays: prune removes it",
                        visible(name)));
        continue;
      }
      ServicePlan out;
      out.action = Action::remove;
      out.name = name;
      out.before = service;
      plan_.services.push_back(std::move(out));
    }
  }

  const StackSpec& wanted_;
  const SwarmState& state_;
  const PlanRules& rules_;
  const RegistryLogins& logins_;
  std::map<std::string, std::string> network_names_;
  StackPlan plan_;
};

}  // namespace

std::string_view name_of(Action action) {
  switch (action) {
    case Action::create:
      return "create";
    case Action::update:
      return "update";
    case Action::remove:
      return "remove";
    case Action::unchanged:
      break;
  }
  return "unchanged";
}

std::size_t StackPlan::count(Action action) const {
  return static_cast<std::size_t>(
      std::count_if(services.begin(), services.end(),
                    [&](const ServicePlan& service) { return service.action == action; }));
}

bool StackPlan::changes_nothing() const {
  return networks.empty() && secrets.empty() && configs.empty() &&
         count(Action::unchanged) == services.size();
}

std::chrono::milliseconds StackPlan::longest_monitor() const {
  std::int64_t longest = 0;
  for (const ServicePlan& service : services) {
    if (service.action == Action::create || service.action == Action::update)
      longest = std::max(longest, number_at(service.spec, {"UpdateConfig", "Monitor"}));
  }
  return std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(longest));
}

StackPlan make_plan(const StackSpec& wanted, const SwarmState& state, const PlanRules& rules,
                    const RegistryLogins& logins) {
  return Planning(wanted, state, rules, logins).run();
}

Json canonical_spec(const Json& spec, const std::map<std::string, std::string>& network_names,
                    int minor_version) {
  const std::array<std::string_view, 2> networks{"TaskTemplate", "Networks"};
  Json named = changed_at(spec, networks, [&](const Json& list) {
    if (list.as_array() == nullptr) return list;
    Json out = Json::array();
    for (Json network : *list.as_array()) {
      const auto known = network_names.find(network.text_of("Target"));
      if (known != network_names.end()) network.set("Target", known->second);
      out.push(std::move(network));
    }
    return out;
  });
  // A service whose file names no number of replicas has one.
  const std::array<std::string_view, 2> replicated{"Mode", "Replicated"};
  named = changed_at(named, replicated, [](Json mode) {
    if (mode.is_null()) mode = Json::object();
    if (mode.find("Replicas") == nullptr) mode.set("Replicas", 1);
    return mode;
  });
  const std::array<std::string_view, 2> job{"Mode", "ReplicatedJob"};
  named = changed_at(named, job, [](Json mode) {
    if (mode.is_null()) mode = Json::object();
    for (const char* key : {"MaxConcurrent", "TotalCompletions"}) {
      if (mode.find(key) == nullptr) mode.set(key, 1);
    }
    return mode;
  });
  return reduced(named, "", minor_version);
}

std::vector<std::string> differences(const Json& before, const Json& after) {
  return Differences().run(before, after);
}

}  // namespace pca::swarm_deploy
