#include "swarm-deploy/config_command.hpp"

#include "base/text.hpp"
#include "swarm-deploy/stack_inputs.hpp"

namespace pca::swarm_deploy {

Result<int> run_config(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  const Compose compose = read_compose_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  context.reporter.info(trim(compose_yaml(compose.config)));
  context.reporter.report(compose.config);
  return 0;
}

}  // namespace pca::swarm_deploy
