#include "cli/tool_main.hpp"
#include "commit-status/check_command.hpp"
#include "commit-status/compass_command.hpp"
#include "commit-status/deployment_command.hpp"
#include "commit-status/options.hpp"
#include "commit-status/run_command.hpp"
#include "commit-status/status_command.hpp"
#include "commit-status/summary_command.hpp"
#include "commit-status/wait_command.hpp"

namespace pca::commit_status {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "status") return run_status(context, std::move(inputs), bad);
  if (command == "deployment start") return run_deployment_start(context, std::move(inputs), bad);
  if (command == "deployment finish") return run_deployment_finish(context, std::move(inputs), bad);
  if (command == "wait") return run_wait(context, std::move(inputs), bad);
  if (command == "check") return run_check(context, std::move(inputs), bad);
  if (command == "compass") return run_compass(context, std::move(inputs), bad);
  if (command == "summary") return run_summary(context, std::move(inputs), bad);
  if (command == "run") return run_run(context, std::move(inputs), bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::commit_status

int main(int argc, char** argv) {
  using namespace pca::commit_status;
  return pca::tool_main(argc, argv, "commit-status", tool_spec, run);
}
