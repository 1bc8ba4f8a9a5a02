#pragma once

#include <string>

#include "base/json.hpp"
#include "cli/options.hpp"

namespace pca {

// For a terminal, at most 100 columns: of the tool, or of one of its commands. All of it is made
// from the option table.
[[nodiscard]] std::string help_text(const ToolSpec& tool, const std::string& command);
// Everything the option table says, for scripts and for the test that compares it with the
// documents.
[[nodiscard]] Json help_json(const ToolSpec& tool);
// The tool's version, then one line a library it was built from.
[[nodiscard]] std::string version_text(const ToolSpec& tool);
// The README's tables, between marker comments: inputs (name, default, meaning), outputs, exit
// codes.
[[nodiscard]] std::string readme_input_table(const CommandSpec& command);
[[nodiscard]] std::string readme_output_table(const CommandSpec& command);
[[nodiscard]] std::string readme_exit_code_table();

}  // namespace pca
