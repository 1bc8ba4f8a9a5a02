#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/inputs.hpp"

namespace pca {

// What commands that run a shell script elsewhere are told: script, script-file, command, env and
// pass-env. All mistakes go to `bad`, and what is given back is only good when it stays empty.

// One variable for the script. The value may be secret: it goes by stdin, never by argv.
struct EnvironmentLine {
  std::string name;
  std::string value;  // empty when `secret` is set
  Secret secret;
};

// Where they are read from besides the inputs.
struct ScriptSources {
  const Environment& environment;  // for pass-env, whose names the user gives
  Redactor& redactor;
  std::function<void(std::string)> say;  // repairs that were made
};

// Of script, script-file and command the one that is given; at most 64 MiB.
[[nodiscard]] std::string read_script(const Budget& budget, const Inputs& inputs,
                                      const ScriptSources& sources, BadInputs& bad);
[[nodiscard]] std::vector<EnvironmentLine> read_environment_lines(const Inputs& inputs,
                                                                  const ScriptSources& sources,
                                                                  BadInputs& bad);

// Whether a shell can have a variable of this name.
[[nodiscard]] bool is_variable_name(std::string_view name);

}  // namespace pca
