#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "cli/tool_main.hpp"

namespace pca {

// What a branch has for itself beside the releases of an application: a folder of releases on a
// host, a stack in a swarm. Its label says whose it is.
struct Preview {
  std::string slug = {};
  std::string repository = {};
  std::string branch = {};
  std::string commit = {};    // of the release that is there; empty = none has been healthy yet
  std::string deployed = {};  // the last time, by the clock there, RFC 3339 in UTC
  std::string expires = {};
  std::uint16_t port = 0;                      // of its instance on a host; 0 = none
  std::string stack = {};                      // in a swarm, as all that follows
  std::int64_t version = 0;                    // of its record; what is written later has more
  bool is_claim = false;                       // it has its place, and was never healthy
  bool is_gone = false;                        // but for volumes
  std::vector<std::string> volume_nodes = {};  // IDs of nodes whose volumes were not removed yet

  [[nodiscard]] bool is_of(std::string_view whose_repository, std::string_view whose_branch) const;
};
// What of it no clock tells: slug, repository, branch and commit.
[[nodiscard]] Json label_of(const Preview& preview);
// Of such a label with its times. Hostile: nothing when its slug is none.
[[nodiscard]] std::optional<Preview> preview_of(const Json& label);

// All previews of one place, with the place's own idea of what is old.
struct Previews {
  std::string now;
  std::string long_ago;      // what was deployed before is old
  std::vector<Preview> all;  // from the oldest
};
void sort_by_age(std::vector<Preview>& previews);

// Which previews are to go. What is not given takes none.
struct ReapRules {
  std::string repository = {};             // whose previews these are about; empty = anybody's
  std::vector<std::string> slugs = {};     // these
  std::vector<std::string> branches = {};  // those of these branches
  std::vector<std::string> live = {};      // those of other branches than these
  bool expired = false;
  bool old = false;                     // those deployed before `long_ago`
  std::optional<std::size_t> cap = {};  // the oldest, until so many are left
  bool remains = false;                 // those of which only volumes are left
  // Others have their previews in the same place: age and cap are about those of `repository`, too.
  bool is_shared_place = false;
};
struct Doomed {
  Preview preview;
  std::string why;
};
[[nodiscard]] std::vector<Doomed> choose_doomed(const Previews& previews, const ReapRules& rules);

// The inputs that say whose preview it is and how long it lives.
[[nodiscard]] Option preview_branch_option(const std::string& group);
[[nodiscard]] Option preview_ttl_option(const std::string& group);
[[nodiscard]] Milliseconds read_preview_ttl(const Inputs& inputs, BadInputs& bad);
// Those of `preview reap`; `tool` is whose "preview list" shows slugs.
[[nodiscard]] std::vector<Option> reap_options(const std::string& group);
[[nodiscard]] ReapRules read_reap_rules(const ToolContext& context, const Inputs& inputs,
                                        const std::string& repository, std::string_view tool,
                                        BadInputs& bad);

// Why the event of a job that names this branch does not mean the repository's own: a pull request
// from a fork may have a branch of the same name, and a tag that was deleted, too. Empty otherwise.
// Hostile text; pure.
[[nodiscard]] std::string stranger_in_event(std::string_view json, const std::string& repository,
                                            const std::string& branch);
// Refuses such a branch.
void require_own_branch(const ToolContext& context, const std::string& repository,
                        const std::string& branch, BadInputs& bad);

}  // namespace pca
