#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "swarm-deploy/object_removal.hpp"
#include "swarm-deploy/registry_logins.hpp"
#include "swarm-deploy/stack_spec.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

enum class Action : std::uint8_t { create, update, unchanged, remove };
[[nodiscard]] std::string_view name_of(Action action);  // "create"

struct ServicePlan {
  Action action = Action::unchanged;
  std::string name;
  std::size_t wave = 0;  // it is written once those of lower waves are well
  std::string image;     // with its digest where that is known
  Json spec;             // to be sent; IDs of objects that are to be made are names
  const Secret* registry_auth = nullptr;  // to be sent with it; borrowed
  SwarmService before;                    // what is there; empty for create
  std::vector<std::string> changes;       // "image: a -> b", for people
};

struct StackPlan {
  std::vector<StackNetwork> networks;  // to be made
  std::vector<StackObject> secrets;    // to be made
  std::vector<StackObject> configs;    // to be made
  std::vector<ServicePlan> services;   // all of the stack, by name
  std::vector<std::string> staying;    // what the files want otherwise and a swarm cannot change
  std::vector<NamedObject> leftovers;  // to be removed once all is well; see leftovers.hpp
  std::vector<std::string> warnings;
  std::vector<std::string> mistakes;  // why nothing may be written

  [[nodiscard]] std::size_t count(Action action) const;
  [[nodiscard]] bool changes_nothing() const;
  // For how long the swarm itself watches an update, of the services that are written.
  [[nodiscard]] std::chrono::milliseconds longest_monitor() const;
};

struct PlanRules {
  ResolveImages resolve = ResolveImages::always;
  bool require_digest = true;
  bool prune = false;
  bool is_rollback = false;  // the specs are what they were: images stay, what is gone is missed
};

// What is to be done, and what stands against it. Pure.
[[nodiscard]] StackPlan make_plan(const StackSpec& wanted, const SwarmState& state,
                                  const PlanRules& rules, const RegistryLogins& logins = {});

// A service's spec without what the Engine adds and leaves out by itself, so that two that mean the
// same are equal. `network_names` by ID.
[[nodiscard]] Json canonical_spec(const Json& spec,
                                  const std::map<std::string, std::string>& network_names,
                                  int minor_version);
// The ways in which two canonical specs differ. Values of environment variables are not shown.
[[nodiscard]] std::vector<std::string> differences(const Json& before, const Json& after);

}  // namespace pca::swarm_deploy
