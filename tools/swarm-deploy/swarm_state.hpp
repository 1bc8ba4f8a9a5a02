#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
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

struct ResolvedImage {
  std::string digest;  // "sha256:..."
  Json platforms;      // of a service's placement
};

// How a stack is doing, as the Engine says it. All untrusted.
struct SwarmLook {
  Json services;  // of /services with their status
  Json tasks;     // of the services' current specs
  Json nodes;     // null when they were not asked for
  Clock::time_point at{};
};

// What a swarm holds of one stack, and what else the stack refers to. By name.
struct SwarmState {
  std::map<std::string, SwarmService> services;
  std::map<std::string, SwarmObject> networks;
  std::map<std::string, SwarmObject> secrets;
  std::map<std::string, SwarmObject> configs;
  std::map<std::string, Result<ResolvedImage>> images;  // by full reference, what was asked for
  StackHistory history;                                 // of its releases
  SwarmLook look;
  int minor_version = 0;  // of the API
};

enum class ResolveImages : std::uint8_t { always, changed, never };

// All of it in parallel. The Engine has been found to be a manager.
[[nodiscard]] Result<SwarmState> read_swarm_state(const Budget& budget, Engine& engine,
                                                  const StackSpec& stack, ResolveImages resolve,
                                                  const RegistryLogins& logins = {});

// Whether it runs a task on each node, or on each that its constraints allow.
[[nodiscard]] bool is_global(const Json& spec);
// "/services?filters=...", of the stack.
[[nodiscard]] std::string of_stack(const std::string& path, const std::string& stack,
                                   bool up_to_date = false);
// The networks of a service, by name or ID.
[[nodiscard]] std::vector<std::string> targets_of(const Json& spec);
// Hostile JSON of /services: what is no service is left out.
[[nodiscard]] std::map<std::string, SwarmService> parse_services(const Json& list);

}  // namespace pca::swarm_deploy
