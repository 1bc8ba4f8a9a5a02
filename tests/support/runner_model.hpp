#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"

namespace pca::test {

// What the GitHub runner makes of one stream of a step's output: which commands it obeys, and which
// lines it logs. Line ends, "::name k=v::data", "##[name k=v]data", stop-commands and the decoding
// follow actions/runner (OutputManager.cs, ActionCommand.cs, ActionCommandManager.cs); where .NET
// compares by culture this model takes more for a command than the runner does.
class RunnerModel {
 public:
  struct Command {
    std::string name;
    std::map<std::string, std::string> properties;
    std::string data;
  };

  void feed(std::string_view text) { text_ += text; }

  // Reads all that was fed.
  void finish() {
    std::string line;
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] != '\n' && text_[i] != '\r') {
        line += text_[i];
        continue;
      }
      if (text_[i] == '\r' && i + 1 < text_.size() && text_[i + 1] == '\n') ++i;
      take_line(line);
      line.clear();
    }
    if (!line.empty()) take_line(line);
    text_.clear();
  }

  [[nodiscard]] const std::vector<Command>& commands() const { return commands_; }
  [[nodiscard]] const std::vector<std::string>& log() const { return log_; }
  [[nodiscard]] bool is_stopped() const { return token_.has_value(); }
  [[nodiscard]] const std::vector<std::string>& tokens() const { return tokens_; }

  // %25 last, as the runner does it.
  static std::string unescape_data(std::string text) {
    replace_all(text, "%0D", "\r");
    replace_all(text, "%0A", "\n");
    replace_all(text, "%25", "%");
    return text;
  }
  static std::string unescape_property(std::string text) {
    replace_all(text, "%0D", "\r");
    replace_all(text, "%0A", "\n");
    replace_all(text, "%3A", ":");
    replace_all(text, "%2C", ",");
    replace_all(text, "%25", "%");
    return text;
  }

  [[nodiscard]] std::optional<Command> parse(std::string_view line) const {
    if (auto command = parse_colons(line)) return command;
    return parse_hashes(line);
  }

 private:
  static void replace_all(std::string& text, std::string_view from, std::string_view to) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      if (std::string_view(text).substr(i).starts_with(from)) {
        out += to;
        i += from.size();
      } else {
        out += text[i++];
      }
    }
    text = out;
  }

  [[nodiscard]] bool is_known(const std::string& name) const {
    static const std::vector<std::string> names{
        "add-mask", "add-path",   "add-matcher", "remove-matcher", "debug",
        "echo",     "endgroup",   "error",       "group",          "internal-set-repo-path",
        "notice",   "save-state", "set-env",     "set-output",     "stop-commands",
        "warning"};
    return std::find(names.begin(), names.end(), to_lower(name)) != names.end() ||
           (token_ && equals_ignoring_case(name, *token_));
  }

  [[nodiscard]] std::optional<Command> parse_info(std::string_view info, std::string data) const {
    Command command;
    const std::size_t space = info.find(' ');
    command.name = std::string(info.substr(0, space));
    if (!is_known(command.name)) return std::nullopt;
    if (space != std::string_view::npos) {
      for (const std::string& pair : split(trim(info.substr(space + 1)), ',')) {
        const std::size_t equals = pair.find('=');
        if (equals == std::string::npos) continue;
        command.properties[pair.substr(0, equals)] = unescape_property(pair.substr(equals + 1));
      }
    }
    command.data = unescape_data(std::move(data));
    return command;
  }

  [[nodiscard]] std::optional<Command> parse_colons(std::string_view line) const {
    // .NET trims Unicode blanks and its compare skips characters without width.
    const auto* const start = std::find_if(line.begin(), line.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte > ' ' && byte < 0x7F;
    });
    line.remove_prefix(static_cast<std::size_t>(start - line.begin()));
    if (!line.starts_with("::")) return std::nullopt;
    const std::size_t end = line.find("::", 2);
    if (end == std::string_view::npos) return std::nullopt;
    return parse_info(line.substr(2, end - 2), std::string(line.substr(end + 2)));
  }

  [[nodiscard]] std::optional<Command> parse_hashes(std::string_view line) const {
    std::string ascii;
    for (const char c : line) {
      if (static_cast<unsigned char>(c) < 0x80) ascii += c;
    }
    for (std::size_t at = ascii.find("##["); at != std::string::npos;
         at = ascii.find("##[", at + 1)) {
      const std::size_t end = ascii.find(']', at);
      if (end == std::string::npos) return std::nullopt;
      const auto info = std::string_view(ascii).substr(at + 3, end - at - 3);
      if (auto command = parse_info(info, ascii.substr(end + 1))) return command;
    }
    return std::nullopt;
  }

  void take_line(const std::string& line) {
    const auto command = parse(line);
    if (!command) {
      log_.push_back(line);
    } else if (token_) {
      if (equals_ignoring_case(command->name, *token_)) {
        token_.reset();
      } else {
        log_.push_back(line);
      }
    } else if (equals_ignoring_case(command->name, "stop-commands")) {
      token_ = command->data;
      tokens_.push_back(command->data);
    } else {
      commands_.push_back(*command);
    }
  }

  std::string text_;
  std::optional<std::string> token_;
  std::vector<std::string> tokens_;
  std::vector<Command> commands_;
  std::vector<std::string> log_;
};

}  // namespace pca::test
