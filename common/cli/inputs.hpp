#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "cli/options.hpp"
#include "runner/redactor.hpp"

namespace pca {

// Variables of the process, injected for tests.
using Environment = std::map<std::string, std::string>;
[[nodiscard]] Environment read_environment();

// One mistake in what the user gave: which input, what is wrong, what to write instead.
struct BadInput {
  std::string input;  // "connect-timeout", or empty for a mistake about no single input
  std::string problem;
  std::string cure;
};

// Collects mistakes, so that all of them are told together.
class BadInputs {
 public:
  void add(std::string input, std::string problem, std::string cure = {});
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] const std::vector<BadInput>& items() const { return items_; }
  // One Error of kind bad_input whose message has a line for each mistake.
  [[nodiscard]] Error to_error() const;

 private:
  std::vector<BadInput> items_;
};

// The checked values of one command's options: flag, else INPUT_NAME (the dashed spelling first,
// then underscores), else the default. Nothing else of the environment is read. Typed getters
// assume the type of the option table; a wrong name is a bug and ends the tool with exit 70.
class Inputs {
 public:
  [[nodiscard]] const std::string& command() const { return command_; }
  [[nodiscard]] bool has(std::string_view name) const;  // given and not empty
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name) const;
  [[nodiscard]] std::chrono::milliseconds duration(std::string_view name) const;
  [[nodiscard]] std::uint64_t size(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;
  // Moves the secret out; an empty one when it was not given.
  [[nodiscard]] Secret take_secret(std::string_view name);

  // Values by name, kept open so that parse_inputs() can fill it.
  struct Value {
    OptionType type = OptionType::text;
    bool given = false;
    std::string text;
    bool boolean = false;
    std::int64_t number = 0;
    std::vector<std::string> items;
    Secret secret;
  };
  std::string command_;
  std::map<std::string, Value, std::less<>> values_;
};

// What the command line asks for.
struct Invocation {
  enum class Kind : std::uint8_t { run, help, help_json, version } kind = Kind::run;
  std::string help_for;  // a command, or empty
  Inputs inputs;
};

// Reads argv (without the program's name) and INPUT_*. Unknown flags, and INPUT_ names that are set
// but unknown to the command, are mistakes with the nearest name. Secret files are read here, size
// capped. Secrets in the environment are protected at once. Also understands --help, --help --json,
// --version, --json, --debug, --no-color for every command.
[[nodiscard]] Result<Invocation> parse_invocation(const ToolSpec& tool,
                                                  std::span<const std::string> arguments,
                                                  const Environment& environment,
                                                  Redactor& redactor, BadInputs& bad);

}  // namespace pca
