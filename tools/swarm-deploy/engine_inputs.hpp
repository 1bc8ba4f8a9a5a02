#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/connection_inputs.hpp"
#include "cli/tool_main.hpp"
#include "net/engine.hpp"
#include "swarm-deploy/registry_logins.hpp"

namespace pca::swarm_deploy {

// How a manager's Engine is reached: from here, or through SSH by the connection inputs.
[[nodiscard]] std::vector<Option> engine_options();

// The Engines to try, in this order; contacts nothing. Mistakes go to `bad`. They borrow the
// context's reporter.
[[nodiscard]] std::vector<EngineEndpoint> read_engine_inputs(ToolContext& context, Inputs& inputs,
                                                             BadInputs& bad);

// The first of them that manages a swarm; the log hears of the others.
[[nodiscard]] Result<std::unique_ptr<Engine>> connect_manager(
    const Budget& budget, ToolContext& context, const std::vector<EngineEndpoint>& engines);

[[nodiscard]] Option registry_option();
// Warnings about them go to the log.
[[nodiscard]] RegistryLogins read_registries(ToolContext& context, Inputs& inputs, BadInputs& bad);

// What commands that read no compose files are told.
struct ManagerInputs {
  std::string stack;
  std::vector<EngineEndpoint> engines;
};
[[nodiscard]] ManagerInputs read_manager_inputs(ToolContext& context, Inputs& inputs,
                                                BadInputs& bad);
[[nodiscard]] Result<std::unique_ptr<Engine>> connect_manager(ToolContext& context,
                                                              const ManagerInputs& inputs);

}  // namespace pca::swarm_deploy
