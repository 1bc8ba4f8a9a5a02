#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace pca {

// A value of a configuration file (YAML, TOML, JSON with comments) that knows its line, so that a
// message can name it. What a scalar means is its reader's business: here it is the text that was
// written, without quotes. A value type; thread safe like a std::string.
struct ConfigValue {
  struct Member;
  enum class Kind : std::uint8_t { null, text, list, map };

  Kind kind = Kind::null;
  int line = 0;             // from 1
  int column = 0;           // from 1, in code points; 0 where the format's reader tells none
  std::string text = {};    // of a scalar
  bool is_quoted = false;   // a scalar that can be nothing but text
  bool is_literal = false;  // YAML's "|": its text begins on the next line, and each line is one
  std::vector<ConfigValue> items;
  std::vector<Member> members;  // in the order of the file; no key twice

  [[nodiscard]] bool is_text() const { return kind == Kind::text; }
  [[nodiscard]] bool is_list() const { return kind == Kind::list; }
  [[nodiscard]] bool is_map() const { return kind == Kind::map; }

  // The member of a map, or nullptr (also when this is no map).
  [[nodiscard]] const ConfigValue* find(std::string_view key) const;
  [[nodiscard]] const Member* find_member(std::string_view key) const;
  // The text of a member, or empty when there is none.
  [[nodiscard]] std::string_view text_of(std::string_view key) const;
  // The line of the file on which the byte `offset` of `text` stands; of a text that the format
  // folds, its first.
  [[nodiscard]] int line_at(std::size_t offset) const;
};

struct ConfigValue::Member {
  std::string key;
  int line = 0;  // of the key
  ConfigValue value = {};
  int column = 0;  // of the key
};

struct ConfigLimits {
  std::size_t bytes = std::size_t{1024} * 1024;         // of the file
  std::size_t expanded = std::size_t{4} * 1024 * 1024;  // of all texts, aliases written out
  std::size_t values = 100'000;
  std::size_t depth = 40;
};

// Puts a ConfigValue together from what a parser finds in turn, within the limits. Each call gives
// an empty string, or what is wrong with the file there. Not thread safe.
class ConfigBuilder {
 public:
  explicit ConfigBuilder(const ConfigLimits& limits) : limits_(limits) {}

  [[nodiscard]] std::string begin_list(int line, int column = 0) {
    return begin(ConfigValue::Kind::list, line, column);
  }
  [[nodiscard]] std::string begin_map(int line, int column = 0) {
    return begin(ConfigValue::Kind::map, line, column);
  }
  [[nodiscard]] std::string end();  // of the innermost list or map
  [[nodiscard]] std::string key(std::string text, int line, int column = 0);
  [[nodiscard]] std::string scalar(ConfigValue value);
  // A whole value, as an alias stands for it; its lines stay those of where it was written.
  [[nodiscard]] std::string copy(const ConfigValue& value);

  [[nodiscard]] bool expects_key() const;  // the innermost is a map, and no key waits for its value
  // The value that was last finished: where it went it stays until the next call.
  [[nodiscard]] const ConfigValue* last() const { return last_; }
  [[nodiscard]] ConfigValue take() { return std::move(root_); }

 private:
  struct Open {
    ConfigValue value;
    std::string key;
    int key_line = 0;
    int key_column = 0;
    bool has_key = false;
    std::map<std::string, int, std::less<>> seen;  // keys and their lines
  };

  std::string begin(ConfigValue::Kind kind, int line, int column);
  std::string count(std::size_t values, std::size_t bytes);
  void place(ConfigValue value);

  ConfigLimits limits_;
  std::vector<Open> open_;
  ConfigValue root_;
  const ConfigValue* last_ = nullptr;
  std::size_t values_ = 0;
  std::size_t bytes_ = 0;
};

// Why a file cannot be read, and where.
struct ConfigProblem {
  int line = 1;
  std::string text;  // visible()
  int column = 0;    // as ConfigValue's
};
[[nodiscard]] ConfigProblem config_problem(int line, std::string_view text, int column = 0);

// What all parsers of configuration refuse: a file that is too large, no UTF-8, NUL. `text` without
// the byte order mark.
[[nodiscard]] Result<std::string_view, ConfigProblem> checked_config_text(
    std::string_view text, const ConfigLimits& limits);

}  // namespace pca
