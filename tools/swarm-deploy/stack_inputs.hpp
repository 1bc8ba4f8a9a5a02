#pragma once

#include <functional>
#include <string>

#include "cli/tool_main.hpp"
#include "swarm-deploy/compose_file.hpp"
#include "swarm-deploy/stack_spec.hpp"

namespace pca::swarm_deploy {

// The input stack.
[[nodiscard]] std::string read_stack_name(const Inputs& inputs, BadInputs& bad);

// Reads the compose files that the inputs name, with their variables. Mistakes go to `bad`, each
// with file, line and column; warnings to the log (with `strict` they are mistakes too).
[[nodiscard]] Compose read_compose_inputs(ToolContext& context, const Inputs& inputs,
                                          BadInputs& bad);

// The same converted for the stack that the inputs name.
[[nodiscard]] StackSpec read_stack_inputs(ToolContext& context, const Inputs& inputs,
                                          BadInputs& bad);

// The same for a stack that is called `name` whatever the files say, with `variables` that win over
// all others.
[[nodiscard]] StackSpec read_stack_inputs(ToolContext& context, const Inputs& inputs,
                                          const std::string& name, const Variables& variables,
                                          BadInputs& bad);

}  // namespace pca::swarm_deploy
