#include "swarm-deploy/node_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "base/text.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t shown_id = 12;
constexpr std::size_t most_named = 10;

std::map<std::string, std::string> texts_of(const Json* object) {
  std::map<std::string, std::string> texts;
  if (object == nullptr || object->as_object() == nullptr) return texts;
  for (const auto& [key, value] : *object->as_object()) {
    if (value.as_string() != nullptr) texts[key] = *value.as_string();
  }
  return texts;
}

std::string text_at(const Json& value, std::initializer_list<std::string_view> path) {
  const Json* found = member(value, path);
  return found == nullptr || found->as_string() == nullptr ? std::string() : *found->as_string();
}

// As images name it, too.
std::string architecture_of(const std::string& name) {
  if (equals_ignoring_case(name, "x86_64")) return "amd64";
  if (equals_ignoring_case(name, "aarch64")) return "arm64";
  return to_lower(name);
}

std::string value_in(const std::map<std::string, std::string>& texts, const std::string& key) {
  const auto found = texts.find(key);
  return found == texts.end() ? std::string() : found->second;
}

// --- which node is meant

std::string described(const SwarmNode& node) {
  return fmt::format("{} ({}, {})", visible(node.name()), visible(node.id.substr(0, shown_id)),
                     visible(node.state));
}

std::string described(const std::vector<const SwarmNode*>& nodes) {
  std::vector<std::string> texts;
  for (const SwarmNode* node : nodes) texts.push_back(described(*node));
  return join(texts, ", ");
}

std::vector<const SwarmNode*> nodes_where(const std::vector<SwarmNode>& nodes, auto&& is_meant) {
  std::vector<const SwarmNode*> found;
  for (const SwarmNode& node : nodes) {
    if (is_meant(node)) found.push_back(&node);
  }
  return found;
}

std::string cure_of_unknown(const std::string& name, const std::vector<SwarmNode>& nodes) {
  std::vector<std::string> hostnames;
  for (const SwarmNode& node : nodes) hostnames.push_back(visible(node.name()));
  const std::string near = nearest(name, hostnames);
  if (!near.empty()) return fmt::format("Did you mean {}?", near);
  if (hostnames.size() > most_named) {
    hostnames.resize(most_named);
    hostnames.emplace_back("...");
  }
  return fmt::format("The swarm has {}.", join(hostnames, ", "));
}

const SwarmNode* find_node(const std::string& name, const std::vector<SwarmNode>& nodes,
                           BadInputs& bad) {
  const auto whole = nodes_where(nodes, [&](const SwarmNode& node) { return node.id == name; });
  if (!whole.empty()) return whole.front();
  const auto named =
      nodes_where(nodes, [&](const SwarmNode& node) { return node.hostname == name; });
  if (named.size() == 1) return named.front();
  if (named.size() > 1) {
    bad.add("nodes", fmt::format("{} are several nodes: {}", shown(name), described(named)),
            "Give the ID of the one that is meant.");
    return nullptr;
  }
  const auto begun =
      nodes_where(nodes, [&](const SwarmNode& node) { return node.id.starts_with(name); });
  if (begun.size() == 1) return begun.front();
  if (begun.empty()) {
    bad.add("nodes", fmt::format("{} is no node of the swarm", shown(name)),
            cure_of_unknown(name, nodes));
  } else {
    bad.add("nodes", fmt::format("{} begins the IDs of several: {}", shown(name), described(begun)),
            "Give more of the ID, or the hostname.");
  }
  return nullptr;
}

// --- labels

bool is_label_key(std::string_view key) {
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/";
  constexpr std::size_t longest = 128;
  return !key.empty() && key.size() <= longest &&
         key.find_first_not_of(plain) == std::string_view::npos;
}

std::map<std::string, std::string> labels_of(const Json& spec) {
  return texts_of(spec.find("Labels"));
}

std::optional<std::string> label_of(const Json& spec, const std::string& key) {
  const auto labels = labels_of(spec);
  const auto found = labels.find(key);
  return found == labels.end() ? std::nullopt : std::optional(found->second);
}

// --- where tasks may go

struct Constraint {
  std::string text;
  std::string key;
  std::string value;
  bool is_equal = true;
};

std::optional<Constraint> parse_constraint(const std::string& text) {
  const std::size_t unequal = text.find("!=");
  const std::size_t at = std::min(unequal, text.find("=="));
  if (at == std::string::npos) return std::nullopt;
  return Constraint{text, std::string(trim(text.substr(0, at))),
                    std::string(trim(text.substr(at + 2))), at != unequal};
}

// What the node has for a key; nothing for one that cannot be judged here.
std::optional<std::string> fact_of(const SwarmNode& node, const std::string& key) {
  constexpr std::string_view labels = "node.labels.";
  constexpr std::string_view engine_labels = "engine.labels.";
  if (equals_ignoring_case(key.substr(0, labels.size()), labels))
    return value_in(node.labels, key.substr(labels.size()));
  if (equals_ignoring_case(key.substr(0, engine_labels.size()), engine_labels))
    return value_in(node.engine_labels, key.substr(engine_labels.size()));
  const std::string name = to_lower(key);
  if (name == "node.id") return node.id;
  if (name == "node.hostname") return node.hostname;
  if (name == "node.role") return node.role;
  if (name == "node.platform.os") return node.os;
  if (name == "node.platform.arch") return node.architecture;
  return std::nullopt;
}

bool is_met(const Constraint& constraint, const SwarmNode& node) {
  const auto fact = fact_of(node, constraint.key);
  if (!fact) return true;
  const bool is_architecture = equals_ignoring_case(constraint.key, "node.platform.arch");
  const std::string wanted = is_architecture ? architecture_of(constraint.value) : constraint.value;
  return equals_ignoring_case(*fact, wanted) == constraint.is_equal;
}

struct HostPort {
  std::int64_t port = 0;
  std::string protocol;
  bool operator<(const HostPort& other) const {
    return std::tie(port, protocol) < std::tie(other.port, other.protocol);
  }
};

// What a service asks of a node.
struct Needs {
  std::string id;
  std::string name;
  bool is_global = false;
  bool is_job = false;
  bool is_started_again = true;
  std::vector<Constraint> constraints;
  std::vector<std::pair<std::string, std::string>> platforms;  // OS, architecture; empty = any
  std::set<HostPort> ports;
  std::int64_t most_per_node = 0;  // 0 = any number
  std::int64_t cpus = 0;
  std::int64_t memory = 0;
  std::vector<std::string> volumes;  // whose content is on one node
};

// A named volume of the node itself; with options it may be a share of the network.
bool is_local_volume(const Json& mount) {
  if (mount.text_of("Type") != "volume" || mount.text_of("Source").empty()) return false;
  const std::string driver = text_at(mount, {"VolumeOptions", "DriverConfig", "Name"});
  const Json* options = member(mount, {"VolumeOptions", "DriverConfig", "Options"});
  const bool has_options =
      options != nullptr && options->as_object() != nullptr && !options->as_object()->empty();
  return (driver.empty() || driver == "local") && !has_options;
}

Needs needs_of(const std::string& name, const SwarmService& service) {
  const Json& spec = service.spec;
  Needs needs;
  needs.id = service.id;
  needs.name = name;
  needs.is_global = is_global(spec);
  needs.is_job = member(spec, {"Mode", "ReplicatedJob"}) != nullptr ||
                 member(spec, {"Mode", "GlobalJob"}) != nullptr;
  needs.is_started_again = text_at(spec, {"TaskTemplate", "RestartPolicy", "Condition"}) != "none";
  for (const Json& text : list_at(spec, {"TaskTemplate", "Placement", "Constraints"})) {
    if (text.as_string() == nullptr) continue;
    if (auto constraint = parse_constraint(*text.as_string()))
      needs.constraints.push_back(*std::move(constraint));
  }
  for (const Json& platform : list_at(spec, {"TaskTemplate", "Placement", "Platforms"})) {
    needs.platforms.emplace_back(to_lower(platform.text_of("OS")),
                                 architecture_of(platform.text_of("Architecture")));
  }
  for (const Json& port : list_at(spec, {"EndpointSpec", "Ports"})) {
    const std::int64_t published = number_at(port, {"PublishedPort"});
    if (port.text_of("PublishMode") == "host" && published != 0)
      needs.ports.insert({published, port.text_of("Protocol")});
  }
  needs.most_per_node = number_at(spec, {"TaskTemplate", "Placement", "MaxReplicas"});
  needs.cpus = number_at(spec, {"TaskTemplate", "Resources", "Reservations", "NanoCPUs"});
  needs.memory = number_at(spec, {"TaskTemplate", "Resources", "Reservations", "MemoryBytes"});
  for (const Json& mount : list_at(spec, {"TaskTemplate", "ContainerSpec", "Mounts"})) {
    if (is_local_volume(mount)) needs.volumes.push_back(mount.text_of("Source"));
  }
  return needs;
}

// A node that stays, with what it has left.
struct Room {
  const SwarmNode* node = nullptr;
  std::int64_t cpus = 0;
  std::int64_t memory = 0;
  std::set<HostPort> ports = {};
  std::map<std::string, std::int64_t> tasks = {};  // by service

  void take(const Needs& needs) {
    cpus -= needs.cpus;
    memory -= needs.memory;
    ports.insert(needs.ports.begin(), needs.ports.end());
    ++tasks[needs.id];
  }
  [[nodiscard]] std::int64_t count(const Needs& needs) const {
    const auto found = tasks.find(needs.id);
    return found == tasks.end() ? 0 : found->second;
  }
};

bool meets(const Needs& needs, const SwarmNode& node) {
  return std::all_of(needs.constraints.begin(), needs.constraints.end(),
                     [&](const Constraint& constraint) { return is_met(constraint, node); });
}

bool has_platform(const Needs& needs, const SwarmNode& node) {
  return needs.platforms.empty() ||
         std::any_of(needs.platforms.begin(), needs.platforms.end(), [&](const auto& platform) {
           return (platform.first.empty() || platform.first == node.os) &&
                  (platform.second.empty() || platform.second == node.architecture);
         });
}

bool has_ports(const Needs& needs, const Room& room) {
  return std::none_of(needs.ports.begin(), needs.ports.end(),
                      [&](const HostPort& port) { return room.ports.contains(port); });
}

std::string texts_of(const std::vector<Constraint>& constraints) {
  std::vector<std::string> texts;
  for (const Constraint& constraint : constraints) texts.push_back(visible(constraint.text));
  return join(texts, ", ");
}

std::string ports_of(const Needs& needs) {
  std::vector<std::string> texts;
  for (const HostPort& port : needs.ports) texts.push_back(std::to_string(port.port));
  return join(texts, ", ");
}

// Leaves those of `rooms` that pass, or says why none does.
bool only(std::vector<Room*>& rooms, auto&& passes) {
  std::erase_if(rooms, [&](const Room* room) { return !passes(*room); });
  return !rooms.empty();
}

// Puts a task where it fits, as a swarm spreads them; the reason where it fits nowhere.
std::string place(const Needs& needs, std::vector<Room>& all) {
  std::vector<Room*> rooms;
  for (Room& room : all) rooms.push_back(&room);
  if (rooms.empty()) return "no other node is ready and active";
  if (!only(rooms, [&](const Room& room) { return meets(needs, *room.node); }))
    return "no other node that is ready and active meets " + texts_of(needs.constraints);
  if (!only(rooms, [&](const Room& room) { return has_platform(needs, *room.node); }))
    return "no other node has the platform of its image";
  if (!only(rooms, [&](const Room& room) {
        return needs.most_per_node == 0 || room.count(needs) < needs.most_per_node;
      }))
    return fmt::format("each other node has {} of its tasks already, and more it may not have",
                       needs.most_per_node);
  if (!only(rooms, [&](const Room& room) { return has_ports(needs, room); }))
    return fmt::format("port {} is taken on each other node", ports_of(needs));
  if (!only(rooms, [&](const Room& room) {
        return room.cpus >= needs.cpus && room.memory >= needs.memory;
      }))
    return fmt::format(
        "no other node has {} CPUs and {} of memory left to reserve",
        static_cast<double>(needs.cpus) / 1e9,
        rounded_size(static_cast<std::uint64_t>(std::max<std::int64_t>(needs.memory, 0))));
  Room* best = *std::min_element(rooms.begin(), rooms.end(), [&](const Room* a, const Room* b) {
    return std::pair(a->count(needs), -a->memory) < std::pair(b->count(needs), -b->memory);
  });
  best->take(needs);
  return {};
}

}  // namespace

std::string SwarmNode::name() const { return hostname.empty() ? id : hostname; }

std::vector<SwarmNode> parse_nodes(const Json& list) {
  std::vector<SwarmNode> nodes;
  if (list.as_array() == nullptr) return nodes;
  for (const Json& entry : *list.as_array()) {
    const Json* spec = entry.find("Spec");
    if (entry.text_of("ID").empty() || spec == nullptr || spec->as_object() == nullptr) continue;
    SwarmNode node;
    node.id = entry.text_of("ID");
    node.hostname = text_at(entry, {"Description", "Hostname"});
    node.version = version_of(entry);
    node.spec = *spec;
    node.role = spec->text_of("Role");
    node.availability = spec->text_of("Availability");
    node.state = text_at(entry, {"Status", "State"});
    node.message = text_at(entry, {"Status", "Message"});
    node.labels = labels_of(*spec);
    node.engine_labels = texts_of(member(entry, {"Description", "Engine", "Labels"}));
    node.os = to_lower(text_at(entry, {"Description", "Platform", "OS"}));
    node.architecture =
        architecture_of(text_at(entry, {"Description", "Platform", "Architecture"}));
    node.cpus = number_at(entry, {"Description", "Resources", "NanoCPUs"});
    node.memory = number_at(entry, {"Description", "Resources", "MemoryBytes"});
    const Json* leads = member(entry, {"ManagerStatus", "Leader"});
    node.is_leader = leads != nullptr && leads->as_bool() != nullptr && *leads->as_bool();
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::vector<std::string> find_nodes(std::span<const std::string> names,
                                    const std::vector<SwarmNode>& nodes, BadInputs& bad) {
  std::vector<std::string> ids;
  for (const std::string& name : names) {
    const SwarmNode* node = find_node(name, nodes, bad);
    if (node != nullptr && std::find(ids.begin(), ids.end(), node->id) == ids.end())
      ids.push_back(node->id);
  }
  return ids;
}

NodeChange parse_label_changes(std::span<const std::string> lines, BadInputs& bad) {
  NodeChange change;
  for (const std::string& line : lines) {
    const std::size_t equals = line.find('=');
    const bool is_removed = equals == std::string::npos && line.ends_with('-');
    const std::string key =
        is_removed ? line.substr(0, line.size() - 1) : std::string(trim(line.substr(0, equals)));
    if (!is_removed && equals == std::string::npos) {
      bad.add("labels",
              fmt::format("{} says neither what the label is to be nor that it goes", shown(line)),
              fmt::format("Write {0}=VALUE to set it, or {0}- to remove it.", visible(line)));
    } else if (!is_label_key(key)) {
      bad.add("labels", fmt::format("{} is no name of a label", shown(key)),
              "Write letters, digits, ., _, - and /.");
    } else if (!change.labels
                    .emplace(key, is_removed
                                      ? std::nullopt
                                      : std::optional(std::string(trim(line.substr(equals + 1)))))
                    .second) {
      bad.add("labels", fmt::format("{} is named twice", shown(key)), "Name each label once.");
    }
  }
  return change;
}

NodeChange missing_of(const NodeChange& change, const Json& spec) {
  NodeChange missing;
  if (spec.text_of("Availability") != change.availability)
    missing.availability = change.availability;
  for (const auto& [key, value] : change.labels) {
    if (label_of(spec, key) != value) missing.labels[key] = value;
  }
  return missing;
}

bool is_empty(const NodeChange& change) {
  return change.availability.empty() && change.labels.empty();
}

Json changed_spec(const Json& spec, const NodeChange& change) {
  Json changed = spec;
  if (!change.availability.empty()) changed.set("Availability", change.availability);
  if (change.labels.empty()) return changed;
  auto labels = labels_of(spec);
  for (const auto& [key, value] : change.labels) {
    if (value) {
      labels[key] = *value;
    } else {
      labels.erase(key);
    }
  }
  Json all = Json::object();
  for (const auto& [key, value] : labels) all.set(key, value);
  return changed.set("Labels", std::move(all));
}

NodeChange undo_of(const NodeChange& change, const Json& before) {
  NodeChange undo;
  if (!change.availability.empty()) undo.availability = before.text_of("Availability");
  for (const auto& [key, value] : change.labels) undo.labels[key] = label_of(before, key);
  return undo;
}

bool is_overtaken(const NodeChange& change, const Json& before, const Json& now) {
  const NodeChange missing = missing_of(change, now);
  return !is_empty(missing_of(undo_of(missing, before), now));
}

std::string describe(const NodeChange& change, const Json& before) {
  std::vector<std::string> parts;
  if (!change.availability.empty()) {
    parts.push_back(fmt::format("availability {} -> {}", visible(before.text_of("Availability")),
                                change.availability));
  }
  for (const auto& [key, value] : change.labels) {
    parts.push_back(value ? fmt::format("label {}: {}", key, visible(*value))
                          : fmt::format("label {}: removed", key));
  }
  return join(parts, ", ");
}

std::string describe(const SwarmNode& node) {
  const std::string text = fmt::format("{} is {} now", node.name(), node.availability);
  return node.labels.empty() ? text + ", without labels" : text + ", labels " + labels_text(node);
}

std::string labels_text(const SwarmNode& node) {
  std::vector<std::string> parts;
  for (const auto& [key, value] : node.labels) parts.push_back(fmt::format("{}={}", key, value));
  return join(parts, ", ");
}

namespace {

// `nodes` are as they will be; a task goes where `leaves` says so.
DrainPlan plan_moves(const std::vector<SwarmNode>& nodes, const std::set<std::string>& drained,
                     const Json& services, const std::vector<Task>& tasks,
                     const std::function<bool(const Needs&, const Task&)>& leaves) {
  std::map<std::string, Needs> needs;  // by the service's ID
  for (const auto& [name, service] : parse_services(services))
    needs[service.id] = needs_of(name, service);
  std::map<std::string, const SwarmNode*> by_id;
  std::vector<Room> rooms;
  for (const SwarmNode& node : nodes) {
    by_id[node.id] = &node;
    if (!drained.contains(node.id) && node.takes_tasks())
      rooms.push_back({&node, node.cpus, node.memory});
  }
  std::vector<std::pair<const Needs*, const SwarmNode*>> moves;
  for (const Task& task : tasks) {
    const auto of = needs.find(task.service_id);
    // A swarm wants tasks of jobs to be complete, those that run as well.
    const bool is_to_run = task.desired_state == "running" || task.desired_state == "complete";
    if (of == needs.end() || !task.is_alive() || !is_to_run) continue;
    for (Room& room : rooms) {
      if (room.node->id == task.node_id) room.take(of->second);
    }
    const auto from = by_id.find(task.node_id);
    // Of a node that is down they have gone already.
    if (from != by_id.end() && from->second->state != "down" && leaves(of->second, task))
      moves.emplace_back(&of->second, from->second);
  }
  // The largest first, where there is the most room.
  std::stable_sort(moves.begin(), moves.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first->memory, a.first->cpus) > std::pair(b.first->memory, b.first->cpus);
  });
  std::map<std::string, DrainPlan::Leaving> leaving;  // by name
  std::map<std::string, std::string> reasons;
  std::set<std::string> warnings;
  for (const auto& [of, from] : moves) {
    DrainPlan::Leaving& one = leaving[of->name];
    one.id = of->id;
    one.service = of->name;
    one.is_global = of->is_global;
    ++one.tasks;
    std::string reason;
    if (of->is_job) {
      reason = "it is a job, and would be stopped in the middle";
    } else if (of->is_global) {
      // It needs no new place, but one at all.
      std::vector<Room> some = rooms;
      for (Room& room : some) room.tasks.clear();
      Needs anywhere = *of;
      anywhere.ports.clear();
      anywhere.cpus = anywhere.memory = 0;
      reason = place(anywhere, some);
    } else if (!of->is_started_again) {
      reason = "it is not started again elsewhere, because its restart condition is none";
    } else {
      reason = place(*of, rooms);
    }
    if (!reason.empty()) {
      ++one.stranded;
      reasons.emplace(of->name, std::move(reason));
      continue;
    }
    if (of->is_global) continue;
    for (const std::string& volume : of->volumes) {
      warnings.insert(fmt::format(
          "{}: what is in its volume {} stays on {}; elsewhere it begins empty or as it was there",
          visible(of->name), visible(volume), visible(from->name())));
    }
  }
  DrainPlan plan;
  for (auto& [name, one] : leaving) {
    if (one.stranded > 0) {
      plan.problems.push_back(fmt::format("{}: {} of {} tasks: {}", visible(name), one.stranded,
                                          one.tasks, reasons.at(name)));
    }
    plan.services.push_back(std::move(one));
  }
  plan.warnings.assign(warnings.begin(), warnings.end());
  return plan;
}

}  // namespace

DrainPlan plan_drain(const std::vector<SwarmNode>& nodes, const std::set<std::string>& drained,
                     const Json& services, const std::vector<Task>& tasks) {
  return plan_moves(nodes, drained, services, tasks,
                    [&](const Needs&, const Task& task) { return drained.contains(task.node_id); });
}

DrainPlan plan_labels(const std::vector<SwarmNode>& nodes, const std::set<std::string>& labelled,
                      const NodeChange& change, const Json& services,
                      const std::vector<Task>& tasks) {
  std::vector<SwarmNode> after = nodes;
  std::map<std::string, std::pair<const SwarmNode*, const SwarmNode*>> changed;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!labelled.contains(nodes[i].id)) continue;
    after[i].labels = labels_of(changed_spec(nodes[i].spec, change));
    changed[nodes[i].id] = {&nodes[i], &after[i]};
  }
  return plan_moves(after, {}, services, tasks, [&](const Needs& needs, const Task& task) {
    const auto found = changed.find(task.node_id);
    return found != changed.end() && meets(needs, *found->second.first) &&
           !meets(needs, *found->second.second);
  });
}

}  // namespace pca::swarm_deploy
