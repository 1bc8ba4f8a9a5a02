#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "net/engine.hpp"
#include "swarm-deploy/stack_spec.hpp"

namespace pca::swarm_deploy {

// What a swarm keeps of a stack's releases: configs of their own beside the stack's, so that
// everybody who reaches a manager finds them. Their labels say what they are; they have no label of
// the stack's objects, so that nothing takes them for such. All in them may be hostile.

// One release: how it was made, and all that it was made of.
struct StackRelease {
  std::string id = {};       // "20261124T093000Z-1a2b3c4"
  std::string config = {};   // the ID of its config
  std::int64_t version = 0;  // of the config
  std::string result = {};   // deployed, or what else became of it
  std::string commit = {};
  Json record = {};       // what else its labels say: action, actor, run-url, started, ended, ...
  std::string data = {};  // pack() made it

  [[nodiscard]] bool is_good() const { return result == "deployed"; }
};

struct StackHistory {
  std::vector<StackRelease> releases;  // from the oldest
  std::string current;                 // what the stack is; empty before its first release
  std::string unfinished;    // whose deploy began and did not end as deployed or taken back
  std::optional<Json> hold;  // why newer deploys are refused
  std::string config;        // the ID of the config that holds these; empty = none yet
  std::int64_t version = 0;  // of that config; -1 = it was written since
  std::optional<Json> lock;  // whose it is

  [[nodiscard]] const StackRelease* find(std::string_view id) const;
  // The newest good release that is not the current one; nullptr when there is none.
  [[nodiscard]] const StackRelease* previous() const;
  // Which need not be kept beside the last ten good ones, the current one and the one before. Of
  // those that were no good the last ten are kept, too.
  [[nodiscard]] std::vector<const StackRelease*> dispensable() const;
  // Whether a run of somebody else came between.
  [[nodiscard]] bool is_like(const StackHistory& other) const;
};

// Where a rollback goes: to the release `to`; without one to what is current when something is
// unfinished (or on with the unfinished rollback), else to the one before.
[[nodiscard]] Result<StackRelease> rollback_target(const StackHistory& history,
                                                   const std::string& stack, const std::string& to);

// "filters=..." for /configs: all of a stack's history.
[[nodiscard]] std::string history_filter(const std::string& stack);
// Hostile JSON of /configs: what is no record of this stack is left out.
[[nodiscard]] StackHistory parse_history(const Json& configs, const std::string& stack);
[[nodiscard]] Result<StackHistory> read_history(const Budget& budget, Engine& engine,
                                                const std::string& stack);

// What a config of the history is called: "shop.release-<id>"; 64 characters at most.
[[nodiscard]] std::string record_name(const std::string& stack, const std::string& what);
// The body of POST /configs/create and of an update; `record` becomes labels.
[[nodiscard]] Json record_config(const std::string& stack, const std::string& kind,
                                 const std::string& what, const Json& record,
                                 const std::string& data = {});

// Changes what is current, unfinished and on hold, of what is there then; `history` is that after
// it. Once more when somebody else changed it meanwhile, so `change` may be called again.
[[nodiscard]] Result<> change_state(const Budget& budget, Engine& engine, const std::string& stack,
                                    StackHistory& history,
                                    const std::function<void(StackHistory&)>& change);
// Adds a release. It is there already when only the answer was lost.
[[nodiscard]] Result<> keep_release(const Budget& budget, Engine& engine, const std::string& stack,
                                    const StackRelease& release);
// Says of a release what became of it later.
[[nodiscard]] Result<> mark_release(const Budget& budget, Engine& engine, const std::string& stack,
                                    const StackRelease& release, const std::string& result);

// All that a release is made of, as the Engine keeps it: specs of services whose networks are
// named, and what networks of the stack's own are made of. Of secrets and configs names and IDs.
struct StackParts {
  std::vector<Json> services;
  std::vector<Json> networks;
  std::vector<std::string> external_networks;
};
// Of /services of the stack and all /networks of the swarm. Of `wanted` networks it is known what
// they were made of; of others only what can be seen.
[[nodiscard]] StackParts parts_of(const std::string& stack, const Json& services,
                                  const Json& networks, const std::vector<StackNetwork>& wanted);
[[nodiscard]] Result<StackParts> read_parts(const Budget& budget, Engine& engine,
                                            const std::string& stack,
                                            const std::vector<StackNetwork>& wanted);
// For the data of a config: gzip in base64. failed when it is more than any Engine keeps.
[[nodiscard]] Result<std::string> pack(const StackParts& parts);
// Hostile. failed for what pack() cannot have made.
[[nodiscard]] Result<StackParts> unpack(const std::string& data);
// As if files had asked for it. Images are what they were.
[[nodiscard]] StackSpec spec_of(const std::string& stack, const StackParts& parts);

}  // namespace pca::swarm_deploy
