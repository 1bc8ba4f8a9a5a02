#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pca {

enum class OptionType : std::uint8_t {
  text,      // trimmed
  verbatim,  // never trimmed: scripts, certificates
  secret,    // no flag; INPUT_* or --name-file (a path, or - for stdin)
  boolean,   // true | false in YAML 1.2 spelling; a bare flag is true
  integer,
  duration,  // "15s"
  size,      // "64KiB"
  choice,
  list,  // one item a line, or a repeated flag
};

// One row of a tool's option table: makes the flag --name, INPUT_NAME, a row in --help, --help
// --json, action.yml and the README.
struct Option {
  std::string name;  // "connect-timeout"
  OptionType type = OptionType::text;
  std::string default_value;         // as the user would write it; empty = none
  std::string help;                  // one sentence, no full stop at the end of the last
  std::string placeholder;           // "HOST"; default made from the type
  std::vector<std::string> choices;  // for OptionType::choice
  std::int64_t least = 0;            // for integer
  std::int64_t most = 2147483647;
  bool required = false;
  std::string group;  // heading in --help: "Connection", "Script", ...
};

struct Example {
  std::string comment;
  std::string command;
};

struct Output {
  std::string name;
  std::string help;
};

// One subcommand: its own options and the shared tables it includes.
struct CommandSpec {
  std::string name;
  std::string summary;
  std::vector<Option> options;
  std::vector<std::string> positionals;  // names of options that may be given without a flag
  std::vector<Output> outputs;
  std::vector<Example> examples;
};

struct ToolSpec {
  std::string name;  // "tunnel-ssh"
  std::string summary;
  std::vector<CommandSpec> commands;
  std::vector<Example> examples;
};

}  // namespace pca
