#include "base/toml.hpp"

#include <stdexcept>

// What toml++ asserts of itself does not hold for every broken file ("a = [}" in 3.3): that has to
// end the parsing, never the process. With NDEBUG it would not look.
#undef NDEBUG
namespace pca {
[[noreturn]] static void end_parsing() { throw std::logic_error("not as toml++ expects it"); }
}  // namespace pca
#define TOML_ASSERT(expr)            \
  do {                               \
    if (!(expr)) pca::end_parsing(); \
  } while (false)
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <string>

#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::ptrdiff_t most_dots = 100;

// toml++ limits how deep values nest, but not how many parts a key has, and destroying a tree
// recurses: "a.a.a..." could take any stack. No configuration has so many dots between two "=".
int line_with_endless_key(std::string_view text) {
  int number = 0;
  for (const std::string& line : split_lines(text)) {
    ++number;
    for (const std::string& part : split(line, '=')) {
      if (std::count(part.begin(), part.end(), '.') > most_dots) return number;
    }
  }
  return 0;
}

class Converter {
 public:
  explicit Converter(const ConfigLimits& limits) : builder_(limits) {}

  // Gives what is wrong, after noting where. Recurses until the builder finds it too deep.
  std::string add(const toml::node& node) {
    line_ = static_cast<int>(node.source().begin.line);
    if (const toml::table* table = node.as_table()) return add_table(*table);
    if (const toml::array* array = node.as_array()) {
      if (std::string problem = builder_.begin_list(line_); !problem.empty()) return problem;
      for (const toml::node& item : *array) {
        if (std::string problem = add(item); !problem.empty()) return problem;
      }
      return builder_.end();
    }
    return builder_.scalar(scalar(node));
  }

  ConfigValue take() { return builder_.take(); }
  [[nodiscard]] int line() const { return line_; }

 private:
  std::string add_table(const toml::table& table) {
    if (std::string problem = builder_.begin_map(line_); !problem.empty()) return problem;
    // toml++ sorts by name; messages should come in the order of the file.
    std::vector<std::pair<const toml::key*, const toml::node*>> members;
    for (const auto& [key, value] : table) members.emplace_back(&key, &value);
    std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
      return a.first->source().begin.line < b.first->source().begin.line;
    });
    for (const auto& [key, value] : members) {
      line_ = static_cast<int>(key->source().begin.line);
      if (std::string problem = builder_.key(std::string(key->str()), line_); !problem.empty()) {
        return problem;
      }
      if (std::string problem = add(*value); !problem.empty()) return problem;
    }
    return builder_.end();
  }

  static ConfigValue scalar(const toml::node& node) {
    ConfigValue value;
    value.line = static_cast<int>(node.source().begin.line);
    value.kind = ConfigValue::Kind::text;
    if (const auto* text = node.as_string()) {
      value.text = text->get();
      value.is_quoted = true;
    } else if (const auto* boolean = node.as_boolean()) {
      value.text = boolean->get() ? "true" : "false";
    } else if (const auto* integer = node.as_integer()) {
      value.text = std::to_string(integer->get());
    } else if (const auto* number = node.as_floating_point()) {
      value.text = fmt::format("{}", number->get());
    } else {
      value.kind = ConfigValue::Kind::null;
    }
    return value;
  }

  ConfigBuilder builder_;
  int line_ = 1;
};

}  // namespace

Result<ConfigValue, ConfigProblem> parse_toml(std::string_view text, const ConfigLimits& limits) {
  PCA_TRY(const std::string_view checked, checked_config_text(text, limits));
  if (const int line = line_with_endless_key(checked); line != 0) {
    return config_problem(line, fmt::format("a key of more than {} parts", most_dots));
  }
  toml::parse_result parsed;
  try {
    parsed = toml::parse(checked);
  } catch (const std::logic_error&) {
    return config_problem(1, "somewhere in the file a value begins with what none begins with");
  }
  if (parsed.failed()) {
    return config_problem(static_cast<int>(parsed.error().source().begin.line),
                          parsed.error().description());
  }
  Converter converter(limits);
  if (const std::string problem = converter.add(parsed.table()); !problem.empty()) {
    return config_problem(converter.line(), problem);
  }
  return converter.take();
}

}  // namespace pca
