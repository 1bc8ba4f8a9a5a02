#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "tunnel-ssh/phases.hpp"
#include "tunnel-ssh/release_inputs.hpp"
#include "tunnel-ssh/sync_plan.hpp"

namespace pca::tunnel_ssh {

// What became of a release on one host.
struct HostRelease {
  std::string host;
  // deployed, unchanged, planned, rolled-back, failed or unknown; held when a hold refused it.
  std::string outcome = "failed";
  std::optional<Error> error;
  bool follows_another = false;  // its error is only that another host failed
  std::string previous;          // the release that was current
  SyncPlan difference;           // to what is current there
  std::vector<std::string> changes;
  std::string port;            // of its instance; empty = of no interest
  std::string health;          // why it counts as healthy
  double gap_ms = -1;          // how long the restart kept it from answering at most; -1 = unknown
  std::string last_log_lines;  // of the application, when it does not
  std::vector<Phase> phases;
};

// What became of it on all of them.
struct ReleaseRun {
  std::string release;
  std::string preview = {};  // the slug of the one that it is of; empty = of none
  std::vector<HostRelease> hosts;
  double duration_ms = 0;

  // The gravest of all hosts.
  [[nodiscard]] std::string outcome() const;
  // Nothing when all is well; the gravest, and how many hosts it was not for.
  [[nodiscard]] std::optional<Error> error() const;
};

// Brings `tree`, as release `id`, to all hosts: staged everywhere, then switched everywhere, and
// kept only where all are healthy. A rollback is the same with a release that is there already (its
// `tree` is nothing, and `id` is empty for the newest good one).
[[nodiscard]] ReleaseRun run_release_everywhere(ToolContext& context, const ReleaseInputs& inputs,
                                                const std::optional<FileTree>& tree,
                                                const std::string& id);

}  // namespace pca::tunnel_ssh
