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
  std::string result = {};   // deployed, unverified, or what else became of it
  std::string commit = {};
  Json record = {};       // what else its labels say: action, actor, run-url, started, ended, ...
  std::string data = {};  // pack() made it

  [[nodiscard]] bool is_good() const { return result == "deployed"; }
  // It was written, and nobody waited until it was well.
  [[nodiscard]] bool is_unverified() const { return result == "unverified"; }
};

// A config that says one thing of a stack, and is written again and again.
struct StackRecord {
  std::string config;        // its ID; empty = there is none yet
  std::int64_t version = 0;  // of that config; -1 = it was written since
};

struct StackHistory {
  std::vector<StackRelease> releases;  // from the oldest
  std::string current;                 // what the stack is; empty before its first release
  std::string unfinished;       // whose deploy began and did not end as deployed or taken back
  std::optional<Json> hold;     // why newer deploys are refused
  StackRecord state;            // what holds these
  std::optional<Json> lock;     // whose it is
  std::optional<Json> preview;  // whose preview the stack is
  StackRecord preview_record;   // what says so

  [[nodiscard]] const StackRelease* find(std::string_view id) const;
  // The newest good release that is not the current one, else the newest unverified one; nullptr
  // when there is neither.
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

// "private-cloud-actions.KEY": a label of ours.
[[nodiscard]] std::string own_label(std::string_view key);
// Our labels of a spec, without what they begin with.
[[nodiscard]] Json own_labels(const Json& spec);
// "filters=..." for /configs: all of a stack's history.
[[nodiscard]] std::string history_filter(const std::string& stack);
// What the names of all records of a stack, and perhaps of others, begin with.
[[nodiscard]] std::string record_prefix(const std::string& stack);
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
// The same of what was read, and of nothing else: false when somebody else changed it since, and
// `history` is what is there now.
[[nodiscard]] Result<bool> change_state_as_read(const Budget& budget, Engine& engine,
                                                const std::string& stack, StackHistory& history,
                                                const std::function<void(StackHistory&)>& change);
// Says of a stack that it is a preview, and whose. With `is_there` only where that was said before:
// conflict when somebody removed the preview meanwhile.
[[nodiscard]] Result<> keep_preview(const Budget& budget, Engine& engine, const std::string& stack,
                                    StackHistory& history, const Json& preview, bool is_there);
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
  // In which wave services were deployed, by name; those that are in none are in the first.
  std::map<std::string, std::size_t> waves = {};
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
