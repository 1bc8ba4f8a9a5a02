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

#include "base/budget.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "cli/options.hpp"
#include "runner/redactor.hpp"

namespace pca {

// Variables of the process, injected for tests.
using Environment = std::map<std::string, std::string>;
[[nodiscard]] Environment read_environment();
// The value of one; empty when it is not set.
[[nodiscard]] std::string variable_in(const Environment& environment, const std::string& name);

// One mistake in what the user gave: which input, what is wrong, what to write instead.
struct BadInput {
  std::string input;    // "connect-timeout", or empty for a mistake about no single input
  std::string problem;  // continues "connect-timeout: "
  std::string cure;     // a sentence

  [[nodiscard]] std::string text() const;  // "connect-timeout: problem. Cure."
};

// Collects mistakes, so that all of them are told together.
class BadInputs {
 public:
  void add(BadInput item) { items_.push_back(std::move(item)); }
  void add(std::string input, std::string problem, std::string cure = {});
  // What a parser said about the value of `input`.
  void add(std::string input, const Error& error) {
    add(std::move(input), error.message, error.hint);
  }
  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] bool names(std::string_view input) const;  // one of them is about this input
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
  struct Value {
    bool given = false;  // by flag or variable, and not empty
    std::string text;
    bool boolean = false;
    std::int64_t number = 0;
    std::vector<std::string> items;
    std::size_t blank_items = 0;
    Secret secret;
  };
  using Values = std::map<std::string, Value, std::less<>>;

  Inputs() = default;
  Inputs(std::string command, Values values)
      : command_(std::move(command)), values_(std::move(values)) {}

  [[nodiscard]] const std::string& command() const { return command_; }
  [[nodiscard]] bool has(std::string_view name) const { return value(name).given; }
  [[nodiscard]] const std::string& text(std::string_view name) const { return value(name).text; }
  [[nodiscard]] bool flag(std::string_view name) const { return value(name).boolean; }
  [[nodiscard]] std::int64_t integer(std::string_view name) const { return value(name).number; }
  [[nodiscard]] std::chrono::milliseconds duration(std::string_view name) const {
    return std::chrono::milliseconds{value(name).number};
  }
  [[nodiscard]] std::uint64_t size(std::string_view name) const {
    return static_cast<std::uint64_t>(value(name).number);
  }
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const {
    return value(name).items;
  }
  // How many entries of a list were dropped because nothing was in them (line ends behind the last
  // entry do not count).
  [[nodiscard]] std::size_t blank_items(std::string_view name) const {
    return value(name).blank_items;
  }
  // Moves the secret out; an empty one when it was not given. One line end behind a secret of one
  // line is gone, because editors and echo add it; a secret of several lines (a key) is untouched.
  [[nodiscard]] Secret take_secret(std::string_view name);

 private:
  [[nodiscard]] const Value& value(std::string_view name) const;

  std::string command_;
  Values values_;
};

// What the command line asks for, before any value is looked at.
struct CommandLine {
  enum class Kind : std::uint8_t { run, help, help_json, version } kind = Kind::run;
  std::string command;                                    // as in CommandSpec; help may have none
  std::map<std::string, std::vector<std::string>> flags;  // by flag_of(), in the order given
  std::optional<std::vector<std::string>> words;          // behind "--"
};

// Reads argv (without the program's name). --help, --help --json and --version win over everything
// else, so that they also answer a command line with mistakes.
[[nodiscard]] CommandLine parse_command_line(const ToolSpec& tool,
                                             std::span<const std::string> arguments,
                                             BadInputs& bad);

// Where values come from besides the command line.
struct InputSources {
  const ToolSpec& tool;
  const Environment& environment;
  Redactor& redactor;
};

// The values for `line.command`. Unknown INPUT_ names that are set are mistakes with the nearest
// name, as unknown flags are. Secret files are read here (at most 64 KiB, no NUL), while the budget
// lasts; secrets are protected at once. The values are only good when `bad` stays empty; until then
// the default stands in for what could not be read, so that a command can look for more mistakes.
[[nodiscard]] Inputs read_inputs(const Budget& budget, const InputSources& sources,
                                 const CommandLine& line, BadInputs& bad);

}  // namespace pca
