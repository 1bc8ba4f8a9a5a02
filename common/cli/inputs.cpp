#include "cli/inputs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <set>
#include <stdexcept>

#include "base/text.hpp"
#include "cli/input_file.hpp"

namespace pca {

namespace {

constexpr std::uint64_t secret_limit = 64ULL * 1024;
constexpr std::size_t shown_value = 64;  // bytes of a wrong name that a message shows
constexpr std::string_view prefix = "INPUT_";

std::string title_of(const ToolSpec& tool, const std::string& command) {
  return command.empty() ? tool.name : tool.name + " " + command;
}

std::vector<const Option*> all_options(const CommandSpec& command) {
  std::vector<const Option*> all;
  for (const Option& option : command.options) all.push_back(&option);
  for (const Option& option : general_options()) all.push_back(&option);
  return all;
}

// The row "key-file" beside the secret "key" is documentation: the secret reads it.
bool is_file_of_secret(const CommandSpec& command, const Option& option) {
  if (!option.name.ends_with("-file")) return false;
  const Option* secret = find_option(command, option.name.substr(0, option.name.size() - 5));
  return secret != nullptr && secret->type == OptionType::secret;
}

// ---------------------------------------------------------------------------- command line

// Reads the arguments of one command by means of CLI11, which knows the spellings of flags; what a
// value means is decided later, so that all mistakes come together.
class CommandLineReader {
 public:
  CommandLineReader(const ToolSpec& tool, const CommandSpec& command, CommandLine& line,
                    BadInputs& bad)
      : command_(command), title_(title_of(tool, command.name)), line_(line), bad_(bad) {
    for (const Option* option : all_options(command)) {
      if (is_file_of_secret(command, *option)) continue;
      by_flag_.emplace("--" + flag_of(*option), option);
      if (option->short_flag != 0) by_flag_.emplace(short_flag(*option), option);
    }
  }

  void read(std::vector<std::string> arguments) {
    take_words(arguments);
    take_flags_without_value(arguments);
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    std::map<std::string, CLI::Option*> values;
    for (const auto& [flag, option] : by_flag_) {
      if (!flag.starts_with("--")) continue;  // comes with its long form
      const std::string names =
          option->short_flag == 0 ? flag : fmt::format("{},{}", short_flag(*option), flag);
      CLI::Option* added = app.add_option(names, [](const CLI::results_t&) { return true; });
      if (option->type == OptionType::boolean) added->type_size(0)->expected(0);
      values[flag_of(*option)] = added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    }
    bool help = false;
    bool version = false;
    app.add_flag("-h,--help", help);
    app.add_flag("--version", version);
    try {
      std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
      app.parse(std::move(arguments));
    } catch (const CLI::Error& error) {
      bad_.add({}, error.what(), fmt::format("See {} --help.", title_));
    }
    for (const auto& [flag, option] : values) {
      if (option->count() > 0) line_.flags[flag] = option->results();
    }
    take_extras(app.remaining());
    if (help) line_.kind = CommandLine::Kind::help;
    if (help && line_.flags.contains("json")) line_.kind = CommandLine::Kind::help_json;
    if (version) line_.kind = CommandLine::Kind::version;
  }

 private:
  void take_words(std::vector<std::string>& arguments) {
    const auto dashes = std::find(arguments.begin(), arguments.end(), "--");
    if (dashes == arguments.end()) return;
    std::vector<std::string> words(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
    if (command_.words.empty()) {
      behind_dashes_ = std::move(words);
    } else {
      line_.words = std::move(words);
    }
  }

  // "--user --port 22" and "--user=": CLI11 would take the next flag for the value; "--debug
  // false": it would set the flag, and take "false" for a host.
  void take_flags_without_value(std::vector<std::string>& arguments) {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const std::string& argument = arguments[i];
      const std::size_t equals = argument.find('=');
      const auto known = by_flag_.find(argument.substr(0, equals));
      // Its value is the next argument.
      const bool is_detached = known != by_flag_.end() && equals == std::string::npos &&
                               known->second->type != OptionType::boolean;
      const bool is_last = i + 1 == arguments.size();
      if (const Option* secret = secret_of(argument.substr(0, equals)); secret != nullptr) {
        add_secret_flag(*secret);
        // Its value must not be shown.
        if (equals == std::string::npos && !is_last && !is_flag(arguments[i + 1])) ++i;
      } else if ((known != by_flag_.end() && equals + 1 == argument.size()) ||
                 (is_detached && (is_last || is_flag(arguments[i + 1])))) {
        add_missing_value(known->first);
      } else if (known != by_flag_.end() && equals == std::string::npos && !is_detached &&
                 !is_last && is_word_of_truth(arguments[i + 1])) {
        bad_.add(known->first, "has its value behind a blank",
                 fmt::format("Write --{}={}.", flag_of(*known->second), to_lower(arguments[++i])));
      } else {
        kept.push_back(argument);
        // A value is no flag, whatever it looks like.
        if (is_detached) kept.push_back(arguments[++i]);
      }
    }
    arguments = std::move(kept);
  }

  static bool is_word_of_truth(const std::string& word) {
    const std::string lower = to_lower(word);
    return lower == "true" || lower == "false" || lower == "yes" || lower == "no";
  }

  [[nodiscard]] bool is_flag(const std::string& argument) const {
    const std::string name = argument.substr(0, argument.find('='));
    return name == "-h" || name == "--help" || name == "--version" || by_flag_.contains(name);
  }

  // The secret that somebody took "--key" for the flag of.
  [[nodiscard]] const Option* secret_of(const std::string& flag) const {
    const auto file = by_flag_.find(flag + "-file");
    const bool is_secret = file != by_flag_.end() && file->second->type == OptionType::secret;
    return is_secret && !by_flag_.contains(flag) ? file->second : nullptr;
  }

  void add_secret_flag(const Option& secret) {
    bad_.add("--" + secret.name,
             "is a secret, which no flag may hold: other processes could read it",
             fmt::format("Give {}, or --{} PATH (- for stdin).", variable_of(secret.name),
                         flag_of(secret)));
  }

  static std::string short_flag(const Option& option) { return {'-', option.short_flag}; }

  void add_missing_value(const std::string& flag) {
    const Option& option = *by_flag_.at(flag);
    const std::string value = option.type == OptionType::boolean ? "true" : placeholder_of(option);
    bad_.add(flag, "has no value",
             fmt::format("Write --{}={}, or leave it out.", flag_of(option), value));
  }

  // What CLI11 did not know: flags that do not exist, and words for positional options.
  void take_extras(const std::vector<std::string>& extras) {
    std::vector<std::string> positional;
    bool may_belong_to_unknown = false;
    for (const std::string& extra : extras) {
      const bool is_flag = extra.size() > 1 && extra.starts_with('-') &&
                           (!may_belong_to_unknown || is_name_of_flag(extra));
      if (is_flag) {
        add_unknown_flag(extra);
      } else if (!may_belong_to_unknown) {
        positional.push_back(extra);
      }
      may_belong_to_unknown = is_flag && extra.find('=') == std::string::npos;
    }
    positional.insert(positional.end(), behind_dashes_.begin(), behind_dashes_.end());
    take_positionals(positional);
  }

  // Not "-----BEGIN ...", which may be the value of a misspelt flag.
  static bool is_name_of_flag(const std::string& argument) {
    const std::string name = argument.substr(0, argument.find('='));
    return std::all_of(name.begin(), name.end(), [](char c) {
      return c == '-' || std::isalnum(static_cast<unsigned char>(c)) != 0;
    });
  }

  void add_unknown_flag(const std::string& argument) {
    const std::string flag = argument.substr(0, argument.find('='));
    std::vector<std::string> names{"--help", "--version"};
    for (const auto& [name, option] : by_flag_) {
      names.push_back(name);
      if (option->type == OptionType::secret) names.push_back("--" + option->name);
    }
    std::string near = nearest(flag, names);
    if (const Option* secret = secret_of(near); secret != nullptr) near = "--" + flag_of(*secret);
    bad_.add(visible(cut_utf8(flag, shown_value)), fmt::format("is not a flag of {}", title_),
             near.empty() ? fmt::format("{} --help lists all flags.", title_)
                          : fmt::format("Did you mean {}?", near));
  }

  void take_positionals(const std::vector<std::string>& words) {
    std::size_t next = 0;
    for (const std::string& name : command_.positionals) {
      const Option* option = find_option(command_, name);
      if (option == nullptr) continue;
      const bool takes_all =
          option->type == OptionType::list && name == command_.positionals.back();
      const std::size_t wanted = takes_all ? words.size() : 1;
      for (std::size_t i = 0; i < wanted && next < words.size(); ++i, ++next) {
        line_.flags[name].push_back(words[next]);
      }
    }
    for (; next < words.size(); ++next) add_surplus(words[next]);
  }

  void add_surplus(const std::string& word) {
    bad_.add(shown(word), fmt::format("is one word too many for {}", title_),
             fmt::format("Quote a value that holds blanks; {} --help shows the usage.", title_));
  }

  const CommandSpec& command_;
  std::string title_;
  CommandLine& line_;
  BadInputs& bad_;
  std::map<std::string, const Option*> by_flag_;  // by each spelling, with its dashes
  std::vector<std::string> behind_dashes_;
};

// ---------------------------------------------------------------------------- values

// Turns what was given for each option of one command into checked values.
class ValueReader {
 public:
  ValueReader(const Budget& budget, const InputSources& sources, const CommandLine& line,
              const CommandSpec& command, BadInputs& bad)
      : budget_(budget), sources_(sources), line_(line), command_(command), bad_(bad) {}

  Inputs read() {
    Inputs::Values values;
    for (const Option* option : all_options(command_)) {
      values.emplace(option->name,
                     option->type == OptionType::secret ? secret(*option) : plain(*option));
    }
    check_variables();
    return {command_.name, std::move(values)};
  }

 private:
  using Value = Inputs::Value;

  // The value of INPUT_NAME in the spelling of the runner (dashes stay), else with underscores.
  // Blank counts as not given: a composite action hands on every input, also those left out.
  [[nodiscard]] const std::string* variable(const std::string& name) const {
    for (const std::string& spelling : {std::string(prefix) + to_upper(name), variable_of(name)}) {
      const auto found = sources_.environment.find(spelling);
      if (found != sources_.environment.end() && !trim(found->second).empty()) {
        return &found->second;
      }
    }
    return nullptr;
  }

  [[nodiscard]] const std::vector<std::string>* flags(const std::string& flag) const {
    const auto found = line_.flags.find(flag);
    return found == line_.flags.end() ? nullptr : &found->second;
  }

  Value plain(const Option& option) {
    Value value;
    if (is_file_of_secret(command_, option)) return value;
    const std::vector<std::string>* by_flag = flags(option.name);
    if (line_.words && command_.words == option.name) {
      take_words(option, by_flag != nullptr, value);
    } else if (by_flag != nullptr) {
      take_flags(option, *by_flag, value);
    } else if (const std::string* by_variable = variable(option.name)) {
      take_or_default(option, *by_variable, value);
      value.given = true;
    } else if (option.required) {
      bad_.add(option.name, "is required", how_to_give(option));
    } else if (!option.default_value.empty()) {
      take(option, option.default_value, value);
    }
    if (option.takes_stdin && value.text == "-") claim_stdin(option.name);
    return value;
  }

  void take_flags(const Option& option, const std::vector<std::string>& given, Value& value) {
    value.given = true;
    if (option.type == OptionType::list) {
      take(option, join(given, "\n"), value);
      if (value.items.empty()) add_empty(option);
    } else if (given.size() > 1) {
      bad_.add(option.name, fmt::format("was given {} times", given.size()), "Give it once.");
    } else if (trim(given.front()).empty()) {
      add_empty(option);
    } else {
      take_or_default(option, given.front(), value);
    }
  }

  // After a mistake the default stands in, so that the command's own checks find no further ones
  // that are none.
  void take_or_default(const Option& option, const std::string& raw, Value& value) {
    const std::size_t mistakes = bad_.items().size();
    take(option, raw, value);
    if (bad_.items().size() == mistakes || option.default_value.empty()) return;
    take(option, option.default_value, value);
  }

  void add_empty(const Option& option) {
    bad_.add(option.name, "is empty",
             fmt::format("Leave --{} out, or give it a value.", option.name));
  }

  void take_words(const Option& option, bool also_by_flag, Value& value) {
    value.given = true;
    if (also_by_flag) {
      bad_.add(option.name, "was given twice, by a flag and behind \"--\"", "Give it once.");
    } else if (line_.words->empty()) {
      bad_.add(option.name, "has no words behind \"--\"", "Write the command there.");
    } else if (option.type == OptionType::list) {
      value.items = *line_.words;
    } else {
      std::vector<std::string> words;
      for (const std::string& word : *line_.words) words.push_back(shell_quote(word));
      value.text = join(words, " ");
    }
  }

  // What `raw` means as a value of this option, or a mistake.
  void take(const Option& option, const std::string& raw, Value& value) {
    const std::string text(trim(raw));
    switch (option.type) {
      case OptionType::text:
        take_line(option, text, value);
        break;
      case OptionType::verbatim:
        value.text = raw;
        break;
      case OptionType::boolean:
        take_boolean(option, text, value);
        break;
      case OptionType::integer:
        take_number(option, parse_integer(text, option.least, option.most), value);
        break;
      case OptionType::duration:
        if (auto parsed = parse_duration(text); parsed) {
          value.number = parsed->count();
        } else {
          bad_.add(option.name, parsed.error());
        }
        break;
      case OptionType::size:
        take_number(option, parse_size(text), value);
        break;
      case OptionType::choice:
        take_choice(option, text, value);
        break;
      case OptionType::list:
        take_list(raw, value);
        break;
      case OptionType::secret:
        break;
    }
  }

  template <typename Number>
  void take_number(const Option& option, const Result<Number>& parsed, Value& value) {
    if (parsed) {
      value.number = static_cast<std::int64_t>(*parsed);
    } else {
      bad_.add(option.name, parsed.error());
    }
  }

  void take_line(const Option& option, const std::string& text, Value& value) {
    const auto is_control = [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    };
    if (std::any_of(text.begin(), text.end(), is_control)) {
      bad_.add(option.name,
               fmt::format("{} holds a line break or another control character", shown(text)),
               "Write one value, in one line.");
      return;
    }
    value.text = text;
  }

  void take_boolean(const Option& option, const std::string& text, Value& value) {
    // The spellings of YAML 1.2's core schema, as the runner's own toolkit takes them.
    if (text == "true" || text == "True" || text == "TRUE") {
      value.boolean = true;
    } else if (text != "false" && text != "False" && text != "FALSE") {
      bad_.add(option.name, fmt::format("{} is neither true nor false", shown(text)),
               "Write true or false.");
    }
  }

  void take_choice(const Option& option, const std::string& text, Value& value) {
    const std::vector<std::string>& choices = option.choices;
    if (std::find(choices.begin(), choices.end(), text) != choices.end()) {
      value.text = text;
      return;
    }
    const std::string all = fmt::format("Write one of: {}.", join(choices, ", "));
    const std::string near = nearest(to_lower(text), choices);
    bad_.add(option.name, fmt::format("{} is not one of its values", shown(text)),
             near.empty() ? all : fmt::format("Did you mean {}? {}", near, all));
  }

  static void take_list(const std::string& raw, Value& value) {
    value.items = split_list(raw);
    const std::size_t end = raw.find_last_not_of(" \t\r\n\v\f");
    if (end == std::string::npos) return;
    value.blank_items = split_lines(raw.substr(0, end + 1)).size() - value.items.size();
  }

  Value secret(const Option& option) {
    Value value;
    const std::string file_option = flag_of(option);
    const std::vector<std::string>* by_flag = flags(file_option);
    const std::string* text = variable(option.name);
    const std::string* path = variable(file_option);
    std::string content;
    if (by_flag != nullptr) {
      if (by_flag->size() > 1) {
        bad_.add(file_option, fmt::format("was given {} times", by_flag->size()), "Give it once.");
        return value;
      }
      content = secret_file(file_option, by_flag->front());
    } else if (text != nullptr && path != nullptr) {
      bad_.add(option.name,
               fmt::format("was given twice, as {} and as {}", option.name, file_option),
               "Give one of the two.");
      return value;
    } else if (path != nullptr) {
      content = secret_file(file_option, std::string(trim(*path)));
    } else if (text != nullptr) {
      content = *text;
    }
    if (content.empty()) {
      if (option.required && by_flag == nullptr && path == nullptr) {
        bad_.add(option.name, "is required", how_to_give(option));
      }
      return value;
    }
    drop_line_end_of_single_line(content);
    value.given = true;
    value.secret = sources_.redactor.protect(std::move(content));
    return value;
  }

  static void drop_line_end_of_single_line(std::string& text) {
    const std::size_t line_end = text.find('\n');
    if (line_end + 1 != text.size()) return;
    text.pop_back();
    if (text.ends_with('\r')) text.pop_back();
  }

  // The content, or empty after a mistake.
  std::string secret_file(const std::string& name, const std::string& path) {
    if (path == "-" && !claim_stdin(name)) return {};
    Result<std::string> content = read_input_file(budget_, path, secret_limit);
    if (!content) {
      bad_.add(name, content.error());
      return {};
    }
    const char* problem = nullptr;
    if (trim(*content).empty()) problem = "is empty";
    if (content->find('\0') != std::string::npos) problem = "holds a NUL byte";
    if (problem == nullptr) return *std::move(content);
    wipe(*content);
    bad_.add(name, fmt::format("{} {}", path == "-" ? "stdin" : shown(path), problem),
             "Check that it is the right file; it has to be text.");
    return {};
  }

  bool claim_stdin(const std::string& name) {
    if (stdin_taken_by_.empty()) {
      stdin_taken_by_ = name;
      return true;
    }
    bad_.add(name, fmt::format("reads stdin (-), which {} reads already", stdin_taken_by_),
             "Give a path for one of the two.");
    return false;
  }

  static std::string how_to_give(const Option& option) {
    const std::string value = placeholder_of(option);
    return fmt::format("Give --{}{}{}, or set {}.", flag_of(option), value.empty() ? "" : " ",
                       value, variable_of(option.name));
  }

  // Names that no option has: misspelt, or meant for another command.
  void check_variables() {
    std::vector<std::string> known;
    std::set<std::string> accepted;
    for (const Option* option : all_options(command_)) {
      for (const std::string& name : {option->name, flag_of(*option)}) {
        known.push_back(variable_of(name));
        accepted.insert({variable_of(name), std::string(prefix) + to_upper(name)});
      }
    }
    for (const auto& [name, value] : sources_.environment) {
      if (!name.starts_with(prefix) || trim(value).empty() || accepted.contains(name)) continue;
      const std::string title = title_of(sources_.tool, command_.name);
      const std::string near = nearest(name, known);
      std::string cure = near.empty() ? fmt::format("{} --help lists all inputs.", title)
                                      : fmt::format("Did you mean {}?", near);
      if (const std::string others = commands_with(name); !others.empty()) {
        cure = fmt::format("It belongs to {}; leave it out here.", others);
      }
      bad_.add(visible(cut_utf8(name, shown_value)),
               fmt::format("is set, but no input of {}", title), cure);
    }
  }

  [[nodiscard]] std::string commands_with(const std::string& variable_name) const {
    std::vector<std::string> found;
    for (const CommandSpec& other : sources_.tool.commands) {
      const bool has_it = std::any_of(
          other.options.begin(), other.options.end(),
          [&](const Option& option) { return variable_of(option.name) == variable_name; });
      if (has_it) found.push_back(title_of(sources_.tool, other.name));
    }
    return join(found, ", ");
  }

  const Budget& budget_;
  const InputSources& sources_;
  const CommandLine& line_;
  const CommandSpec& command_;
  BadInputs& bad_;
  std::string stdin_taken_by_;
};

std::vector<std::string> command_names(const ToolSpec& tool) {
  std::vector<std::string> names;
  for (const CommandSpec& command : tool.commands) names.push_back(command.name);
  return names;
}

std::string all_commands(const ToolSpec& tool) {
  return fmt::format("Write one of: {}.", join(command_names(tool), ", "));
}

void add_unknown_command(const ToolSpec& tool, const std::string& word, BadInputs& bad) {
  const std::string near = nearest(word, command_names(tool));
  bad.add(shown(word), fmt::format("is not a command of {}", tool.name),
          near.empty() ? all_commands(tool)
                       : fmt::format("Did you mean {}? {}", near, all_commands(tool)));
}

}  // namespace

Environment read_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return environment;
}

std::string variable_in(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

void BadInputs::add(std::string input, std::string problem, std::string cure) {
  items_.push_back({std::move(input), std::move(problem), std::move(cure)});
}

bool BadInputs::names(std::string_view input) const {
  return std::any_of(items_.begin(), items_.end(),
                     [&](const BadInput& item) { return item.input == input; });
}

std::string BadInput::text() const {
  const std::string line = input.empty() ? problem : input + ": " + problem;
  return cure.empty() ? line : line + ". " + cure;
}

Error BadInputs::to_error() const {
  std::vector<std::string> lines;
  for (const BadInput& item : items_) lines.push_back(item.text());
  return bad_input(join(lines, "\n"));
}

const Inputs::Value& Inputs::value(std::string_view name) const {
  const auto found = values_.find(name);
  // Only a mistake in our own code comes here; tool_main makes it exit 70.
  if (found == values_.end()) throw std::logic_error("no input is named " + std::string(name));
  return found->second;
}

Secret Inputs::take_secret(std::string_view name) {
  static_cast<void>(value(name));  // a wrong name ends here
  return std::move(values_.find(name)->second.secret);
}

CommandLine parse_command_line(const ToolSpec& tool, std::span<const std::string> arguments,
                               BadInputs& bad) {
  CommandLine line;
  std::vector<std::string> rest(arguments.begin(), arguments.end());
  const CommandSpec* command = find_command(tool, "");
  // As git has it: "help COMMAND" is "COMMAND --help".
  if (command == nullptr && !rest.empty() && rest.front() == "help") {
    std::rotate(rest.begin(), rest.begin() + 1, rest.end());
    rest.back() = "--help";
  }
  const auto word = std::find_if(rest.begin(), rest.end(), [](const std::string& argument) {
    return !argument.starts_with('-') || argument == "--";
  });
  const bool has_word = word != rest.end() && *word != "--";
  if (command == nullptr && has_word) {
    const auto second = word + 1;
    const bool has_second = second != rest.end() && !second->starts_with('-');
    command = has_second ? find_command(tool, *word + " " + *second) : nullptr;
    const auto end = command == nullptr ? second : second + 1;
    if (command == nullptr) command = find_command(tool, *word);
    if (command == nullptr) {
      add_unknown_command(tool, *word, bad);
      return line;
    }
    rest.erase(word, end);
  }
  if (command != nullptr) {
    line.command = command->name;
    CommandLineReader(tool, *command, line, bad).read(std::move(rest));
    return line;
  }
  // Only questions about the tool can be answered; any flag may belong to the missing command.
  BadInputs ignored;
  CommandLineReader(tool, CommandSpec{}, line, ignored).read(std::move(rest));
  if (line.kind == CommandLine::Kind::run) bad.add({}, "no command was given", all_commands(tool));
  return line;
}

Inputs read_inputs(const Budget& budget, const InputSources& sources, const CommandLine& line,
                   BadInputs& bad) {
  const CommandSpec* command = find_command(sources.tool, line.command);
  if (command == nullptr) return {};
  return ValueReader(budget, sources, line, *command, bad).read();
}

}  // namespace pca
