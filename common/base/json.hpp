#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"

namespace pca {

// A JSON value that owns its parts. Objects keep the order in which keys were added.
// A value type; thread safe like a std::string.
class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;

  Json() = default;                                                        // null
  Json(bool value) : value_(value) {}                                      // NOLINT
  Json(int value) : value_(std::int64_t{value}) {}                         // NOLINT
  Json(std::int64_t value) : value_(value) {}                              // NOLINT
  Json(std::uint64_t value) : value_(static_cast<std::int64_t>(value)) {}  // NOLINT
  Json(double value) : value_(value) {}                                    // NOLINT
  Json(const char* value) : value_(std::string(value)) {}                  // NOLINT
  Json(std::string value) : value_(std::move(value)) {}                    // NOLINT
  Json(std::string_view value) : value_(std::string(value)) {}             // NOLINT
  Json(Array value) : value_(std::move(value)) {}                          // NOLINT
  Json(Object value) : value_(std::move(value)) {}                         // NOLINT
  static Json array() { return Json(Array{}); }
  static Json object() { return Json(Object{}); }

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  [[nodiscard]] const bool* as_bool() const { return std::get_if<bool>(&value_); }
  [[nodiscard]] const std::int64_t* as_int() const { return std::get_if<std::int64_t>(&value_); }
  [[nodiscard]] const double* as_double() const { return std::get_if<double>(&value_); }
  [[nodiscard]] const std::string* as_string() const { return std::get_if<std::string>(&value_); }
  [[nodiscard]] const Array* as_array() const { return std::get_if<Array>(&value_); }
  [[nodiscard]] const Object* as_object() const { return std::get_if<Object>(&value_); }

  // The member of an object, or nullptr (also when this is no object).
  [[nodiscard]] const Json* find(std::string_view key) const;
  // The text of a member; empty when there is none, or it is no text.
  [[nodiscard]] std::string text_of(std::string_view key) const;
  // Adds or replaces; turns null into an object. No effect on other kinds.
  Json& set(std::string key, Json value);
  // Appends; turns null into an array. No effect on other kinds.
  Json& push(Json value);

  // Text with no line breaks, or indented by two. Strings are written as valid UTF-8, numbers that
  // JSON cannot spell (NaN) as null.
  [[nodiscard]] std::string dump() const;
  [[nodiscard]] std::string dump_pretty() const;

 private:
  std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> value_;
};

struct JsonLimits {
  std::size_t bytes = std::size_t{8} * 1024 * 1024;
  int depth = 64;
  std::size_t values = 1'000'000;  // so that "[1,1,1,..." cannot take a hundred times its size
};

// Parses hostile text: refuses what is larger or deeper than the limits, trailing text, NaN and
// invalid UTF-8. The error (kind failed) names line and column. A number that does not fit in 64
// bits becomes a double. Of members with the same key the last one counts.
[[nodiscard]] Result<Json> parse_json(std::string_view text, JsonLimits limits = {});

}  // namespace pca
