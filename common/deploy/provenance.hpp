#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/tool_main.hpp"

namespace pca {

// What the records say about who deploys what. All of it may be empty.
struct Provenance {
  std::string commit;
  std::string commit_time;  // RFC 3339 in UTC
  std::string revert_of;    // the commit that `commit` says it reverts
  std::string branch;
  std::string repository;
  std::string actor;
  std::string run_url;
};

// Who asks, by the runner's variables; `commit` and `commit_time` are left empty.
[[nodiscard]] Provenance read_provenance(const ToolContext& context);

// The inputs commit and commit-time, and what they say.
[[nodiscard]] std::vector<Option> commit_options(const std::string& group);
void read_commit(const ToolContext& context, const Inputs& inputs, Provenance& from,
                 BadInputs& bad);

// "20261124T093000Z-1a2b3c4": letters, digits and dashes, so that it is safe in any path.
[[nodiscard]] bool is_release_id(std::string_view text);
// <utc>-<sha7> of now; without a commit seven digits of the digest of `content`.
[[nodiscard]] std::string make_release_id(const std::string& commit, std::string_view content);

}  // namespace pca
