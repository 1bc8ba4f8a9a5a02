#pragma once

#include "cli/tool_main.hpp"
#include "proxmox-deploy/file_push.hpp"
#include "runner/capture.hpp"

namespace pca::proxmox_deploy {

// run: a script in one guest. push: files into one guest. Both by its agent.
[[nodiscard]] CommandSpec run_command();
[[nodiscard]] CommandSpec push_command();
[[nodiscard]] Result<int> run_run(ToolContext& context, Inputs& inputs, BadInputs& bad);
[[nodiscard]] Result<int> run_push(ToolContext& context, Inputs& inputs, BadInputs& bad);

// What update has of them, too.
[[nodiscard]] std::vector<Option> guest_script_options(const std::string& group);
// Its prelude counts to its length.
[[nodiscard]] ShellScript read_guest_script(ToolContext& context, const Inputs& inputs,
                                            BadInputs& bad);
[[nodiscard]] PushProgress show_progress(Reporter& reporter);
// What it prints goes to the log, and to `out` and `err` where there are any.
[[nodiscard]] ApiResult<int> run_and_show(const Budget& budget, ToolContext& context,
                                          ProxmoxApi& api, const Guest& guest,
                                          const ShellScript& script, bool waits_for_end = true,
                                          Capture* out = nullptr, Capture* err = nullptr);

}  // namespace pca::proxmox_deploy
