#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pca {

enum class OptionType : std::uint8_t {
  text,      // one line, trimmed
  verbatim,  // never trimmed, any number of lines: scripts, certificates
  secret,    // no flag of its own; INPUT_NAME or --name-file (a path, or - for stdin)
  boolean,   // true | false in YAML 1.2 spelling; a bare flag is true
  integer,
  duration,  // "15s"
  size,      // "64KiB"
  choice,
  list,  // one item a line, or a repeated flag
};

// One row of a tool's option table: makes the flag --name, INPUT_NAME, a row in --help, --help
// --json, action.yml and the README. Every member has an initial value, so that a table names only
// those that matter.
struct Option {
  std::string name = {};  // "connect-timeout"
  OptionType type = OptionType::text;
  std::string default_value = {};         // as the user would write it; empty = none
  std::string help = {};                  // one sentence, no full stop at the end of the last
  std::string placeholder = {};           // "HOST"; default made from the type
  std::vector<std::string> choices = {};  // for OptionType::choice
  std::int64_t least = 0;                 // for integer
  std::int64_t most = 2147483647;
  bool required = false;
  std::string group = {};    // heading in --help: "Connection", "Script", ...
  char short_flag = 0;       // 'L' for -L
  bool takes_stdin = false;  // a path for which "-" means stdin; only one of them may say so
};

struct Example {
  std::string comment = {};
  std::string command = {};
};

// One of the words that an output may be.
struct OutputValue {
  std::string name = {};
  std::string meaning = {};
};

struct Output {
  std::string name = {};
  std::string help = {};
  std::vector<OutputValue> values = {};  // empty = any text
};

// What a command's stdout is without --json (with it, a result).
enum class StdoutUse : std::uint8_t {
  log,     // of what was done elsewhere: that is not undone when the log cannot be written
  result,  // what the command was called for: it fails when that cannot be written
  data,    // (a ProxyCommand) so all log text goes to stderr
};

// One subcommand: its own options and the shared tables it includes.
struct CommandSpec {
  std::string name = {};  // one word, or two ("session open"); empty for a tool's only one
  std::string summary = {};
  std::vector<Option> options = {};
  // Names of options that may be given without a flag, in this order; a list as the last one takes
  // all that is left.
  std::vector<std::string> positionals = {};
  // The option that the words behind "--" make up: items of a list, or a verbatim text of the words
  // each quoted for a shell. Empty: nothing special stands behind "--".
  std::string words = {};
  StdoutUse stdout_use = StdoutUse::log;
  std::vector<Output> outputs = {};
  std::vector<Example> examples = {};
};

struct ToolSpec {
  std::string name = {};  // "tunnel-ssh"
  std::string summary = {};
  std::vector<CommandSpec> commands = {};
  std::vector<Example> examples = {};
};

// What every command takes besides its own options: json, debug, no-color.
[[nodiscard]] std::span<const Option> general_options();

[[nodiscard]] const CommandSpec* find_command(const ToolSpec& tool, std::string_view name);
[[nodiscard]] const Option* find_option(const CommandSpec& command, std::string_view name);

// The flag that gives a value to `option`, without dashes: "key-file" for the secret "key".
[[nodiscard]] std::string flag_of(const Option& option);
// "INPUT_CONNECT_TIMEOUT".
[[nodiscard]] std::string variable_of(std::string_view option_name);
// The usual word for its value: "PATH|-", "DURATION"; empty for a boolean.
[[nodiscard]] std::string placeholder_of(const Option& option);

}  // namespace pca
