#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh session open`: connections that a background process holds for the rest of the job.
Result<int> run_session_open(ToolContext& context, Inputs inputs, BadInputs& bad);
// `tunnel-ssh session close`: ends all of them, or those to some hosts; fine when there are none.
Result<int> run_session_close(ToolContext& context, const Inputs& inputs, BadInputs& bad);
// `tunnel-ssh session status`: lists them.
Result<int> run_session_status(ToolContext& context, BadInputs& bad);

}  // namespace pca::tunnel_ssh
