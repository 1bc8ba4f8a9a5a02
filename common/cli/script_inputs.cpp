#include "cli/script_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "cli/input_file.hpp"

namespace pca {

namespace {

constexpr std::array<const char*, 3> script_names{"script", "script-file", "command"};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Values that the runner itself sets and everybody may see; blanking "main" out of a log ruins it.
bool is_public_variable(std::string_view name) {
  const bool is_runners =
      name == "CI" || name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
  return is_runners && name.find("TOKEN") == std::string_view::npos;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// Every line ends in \r\n: written on Windows. The shell would take the \r for a part of the word.
std::string without_carriage_returns(std::string text, const std::string& name,
                                     const ScriptSources& sources) {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  std::ptrdiff_t windows_lines = 0;
  for (std::size_t at = text.find("\r\n"); at != std::string::npos;
       at = text.find("\r\n", at + 2)) {
    ++windows_lines;
  }
  if (lines == 0 || windows_lines != lines) return text;
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') continue;
    out += text[at];
  }
  if (sources.say) sources.say(fmt::format("{}: CRLF line ends were converted to LF.", name));
  return out;
}

// The program that a #! line names, without its folder; empty without such a line.
std::string interpreter_of(std::string_view script) {
  if (!script.starts_with("#!")) return {};
  const std::string_view line = script.substr(2, script.find('\n') - 2);
  for (const std::string& word : split(trim(line), ' ')) {
    const std::string name = word.substr(word.rfind('/') + 1);
    if (!name.empty() && name != "env" && !name.starts_with('-')) return name;
  }
  return {};
}

bool is_shell(std::string_view name) {
  return name == "sh" || name == "bash" || name == "dash" || name == "ash" || name == "ksh";
}

std::string cleaned_script(std::string text, const std::string& name, const ScriptSources& sources,
                           BadInputs& bad) {
  if (text.starts_with(byte_order_mark)) {
    text.erase(0, byte_order_mark.size());
    if (sources.say) sources.say(fmt::format("{}: a byte order mark was removed.", name));
  }
  if (has_nul(text)) {
    bad.add(name, "holds a NUL byte, so it is no shell script", "Give text, not a program.");
  } else if (trim(text).empty()) {
    bad.add(name, "is empty", "Give at least one command.");
  } else if (const std::string other = interpreter_of(text); !other.empty() && !is_shell(other)) {
    bad.add(name,
            fmt::format("is for {}, as its first line says, and not for a shell", shown(other)),
            "Call that program in a shell script, with the text as its input: a here-document.");
  }
  return without_carriage_returns(std::move(text), name, sources);
}

// bash fixes these for itself: an assignment ends the script.
bool is_read_only(std::string_view name) {
  return name == "UID" || name == "EUID" || name == "PPID" || name == "BASHOPTS" ||
         name == "SHELLOPTS";
}

// `number` counts from 1. The text itself is not shown: it may be a line of a secret.
EnvironmentLine inline_variable(const std::string& line, std::size_t number, BadInputs& bad) {
  const std::size_t equals = line.find('=');
  if (equals == std::string::npos) {
    bad.add(
        "env", fmt::format("item {} has no =", number),
        "Write NAME=value, one a line; to hand on a variable of this job, name it in pass-env.");
    return {};
  }
  EnvironmentLine variable{line.substr(0, equals), line.substr(equals + 1), {}};
  if (!is_variable_name(variable.name)) {
    bad.add("env", fmt::format("item {} has no name for a variable before its =", number),
            "Use letters, digits and _, not a digit first.");
    return {};
  }
  if (is_read_only(variable.name)) {
    bad.add("env", fmt::format("{} belongs to the shell and cannot be set", variable.name),
            "Choose another name.");
  }
  return variable;
}

EnvironmentLine passed_variable(const std::string& name, const ScriptSources& sources,
                                BadInputs& bad) {
  EnvironmentLine variable{name, {}, {}};
  if (!is_variable_name(name)) {
    const bool has_value = name.find('=') != std::string::npos;
    bad.add("pass-env",
            has_value ? std::string("an entry holds a value")
                      : fmt::format("\"{}\" is no name for a variable", visible(name)),
            has_value ? "List names only; NAME=value belongs in env."
                      : "List one name a line: letters, digits and _.");
    return variable;
  }
  const auto found = sources.environment.find(name);
  if (found == sources.environment.end()) {
    std::vector<std::string> names;
    for (const auto& [key, value] : sources.environment) names.push_back(key);
    const std::string near = nearest(name, names);
    bad.add("pass-env", fmt::format("{} is not set in this step's environment", name),
            near.empty() ? fmt::format("Add it under env: of the step.")
                         : fmt::format("Add it under env: of the step, or did you mean {}?", near));
  } else if (is_public_variable(name)) {
    variable.value = found->second;
  } else {
    variable.secret = sources.redactor.protect(found->second);
  }
  return variable;
}

std::string read_umask(const Inputs& inputs, BadInputs& bad) {
  const std::string& umask = inputs.text("umask");
  const bool is_octal = umask.size() <= 4 && std::all_of(umask.begin(), umask.end(), [](char c) {
                          return c >= '0' && c <= '7';
                        });
  if (!is_octal) {
    bad.add("umask", fmt::format("\"{}\" is no octal mask", visible(umask)), "Write 022 or 0077.");
  }
  return umask;
}

Shell read_shell(const Inputs& inputs) {
  for (const Shell shell : {Shell::bash, Shell::sh, Shell::login}) {
    if (inputs.text("shell") == shell_word(shell)) return shell;
  }
  return Shell::automatic;
}

}  // namespace

bool is_variable_name(std::string_view name) {
  return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
         std::all_of(name.begin(), name.end(), is_name_character);
}

std::string read_script(const Budget& budget, const Inputs& inputs, const ScriptSources& sources,
                        std::uint64_t limit, BadInputs& bad) {
  std::vector<std::string> given;
  for (const char* name : script_names) {
    if (inputs.has(name)) given.emplace_back(name);
  }
  if (given.empty()) {
    bad.add("script", "nothing to run was given", "Give one of script, script-file and command.");
    return {};
  }
  if (given.size() > 1) {
    bad.add(given[1], fmt::format("given together with {}", given[0]),
            "Give only one of script, script-file and command.");
    return {};
  }
  const std::string& name = given.front();
  if (name == "script-file") {
    auto text = read_input_file(budget, inputs.text(name), limit);
    if (!text) {
      bad.add(name, text.error());
      return {};
    }
    return cleaned_script(*std::move(text), name, sources, bad);
  }
  std::string text = cleaned_script(inputs.text(name), name, sources, bad);
  if (name == "command" && trim(text).find('\n') != std::string_view::npos) {
    bad.add(name, "has more than one line", "Give several commands as script.");
  }
  return text;
}

std::vector<EnvironmentLine> read_environment_lines(const Inputs& inputs,
                                                    const ScriptSources& sources, BadInputs& bad) {
  std::vector<EnvironmentLine> lines;
  for (const std::string& line : inputs.list("env")) {
    lines.push_back(inline_variable(line, lines.size() + 1, bad));
  }
  for (const std::string& name : inputs.list("pass-env")) {
    lines.push_back(passed_variable(name, sources, bad));
  }
  std::set<std::string> names;
  for (const EnvironmentLine& line : lines) {
    if (!line.name.empty() && !names.insert(line.name).second) {
      bad.add("env", fmt::format("{} is given twice", visible(line.name)),
              "Name each variable once in env and pass-env.");
    }
    if (has_nul(line.value)) bad.add("env", fmt::format("{} holds a NUL byte", line.name));
  }
  return lines;
}

bool has_script(const Inputs& inputs) {
  return std::any_of(script_names.begin(), script_names.end(),
                     [&](const char* name) { return inputs.has(name); });
}

std::vector<Option> script_options(const std::string& group, const ScriptLimits& limits) {
  return {
      {.name = "script",
       .type = OptionType::verbatim,
       .help = "What to run: a shell script, " + limits.of_text,
       .placeholder = "TEXT",
       .group = group},
      {.name = "script-file",
       .help = fmt::format("The same from a file of this machine, {}; - is stdin", limits.of_file),
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
      {.name = "command",
       .type = OptionType::verbatim,
       .help = "One command line instead of a script; on the command line also behind --",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "shell",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "The shell that runs it: auto is bash where the host has it, else sh; login is bash "
               "with the user's login files (for PATH, nvm and the like)",
       .choices = {"auto", "bash", "sh", "login"},
       .group = group},
      {.name = "errexit",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Stop at the first command that fails, also within a pipe (set -e -o pipefail)",
       .group = group},
      {.name = "env",
       .type = OptionType::list,
       .help =
           "Variables for the script, NAME=value, one a line; secrets belong in pass-env, which "
           "keeps them out of the log and of command lines",
       .placeholder = "NAME=VALUE",
       .group = group},
      {.name = "pass-env",
       .type = OptionType::list,
       .help = "Names of variables of this step to hand on to the script, one a line; their values "
               "are treated as secrets (but GITHUB_*, RUNNER_* and CI)",
       .placeholder = "NAME",
       .group = group},
      {.name = "cwd",
       .help = "The folder to run in, on the host; ~/ is the user's home",
       .placeholder = "FOLDER",
       .group = group},
      {.name = "umask", .help = "The script's umask, octal", .placeholder = "MASK", .group = group},
  };
}

ShellScript read_shell_script(const Budget& budget, const Inputs& inputs,
                              const ScriptSources& sources, BadInputs& bad,
                              const ScriptLimits& limits) {
  return {.script = read_script(budget, inputs, sources, limits.bytes, bad),
          .shell = read_shell(inputs),
          .errexit = inputs.flag("errexit"),
          .environment = read_environment_lines(inputs, sources, bad),
          .cwd = inputs.text("cwd"),
          .umask = read_umask(inputs, bad)};
}

}  // namespace pca
