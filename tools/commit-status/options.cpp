#include "commit-status/options.hpp"

#include "commit-status/option_groups.hpp"

namespace pca::commit_status {

ToolSpec tool_spec() {
  return {
      .name = "commit-status",
      .summary = "Tells GitHub and Compass how a commit's deploy stands",
      .commands = {status_command(), check_command(), run_command(), deployment_start_command(),
                   deployment_finish_command(), wait_command(), summary_command(),
                   compass_command()},
      .examples = {{"What would be sent?", "commit-status status --state success --dry-run"}},
  };
}

}  // namespace pca::commit_status
