#pragma once

#include <string>

#include "base/json.hpp"
#include "cli/tool_main.hpp"

namespace pca {

// Writes the report, redacted, to a new file below RUNNER_TEMP that only its owner can read. The
// path; nothing outside of Actions, or (with a warning) when it cannot be written.
[[nodiscard]] std::string write_report(ToolContext& context, const Json& report);

}  // namespace pca
