#include "cli/options.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace pca {

namespace {

Option general(std::string name, std::string help) {
  Option option;
  option.name = std::move(name);
  option.type = OptionType::boolean;
  option.default_value = "false";
  option.help = std::move(help);
  option.group = "General";
  return option;
}

}  // namespace

std::span<const Option> general_options() {
  static const std::vector<Option> options{
      general("json", "Print the report as JSON on stdout; the log goes to stderr"),
      general("debug", "Say more about what is going on"),
      general("no-color", "No colour on a terminal; so does the variable NO_COLOR"),
  };
  return options;
}

const CommandSpec* find_command(const ToolSpec& tool, std::string_view name) {
  const auto found = std::find_if(tool.commands.begin(), tool.commands.end(),
                                  [&](const CommandSpec& command) { return command.name == name; });
  return found == tool.commands.end() ? nullptr : &*found;
}

const Option* find_option(const CommandSpec& command, std::string_view name) {
  const auto is_it = [&](const Option& option) { return option.name == name; };
  const auto own = std::find_if(command.options.begin(), command.options.end(), is_it);
  if (own != command.options.end()) return &*own;
  const std::span<const Option> shared = general_options();
  const auto found = std::find_if(shared.begin(), shared.end(), is_it);
  return found == shared.end() ? nullptr : &*found;
}

std::string flag_of(const Option& option) {
  return option.type == OptionType::secret ? option.name + "-file" : option.name;
}

std::string variable_of(std::string_view option_name) {
  std::string name = "INPUT_" + to_upper(option_name);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string placeholder_of(const Option& option) {
  if (!option.placeholder.empty()) return option.placeholder;
  switch (option.type) {
    case OptionType::text:
    case OptionType::verbatim:
      return option.takes_stdin ? "PATH|-" : "TEXT";
    case OptionType::secret:
      return "PATH|-";
    case OptionType::boolean:
      return {};
    case OptionType::integer:
      return "NUMBER";
    case OptionType::duration:
      return "DURATION";
    case OptionType::size:
      return "SIZE";
    case OptionType::choice:
      return join(option.choices, "|");
    case OptionType::list:
      return "ITEM";
  }
  return {};
}

}  // namespace pca
