#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "deploy/preview.hpp"
#include "net/engine.hpp"
#include "swarm-deploy/object_removal.hpp"
#include "swarm-deploy/release_history.hpp"

namespace pca::swarm_deploy {

// All that a swarm has of a stack.
struct StackThings {
  std::vector<NamedObject> all;
  std::vector<std::string> in_use;   // what services outside of the stack use of it, for people
  std::vector<std::string> records;  // IDs of the configs of its history, without the lock
  StackHistory history;              // what these say
  std::optional<Preview> preview;    // whose it is, when it is one
  std::set<std::string> nodes;       // IDs of those where its volumes may be
  std::set<std::string> lost_nodes;  // the same of those that the swarm has no more
  std::map<std::string, std::string> node_names;  // of the whole swarm, by ID

  [[nodiscard]] bool is_nothing() const {
    return all.empty() && records.empty() && history.preview_record.config.empty();
  }
};
// Hostnames by ID, of hostile JSON of /nodes.
[[nodiscard]] std::map<std::string, std::string> names_of_nodes(const Json& nodes);
[[nodiscard]] Result<StackThings> read_stack_things(const Budget& budget, Engine& engine,
                                                    const std::string& stack);

struct RemovalRules {
  std::string action;  // who has the lock for what: "rm"
  Milliseconds lock_wait{};
  Milliseconds timeout{};
  // Asked of what is there once the lock is ours; false leaves all.
  std::function<bool(const StackThings&)> is_wanted = {};
  // What else has to go, between all others and the history: when it fails, that stays, so that the
  // next removal finds the stack. The nodes whose volumes are left; without it those of all.
  std::function<Result<std::set<std::string>>(const Budget&, const StackThings&)> last = {};
};
// Under the stack's lock: its services first, then, when their tasks have ended, networks, secrets
// and configs, its history last. A preview's record says from the beginning where volumes may be,
// and stays while any are left. What was there; nothing when it was not wanted. Safe to call twice.
[[nodiscard]] Result<std::optional<StackThings>> remove_stack(ToolContext& context, Engine& engine,
                                                              const std::string& stack,
                                                              const RemovalRules& rules);

}  // namespace pca::swarm_deploy
