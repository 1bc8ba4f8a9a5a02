#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/inputs.hpp"
#include "swarm-deploy/service_health.hpp"

namespace pca::swarm_deploy {

// Nodes of a swarm: which are meant, what is to become of them, and what a drain would do. Pure;
// all that an Engine says is hostile.

struct SwarmNode {
  std::string id;
  std::string hostname;
  std::int64_t version = 0;  // what an update must name
  Json spec;
  std::string role;          // "manager", "worker"
  std::string availability;  // "active", "pause", "drain"
  std::string state;         // "ready", "down", ...
  std::string message;       // why it is in this state
  std::map<std::string, std::string> labels;
  std::map<std::string, std::string> engine_labels;
  std::string os;
  std::string architecture;  // "amd64"
  std::int64_t cpus = 0;     // in billionths
  std::int64_t memory = 0;   // bytes
  bool is_leader = false;

  [[nodiscard]] bool takes_tasks() const { return state == "ready" && availability == "active"; }
  // For people: the hostname, or the ID where there is none.
  [[nodiscard]] std::string name() const;
};
// What is no node is left out.
[[nodiscard]] std::vector<SwarmNode> parse_nodes(const Json& list);

// The IDs of the nodes of these hostnames, IDs or beginnings of IDs, each once. Mistakes go to
// `bad`: what is unknown, with the nearest name, and what may be several.
[[nodiscard]] std::vector<std::string> find_nodes(std::span<const std::string> names,
                                                  const std::vector<SwarmNode>& nodes,
                                                  BadInputs& bad);

// What is to become of a node; what is not named stays.
struct NodeChange {
  std::string availability = {};                                  // empty = stays
  std::map<std::string, std::optional<std::string>> labels = {};  // nothing = removed
};
// Of lines "KEY=VALUE" and "KEY-".
[[nodiscard]] NodeChange parse_label_changes(std::span<const std::string> lines, BadInputs& bad);
// The part of it that is not so yet.
[[nodiscard]] NodeChange missing_of(const NodeChange& change, const Json& spec);
[[nodiscard]] bool is_empty(const NodeChange& change);
[[nodiscard]] Json changed_spec(const Json& spec, const NodeChange& change);
// What brings back of `before` what `change` changes.
[[nodiscard]] NodeChange undo_of(const NodeChange& change, const Json& before);
// Whether somebody else changed the same meanwhile: it is neither as before nor as wanted.
[[nodiscard]] bool is_overtaken(const NodeChange& change, const Json& before, const Json& now);
// For people: "availability drain -> active, label gpu: true", "label old: removed".
[[nodiscard]] std::string describe(const NodeChange& change, const Json& before);
// "node2 is active now, labels disk=ssd, zone=a".
[[nodiscard]] std::string describe(const SwarmNode& node);
// "disk=ssd, zone=a".
[[nodiscard]] std::string labels_text(const SwarmNode& node);

// What a drain of some nodes, or other labels of them, would do.
struct DrainPlan {
  struct Leaving {
    std::string id;
    std::string service;        // name
    std::int64_t tasks = 0;     // that leave the nodes
    std::int64_t stranded = 0;  // and have nowhere to go
    bool is_global = false;     // its tasks are not made anew elsewhere
  };
  std::vector<Leaving> services;
  std::vector<std::string> problems;  // tasks that no other node takes, and why
  std::vector<std::string> warnings;  // data that stays behind
};
// `services` is the list of /services, `tasks` are those of the whole swarm that are to run. What
// is not looked at: volume drivers, generic resources, networks and node.ip.
[[nodiscard]] DrainPlan plan_drain(const std::vector<SwarmNode>& nodes,
                                   const std::set<std::string>& drained, const Json& services,
                                   const std::vector<Task>& tasks);
// Of tasks whose constraints their node meets no longer with its labels changed: a swarm stops
// them.
[[nodiscard]] DrainPlan plan_labels(const std::vector<SwarmNode>& nodes,
                                    const std::set<std::string>& labelled, const NodeChange& change,
                                    const Json& services, const std::vector<Task>& tasks);

}  // namespace pca::swarm_deploy
