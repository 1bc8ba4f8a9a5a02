#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "cli/tool_main.hpp"
#include "deploy/provenance.hpp"
#include "runner/text_table.hpp"

namespace pca {

// What a host or a swarm keeps of its releases, for people. All of it may be hostile: show it
// visible().

// Its first seven digits.
[[nodiscard]] std::string short_commit(std::string_view commit);
// Why a line of the history is there: what somebody said, what is reverted, how healthy it was.
[[nodiscard]] std::string reason_of(const Json& entry);
// "on hold since 20261124T093000Z-1a2b3c4 was rolled back by octocat: it smells".
[[nodiscard]] std::string describe_hold(const Json& hold);
// Whether a hold refuses to deploy `from`. `commits` are those that the history shows, from the
// oldest; one that it shows before the held one is refused, too.
[[nodiscard]] bool hold_refuses(const Json& hold, std::span<const std::string> commits,
                                const Provenance& from);
// "octocat, who deploys 20261124T093000Z-1a2b3c4 (https://...)", of a line of JSON.
[[nodiscard]] std::string describe_lock(std::string_view line);

// A host's table and notes, in the log and at the end of `summary`.
void show(ToolContext& context, const std::string& host, const TextTable& table,
          const std::vector<std::string>& notes, std::string& summary);

}  // namespace pca
