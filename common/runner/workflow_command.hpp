#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pca {

// The GitHub runner's workflow commands, "::name key=value::data" (escaping as the runner undoes
// it).
[[nodiscard]] std::string escape_command_data(std::string_view data);
[[nodiscard]] std::string escape_command_property(std::string_view value);
// One line without its end. Properties with an empty value are left out.
[[nodiscard]] std::string workflow_command(
    std::string_view name, const std::vector<std::pair<std::string, std::string>>& properties,
    std::string_view data);

}  // namespace pca
