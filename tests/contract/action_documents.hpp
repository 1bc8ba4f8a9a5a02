#pragma once

#include <string>
#include <vector>

#include "cli/options.hpp"

namespace pca::test {

// One composite action: a folder under actions/ that runs one command of one tool.
struct Action {
  std::string tool;         // "tunnel-ssh"
  std::string folder;       // "tunnel-sync"
  std::string command;      // "exec"
  std::string name;         // as the marketplace shows it
  std::string description;  // one sentence
  // What the step passes besides the user's inputs, as "name: value".
  std::vector<std::string> fixed_inputs = {};
  // Of a recipe, beside those of the connection: its run.sh checks them and runs the command.
  std::vector<Option> recipe_inputs = {};
};

[[nodiscard]] std::vector<Action> all_actions();
// The option table of a tool that has actions.
[[nodiscard]] ToolSpec spec_of_tool(const std::string& name);

// The command with all that the action has of it: of a recipe's only the connection and the limits,
// with the recipe's inputs in between.
[[nodiscard]] CommandSpec command_of_action(const Action& action);

// The command with the inputs that users of the action have: not the fixed ones, but those of the
// step that finds the executables.
[[nodiscard]] CommandSpec inputs_of_action(const Action& action, const CommandSpec& command);

// The whole action.yml, made from the option table.
[[nodiscard]] std::string action_yml(const Action& action, const CommandSpec& command);

// `text` with what stands between <!-- NAME --> and <!-- /NAME --> replaced. The text without such
// marks comes back as it is.
[[nodiscard]] std::string with_block(const std::string& text, const std::string& name,
                                     const std::string& content);

}  // namespace pca::test
