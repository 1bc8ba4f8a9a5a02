#pragma once

#include "cli/tool_main.hpp"

namespace pca::tunnel_ssh {

// `tunnel-ssh preview ...`: branches' releases beside an application's own.
[[nodiscard]] Result<int> run_preview(ToolContext& context, Inputs inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
