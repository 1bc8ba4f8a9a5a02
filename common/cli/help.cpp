#include "cli/help.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "cli/exit_codes.hpp"

namespace pca {

namespace {

constexpr std::size_t width = 100;
constexpr std::size_t meaning_column = 32;

std::string title_of(const ToolSpec& tool, const CommandSpec& command) {
  return command.name.empty() ? tool.name : tool.name + " " + command.name;
}

const char* name_of(OptionType type) {
  switch (type) {
    case OptionType::text:
      return "text";
    case OptionType::verbatim:
      return "verbatim";
    case OptionType::secret:
      return "secret";
    case OptionType::boolean:
      return "boolean";
    case OptionType::integer:
      return "integer";
    case OptionType::duration:
      return "duration";
    case OptionType::size:
      return "size";
    case OptionType::choice:
      return "choice";
    case OptionType::list:
      return "list";
  }
  return "";
}

// "  left     words of the right side,", continued below them.
std::string two_columns(const std::string& left, const std::string& right) {
  std::string out = "  " + left;
  std::size_t column = out.size();
  if (column + 2 > meaning_column) {
    out += '\n';
    column = 0;
  }
  out.append(meaning_column - column, ' ');
  column = meaning_column;
  bool first = true;
  for (const std::string& word : split(right, ' ')) {
    if (!first && column + 1 + word.size() > width) {
      out += '\n' + std::string(meaning_column, ' ');
      column = meaning_column;
      first = true;
    }
    out += first ? word : " " + word;
    column += word.size() + (first ? 0 : 1);
    first = false;
  }
  return out + '\n';
}

std::string flag_column(const Option& option) {
  std::string flag = fmt::format("--{}", flag_of(option));
  if (option.short_flag != 0) flag = fmt::format("-{}, {}", option.short_flag, flag);
  const std::string placeholder = placeholder_of(option);
  return placeholder.empty() ? flag : flag + " " + placeholder;
}

// "(required)", "(default: 15s)": what a reader has to know besides the meaning.
std::string note_on(const Option& option) {
  if (option.required) return " (required)";
  if (option.type == OptionType::boolean) {
    return option.default_value == "true" ? " (default: true; =false turns it off)" : "";
  }
  if (option.default_value.empty()) return {};
  return fmt::format(" (default: {})", join(split_list(option.default_value), ", "));
}

std::string meaning_of(const Option& option) {
  std::string meaning = option.help;
  if (option.type == OptionType::secret) {
    meaning += fmt::format("; the text itself only as {}", variable_of(option.name));
  }
  return meaning + note_on(option);
}

// "key-file" is the flag of the secret "key"; it is shown once.
bool is_shown_by_secret(const CommandSpec& command, const Option& option) {
  return std::any_of(command.options.begin(), command.options.end(), [&](const Option& other) {
    return other.type == OptionType::secret && flag_of(other) == option.name;
  });
}

std::string option_groups(const CommandSpec& command) {
  std::vector<std::string> groups;
  std::vector<const Option*> options;
  for (const Option& option : command.options) options.push_back(&option);
  for (const Option& option : general_options()) options.push_back(&option);
  const auto group_of = [](const Option& option) {
    return option.group.empty() ? std::string("Options") : option.group;
  };
  for (const Option* option : options) {
    if (std::find(groups.begin(), groups.end(), group_of(*option)) == groups.end()) {
      groups.push_back(group_of(*option));
    }
  }
  std::string out;
  for (const std::string& group : groups) {
    out += fmt::format("\n{}\n", group);
    for (const Option* option : options) {
      if (group_of(*option) != group || is_shown_by_secret(command, *option)) continue;
      out += two_columns(flag_column(*option), meaning_of(*option));
    }
  }
  out += two_columns("-h, --help", "Show this; with --json, everything as JSON");
  out += two_columns("--version", "Show the versions of the tool and its libraries");
  return out;
}

std::string usage(const ToolSpec& tool, const CommandSpec& command) {
  std::string out = fmt::format("Usage: {} [FLAGS]", title_of(tool, command));
  for (const std::string& name : command.positionals) {
    const Option* option = find_option(command, name);
    const bool is_list = option != nullptr && option->type == OptionType::list;
    out += fmt::format(" [{}{}]", to_upper(name), is_list ? "..." : "");
  }
  if (!command.words.empty()) out += fmt::format(" [-- {}...]", to_upper(command.words));
  return out + '\n';
}

std::string examples_text(const std::vector<Example>& examples) {
  if (examples.empty()) return {};
  std::string out = "\nExamples\n";
  for (const Example& example : examples) {
    if (!example.comment.empty()) out += fmt::format("  # {}\n", example.comment);
    for (const std::string& line : split_lines(example.command)) {
      out += fmt::format("  {}\n", line);
    }
  }
  return out;
}

std::string exit_codes_text() {
  std::string out = "\nExit codes\n";
  for (const ExitCode& row : exit_code_table()) {
    out += fmt::format("  {:>4}  {}\n", row.code, row.meaning);
  }
  return out;
}

// Its words stand below it, on the side of the meanings.
std::string output_text(const Output& output) {
  std::string out = two_columns(output.name, output.help);
  std::size_t widest = 0;
  for (const OutputValue& value : output.values) widest = std::max(widest, value.name.size());
  for (const OutputValue& value : output.values) {
    out += fmt::format("{:{}}{:<{}}  {}\n", "", meaning_column, value.name, widest, value.meaning);
  }
  return out;
}

std::string command_help(const ToolSpec& tool, const CommandSpec& command) {
  std::string out = fmt::format("{}: {}\n\n", title_of(tool, command), command.summary);
  out += usage(tool, command);
  out +=
      "Every --some-name may come as the variable INPUT_SOME_NAME too; the flag wins. A list is "
      "one\n"
      "item a line, or a repeated flag. Durations and sizes need a unit: 15s, 30m, 64KiB.\n";
  out += option_groups(command);
  if (!command.outputs.empty()) out += "\nOutputs\n";
  for (const Output& output : command.outputs) out += output_text(output);
  out += examples_text(command.examples);
  return out + exit_codes_text();
}

std::string tool_help(const ToolSpec& tool) {
  std::string out = fmt::format("{}: {}\n\nUsage: {} COMMAND [FLAGS]\n\nCommands\n", tool.name,
                                tool.summary, tool.name);
  for (const CommandSpec& command : tool.commands) {
    out += two_columns(command.name, command.summary);
  }
  out += fmt::format(
      "\n\"{} COMMAND --help\" shows a command's flags; --help --json shows all of them as JSON;\n"
      "--version shows the versions of the tool and its libraries.\n",
      tool.name);
  out += examples_text(tool.examples);
  return out + exit_codes_text();
}

Json examples_json(const std::vector<Example>& examples) {
  Json list = Json::array();
  for (const Example& example : examples) {
    list.push(Json::object().set("comment", example.comment).set("command", example.command));
  }
  return list;
}

Json strings_json(const std::vector<std::string>& items) {
  Json list = Json::array();
  for (const std::string& item : items) list.push(item);
  return list;
}

Json option_json(const Option& option) {
  Json json = Json::object();
  json.set("name", option.name)
      .set("type", name_of(option.type))
      .set("flag", "--" + flag_of(option))
      .set("variable", variable_of(option.name))
      .set("required", option.required)
      .set("default", option.default_value)
      .set("help", option.help)
      .set("group", option.group);
  if (option.short_flag != 0) json.set("short_flag", std::string{'-', option.short_flag});
  if (!option.choices.empty()) json.set("choices", strings_json(option.choices));
  if (option.type == OptionType::integer) json.set("least", option.least).set("most", option.most);
  return json;
}

Json output_json(const Output& output) {
  Json json = Json::object();
  json.set("name", output.name).set("help", output.help);
  if (output.values.empty()) return json;
  Json values = Json::array();
  for (const OutputValue& value : output.values) {
    values.push(Json::object().set("name", value.name).set("meaning", value.meaning));
  }
  json.set("values", std::move(values));
  return json;
}

Json command_json(const CommandSpec& command) {
  Json options = Json::array();
  for (const Option& option : command.options) options.push(option_json(option));
  Json outputs = Json::array();
  for (const Output& output : command.outputs) outputs.push(output_json(output));
  Json json = Json::object();
  json.set("name", command.name)
      .set("summary", command.summary)
      .set("options", std::move(options))
      .set("positionals", strings_json(command.positionals))
      .set("words", command.words)
      .set("outputs", std::move(outputs))
      .set("examples", examples_json(command.examples));
  return json;
}

// In a cell of a Markdown table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string help_text(const ToolSpec& tool, const std::string& command) {
  const CommandSpec* found = find_command(tool, command);
  return found == nullptr ? tool_help(tool) : command_help(tool, *found);
}

std::string version_text(const ToolSpec& tool) {
  return fmt::format("{} {}\nlibcurl {}\nlibssh2 {}\nOpenSSL {}\n", tool.name, project_version(),
                     curl_revision(), libssh2_revision(), openssl_revision());
}

Json help_json(const ToolSpec& tool) {
  Json commands = Json::array();
  for (const CommandSpec& command : tool.commands) commands.push(command_json(command));
  Json general = Json::array();
  for (const Option& option : general_options()) general.push(option_json(option));
  Json codes = Json::array();
  for (const ExitCode& row : exit_code_table()) {
    codes.push(Json::object().set("code", row.code).set("meaning", row.meaning));
  }
  Json json = Json::object();
  json.set("name", tool.name)
      .set("version", project_version())
      .set("summary", tool.summary)
      .set("commands", std::move(commands))
      .set("general", std::move(general))
      .set("examples", examples_json(tool.examples))
      .set("exit_codes", std::move(codes));
  return json;
}

std::string readme_input_table(const CommandSpec& command) {
  std::string out = "| Input | Default | Meaning |\n|---|---|---|\n";
  for (const Option& option : command.options) {
    const std::string value =
        option.default_value.empty()
            ? (option.required ? "required" : "")
            : fmt::format("`{}`", cell(join(split_list(option.default_value), ", ")));
    std::string meaning = cell(option.help);
    if (option.type == OptionType::choice) {
      meaning += fmt::format(": `{}`", cell(join(option.choices, "` `")));
    }
    out += fmt::format("| `{}` | {} | {} |\n", option.name, value, meaning);
  }
  return out;
}

std::string readme_output_table(const CommandSpec& command) {
  std::string out = "| Output | Meaning |\n|---|---|\n";
  for (const Output& output : command.outputs) {
    std::string meaning = cell(output.help);
    for (const OutputValue& value : output.values) {
      meaning += fmt::format("<br>`{}`: {}", cell(value.name), cell(value.meaning));
    }
    out += fmt::format("| `{}` | {} |\n", output.name, meaning);
  }
  return out;
}

std::string readme_exit_code_table() {
  std::string out = "| Code | Meaning |\n|---|---|\n";
  for (const ExitCode& row : exit_code_table()) {
    out += fmt::format("| {} | {} |\n", row.code, cell(row.meaning));
  }
  return out;
}

}  // namespace pca
