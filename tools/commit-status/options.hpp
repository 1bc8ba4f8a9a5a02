#pragma once

#include "cli/options.hpp"

namespace pca::commit_status {

// The one option table of commit-status: flags, INPUT_ variables, help, action.yml and README come
// from it.
[[nodiscard]] ToolSpec tool_spec();

}  // namespace pca::commit_status
