#pragma once

#include <string>

#include "base/json.hpp"
#include "cli/options.hpp"

namespace pca {

[[nodiscard]] std::string help_text(const ToolSpec& tool, const std::string& command);
[[nodiscard]] Json help_json(const ToolSpec& tool);
// The README's tables, between marker comments: inputs (name, default, meaning), outputs, exit
// codes.
[[nodiscard]] std::string readme_input_table(const CommandSpec& command);
[[nodiscard]] std::string readme_output_table(const CommandSpec& command);
[[nodiscard]] std::string readme_exit_code_table();

}  // namespace pca
