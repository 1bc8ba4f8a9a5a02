#pragma once

#include "cli/tool_main.hpp"
#include "deploy-policy/event.hpp"

namespace pca::deploy_policy {

// The event of the inputs, and of the runner where they are silent.
[[nodiscard]] Event read_event(ToolContext& context, const Inputs& inputs, BadInputs& bad);

// One line of a batch: {"event": "push", "ref": "refs/heads/main", "repository": "acme/shop",
// "actor": "...", "payload": {...}}.
[[nodiscard]] Result<Event> read_event_line(std::string_view line);

}  // namespace pca::deploy_policy
