#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inputs.hpp"
#include "cli/shell_script.hpp"

namespace pca {

// What commands that run a shell script elsewhere are told: the script, its shell, its variables
// and where it runs. All mistakes go to `bad`, and what is given back is only good when it stays
// empty.

// How long a script may be, in what the help says of it.
struct ScriptLimits {
  std::uint64_t bytes = 64ULL * 1024 * 1024;
  std::string of_text =
      "sent on stdin, never in a command line; at most 128 KiB, which is all that Linux lets a "
      "variable hold";
  std::string of_file = "of up to 64 MiB";
};
[[nodiscard]] std::vector<Option> script_options(const std::string& group,
                                                 const ScriptLimits& limits = {});

// Where they are read from besides the inputs.
struct ScriptSources {
  const Environment& environment;  // for pass-env, whose names the user gives
  Redactor& redactor;
  std::function<void(std::string)> say;  // repairs that were made
};

[[nodiscard]] ShellScript read_shell_script(const Budget& budget, const Inputs& inputs,
                                            const ScriptSources& sources, BadInputs& bad,
                                            const ScriptLimits& limits = {});

// Its parts. Of script, script-file and command the one that is given, at most `limit` bytes.
[[nodiscard]] std::string read_script(const Budget& budget, const Inputs& inputs,
                                      const ScriptSources& sources, std::uint64_t limit,
                                      BadInputs& bad);
[[nodiscard]] std::vector<EnvironmentLine> read_environment_lines(const Inputs& inputs,
                                                                  const ScriptSources& sources,
                                                                  BadInputs& bad);
// Whether one of script, script-file and command is given.
[[nodiscard]] bool has_script(const Inputs& inputs);

// Whether a shell can have a variable of this name.
[[nodiscard]] bool is_variable_name(std::string_view name);

}  // namespace pca
