#include "cli/tool_main.hpp"
#include "swarm-deploy/config_command.hpp"
#include "swarm-deploy/deploy_command.hpp"
#include "swarm-deploy/options.hpp"

namespace pca::swarm_deploy {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "config") return run_config(context, inputs, bad);
  if (command == "plan") return run_plan(context, inputs, bad);
  if (command == "deploy") return run_deploy(context, inputs, bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::swarm_deploy

int main(int argc, char** argv) {
  using namespace pca::swarm_deploy;
  return pca::tool_main(argc, argv, tool_spec(), run);
}
