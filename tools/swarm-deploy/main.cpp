#include "cli/tool_main.hpp"
#include "swarm-deploy/config_command.hpp"
#include "swarm-deploy/deploy_command.hpp"
#include "swarm-deploy/node_command.hpp"
#include "swarm-deploy/options.hpp"
#include "swarm-deploy/preview_command.hpp"
#include "swarm-deploy/release_commands.hpp"
#include "swarm-deploy/rm_command.hpp"
#include "swarm-deploy/rollback_command.hpp"
#include "swarm-deploy/status_command.hpp"

namespace pca::swarm_deploy {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "config") return run_config(context, inputs, bad);
  if (command == "plan") return run_plan(context, inputs, bad);
  if (command == "deploy") return run_deploy(context, inputs, bad);
  if (command == "rollback") return run_rollback(context, inputs, bad);
  if (command == "status") return run_status(context, inputs, bad);
  if (command == "wait") return run_wait(context, inputs, bad);
  if (command == "list") return run_list(context, inputs, bad);
  if (command == "hold" || command == "unhold") return run_hold(context, inputs, bad);
  if (command == "unlock") return run_unlock(context, inputs, bad);
  if (command == "rm") return run_rm(context, inputs, bad);
  if (command == "node") return run_node(context, inputs, bad);
  if (command == "preview up") return run_preview_up(context, inputs, bad);
  if (command.starts_with("preview ")) return run_preview(context, inputs, bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::swarm_deploy

int main(int argc, char** argv) {
  using namespace pca::swarm_deploy;
  return pca::tool_main(argc, argv, "swarm-deploy", tool_spec, run);
}
