#pragma once

#include <vector>

#include "cli/tool_main.hpp"
#include "proxmox-deploy/app_run.hpp"

namespace pca::proxmox_deploy {

// What commands that make a guest the active one are told of the switch and of waiting.
[[nodiscard]] std::vector<Option> switch_options();
[[nodiscard]] std::vector<Option> waiting_options();
// But for the application, its address and its health.
[[nodiscard]] AppRunInputs read_app_run_inputs(ToolContext& context, const Inputs& inputs,
                                               BadInputs& bad);
// Why somebody does it; at most `longest_reason` bytes, so that it fits into the guest's record.
inline constexpr std::size_t longest_reason = 500;
[[nodiscard]] Option reason_option(std::string help);
[[nodiscard]] std::string read_reason(const Inputs& inputs, BadInputs& bad);
// Their outputs. `can_be_held`: one that says so.
[[nodiscard]] std::vector<Output> run_outputs(bool can_be_held);

[[nodiscard]] std::vector<Option> joined(std::vector<std::vector<Option>> parts);
[[nodiscard]] std::vector<Output> joined_outputs(std::vector<Output> all, std::vector<Output> more);

}  // namespace pca::proxmox_deploy
