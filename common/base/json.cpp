#include "base/json.hpp"

#include <fmt/format.h>

#define RAPIDJSON_HAS_STDSTRING 1
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_set>

#include "base/text.hpp"

namespace pca {

namespace {

// Builds a Json from the reader's events. Containers that are still open lie on a stack, so neither
// reading nor building recurses.
class TreeBuilder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TreeBuilder> {
 public:
  explicit TreeBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool Null() { return add({}); }
  bool Bool(bool value) { return add(value); }
  // Converted here: the reader's own way to full precision has undefined behaviour for "0e-40".
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const char* const end = text + size;
    std::int64_t integer = 0;
    if (const auto [stop, error] = std::from_chars(text, end, integer);
        error == std::errc() && stop == end) {
      return add(integer);
    }
    const double number = std::strtod(std::string(text, end).c_str(), nullptr);
    if (std::isfinite(number)) return add(number);
    problem_ = "a number is too big to be stored";
    return false;
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return add(std::string(text, size));
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    open_.back().key.assign(text, size);
    return true;
  }
  bool StartObject() { return open(true); }
  bool StartArray() { return open(false); }
  bool EndObject(rapidjson::SizeType) {
    Open done = close();
    keep_last_of_each_key(done.members);
    return add(std::move(done.members));
  }
  bool EndArray(rapidjson::SizeType) { return add(std::move(close().items)); }

  Json take() { return std::move(root_); }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  struct Open {
    bool is_object = false;
    std::string key;
    Json::Object members;
    Json::Array items;
  };

  bool open(bool is_object) {
    if (open_.size() >= static_cast<std::size_t>(limits_.depth)) {
      problem_ = fmt::format("more than {} levels deep", limits_.depth);
      return false;
    }
    open_.push_back({is_object, {}, {}, {}});
    return true;
  }

  Open close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    return done;
  }

  bool add(Json value) {
    if (++values_ > limits_.values) {
      problem_ = fmt::format("more than {} values", limits_.values);
      return false;
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().members.emplace_back(std::move(open_.back().key), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  // As JavaScript does it. Otherwise two readers of one text could see two different values.
  static void keep_last_of_each_key(Json::Object& members) {
    std::unordered_set<std::string_view> seen;
    std::vector<std::size_t> repeated;
    for (std::size_t i = members.size(); i-- > 0;) {
      if (!seen.insert(members[i].first).second) repeated.push_back(i);
    }
    if (repeated.empty()) return;
    Json::Object kept;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (!repeated.empty() && repeated.back() == i) {
        repeated.pop_back();
      } else {
        kept.push_back(std::move(members[i]));
      }
    }
    members = std::move(kept);
  }

  const JsonLimits limits_;
  std::vector<Open> open_;
  std::size_t values_ = 0;
  Json root_;
  std::string problem_;
};

std::string place(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const std::size_t last_end = before.rfind('\n');
  const std::size_t column =
      last_end == std::string_view::npos ? before.size() : before.size() - last_end - 1;
  return fmt::format("line {}, column {}", std::count(before.begin(), before.end(), '\n') + 1,
                     column + 1);
}

// Only valid UTF-8 leaves; unlike to_valid_utf8() a NUL stays, JSON can spell it.
template <typename Writer>
void write_string(Writer& writer, std::string_view text) {
  std::string repaired;
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint next = next_code_point(rest);
    append_utf8(repaired, next.value);
    rest.remove_prefix(next.size);
  }
  writer.String(repaired);
}

// Recurses, but never deeper than whoever built the value went: a parsed one is within its limit.
template <typename Writer>
void write(Writer& writer, const Json& json) {
  if (const auto* boolean = json.as_bool()) {
    writer.Bool(*boolean);
  } else if (const auto* integer = json.as_int()) {
    writer.Int64(*integer);
  } else if (const auto* number = json.as_double()) {
    if (std::isfinite(*number)) {
      writer.Double(*number);
    } else {
      writer.Null();  // JSON has no spelling for it
    }
  } else if (const auto* text = json.as_string()) {
    write_string(writer, *text);
  } else if (const auto* items = json.as_array()) {
    writer.StartArray();
    for (const Json& item : *items) write(writer, item);
    writer.EndArray();
  } else if (const auto* members = json.as_object()) {
    writer.StartObject();
    for (const auto& [key, value] : *members) {
      write_string(writer, key);
      write(writer, value);
    }
    writer.EndObject();
  } else {
    writer.Null();
  }
}

}  // namespace

const Json* Json::find(std::string_view key) const {
  const Object* members = as_object();
  if (members == nullptr) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::string Json::text_of(std::string_view key) const {
  const Json* member = find(key);
  const std::string* text = member == nullptr ? nullptr : member->as_string();
  return text == nullptr ? std::string() : *text;
}

Json& Json::set(std::string key, Json value) {
  if (is_null()) value_ = Object{};
  if (auto* members = std::get_if<Object>(&value_)) {
    for (auto& [name, old] : *members) {
      if (name == key) {
        old = std::move(value);
        return *this;
      }
    }
    members->emplace_back(std::move(key), std::move(value));
  }
  return *this;
}

Json& Json::push(Json value) {
  if (is_null()) value_ = Array{};
  if (auto* items = std::get_if<Array>(&value_)) items->push_back(std::move(value));
  return *this;
}

std::string Json::dump() const {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  write(writer, *this);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string Json::dump_pretty() const {
  rapidjson::StringBuffer buffer;
  rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
  writer.SetIndent(' ', 2);
  write(writer, *this);
  return {buffer.GetString(), buffer.GetSize()};
}

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes) {
    return failed(fmt::format("JSON text of {} bytes is larger than the limit of {}", text.size(),
                              format_size(limits.bytes)));
  }
  if (text.empty()) return failed("invalid JSON: the text is empty");
  constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                             rapidjson::kParseValidateEncodingFlag |
                             rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  TreeBuilder builder(limits);
  const rapidjson::ParseResult parsed = reader.Parse<flags>(stream, builder);
  if (parsed.IsError()) {
    const std::string problem =
        builder.problem().empty() ? rapidjson::GetParseError_En(parsed.Code()) : builder.problem();
    return failed(fmt::format("invalid JSON at {}: {}", place(text, parsed.Offset()), problem));
  }
  // The reader takes a NUL byte for the end of the text.
  if (stream.Tell() != text.size()) {
    return failed(
        fmt::format("invalid JSON at {}: text behind the value", place(text, stream.Tell())));
  }
  return builder.take();
}

}  // namespace pca
