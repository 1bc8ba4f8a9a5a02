#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "net/engine.hpp"
#include "swarm-deploy/registry_logins.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/stack_spec.hpp"

namespace pca::swarm_deploy {

struct SwarmService {
  std::string id;
  std::int64_t version = 0;  // what an update must name
  Json spec;
  std::int64_t running = 0;  // tasks
  std::int64_t desired = 0;
};

struct SwarmObject {  // a network, secret or config
  std::string id;
  Json json;  // as the Engine has it
};

// A port with a number that a service publishes.
struct PublishedPort {
  std::string service;  // name
  std::int64_t number = 0;
  std::string protocol;      // "tcp"
  bool is_of_nodes = false;  // of those where its tasks run, not of the whole swarm

  // Whether a swarm refuses the one while it has the other; which nodes' ports clash is known
  // only once its scheduler looks for a place.
  [[nodiscard]] bool clashes_with(const PublishedPort& other) const;
};

struct ResolvedImage {
  std::string digest;  // "sha256:..."
  Json platforms;      // of a service's placement
};

// How a stack is doing, as the Engine says it. All untrusted.
struct SwarmLook {
  Json services;  // of /services with their status
  Json tasks;     // of the services' current specs
  Clock::time_point at{};
};

// What a swarm holds of one stack, and what else the stack refers to. By name.
struct SwarmState {
  std::map<std::string, SwarmService> services;
  std::map<std::string, SwarmObject> networks;
  std::map<std::string, SwarmObject> secrets;
  std::map<std::string, SwarmObject> configs;
  std::map<std::string, Result<ResolvedImage>> images;  // by full reference, what was asked for
  std::vector<PublishedPort> ports;  // of all services of the swarm, if the stack wants any
  StackHistory history;              // of its releases
  SwarmLook look;
  int minor_version = 0;  // of the API
};

enum class ResolveImages : std::uint8_t { always, changed, never };

// All of it in parallel. The Engine has been found to be a manager.
[[nodiscard]] Result<SwarmState> read_swarm_state(const Budget& budget, Engine& engine,
                                                  const StackSpec& stack, ResolveImages resolve,
                                                  const RegistryLogins& logins = {});

// What stands at the end of a path of keys, in hostile JSON; nullptr, 0 and nothing where nothing
// does.
[[nodiscard]] const Json* member(const Json& value, std::initializer_list<std::string_view> path);
[[nodiscard]] std::int64_t number_at(const Json& value,
                                     std::initializer_list<std::string_view> path);
[[nodiscard]] const Json::Array& list_at(const Json& value,
                                         std::initializer_list<std::string_view> path);
// What an update of an object must name. The swarm counts everything that it writes, so of two the
// one that was written later has more.
[[nodiscard]] std::int64_t version_of(const Json& object);
// Whether an object, or its spec where it has one, has that stack's label.
[[nodiscard]] bool is_of_stack(const Json& object, const std::string& stack);
// Whether it runs a task on each node, or on each that its constraints allow.
[[nodiscard]] bool is_global(const Json& spec);
// "/services?filters=...", of the stack.
[[nodiscard]] std::string of_stack(const std::string& path, const std::string& stack,
                                   bool up_to_date = false);
// The networks of a service, by name or ID.
[[nodiscard]] std::vector<std::string> targets_of(const Json& spec);
// Of services or specs of services, what the swarm has chosen for them included.
[[nodiscard]] std::vector<PublishedPort> published_ports(const Json& list);
// Hostile JSON of /distribution: failed where it names no digest.
[[nodiscard]] Result<ResolvedImage> parse_distribution(const Json& answer);
// Hostile JSON of /services: what is no service is left out.
[[nodiscard]] std::map<std::string, SwarmService> parse_services(const Json& list);

}  // namespace pca::swarm_deploy
