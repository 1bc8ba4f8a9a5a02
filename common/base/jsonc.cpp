#include "base/jsonc.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <string>

namespace pca {

namespace {

// Counts lines as the reader goes on.
class LineCounter {
 public:
  explicit LineCounter(std::string_view text) : text_(text) {}

  int at(std::size_t offset) {
    offset = std::min(offset, text_.size());
    for (; at_ < offset; ++at_) line_ += text_[at_] == '\n' ? 1 : 0;
    return line_;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

class TreeBuilder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, TreeBuilder> {
 public:
  TreeBuilder(const rapidjson::MemoryStream& stream, LineCounter& lines, const ConfigLimits& limits)
      : stream_(stream), lines_(lines), builder_(limits) {}

  bool Null() { return add(ConfigValue::Kind::null, {}, false); }
  bool Bool(bool value) { return add(ConfigValue::Kind::text, value ? "true" : "false", false); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return add(ConfigValue::Kind::text, {text, size}, false);
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return add(ConfigValue::Kind::text, {text, size}, true);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    return good(builder_.key({text, size}, line()));
  }
  bool StartObject() { return good(builder_.begin_map(line())); }
  bool StartArray() { return good(builder_.begin_list(line())); }
  bool EndObject(rapidjson::SizeType) { return good(builder_.end()); }
  bool EndArray(rapidjson::SizeType) { return good(builder_.end()); }

  ConfigValue take() { return builder_.take(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  int line() { return lines_.at(stream_.Tell()); }

  bool add(ConfigValue::Kind kind, std::string text, bool is_quoted) {
    ConfigValue value;
    value.kind = kind;
    value.line = line();
    value.text = std::move(text);
    value.is_quoted = is_quoted;
    return good(builder_.scalar(std::move(value)));
  }

  bool good(std::string problem) {
    problem_ = std::move(problem);
    return problem_.empty();
  }

  const rapidjson::MemoryStream& stream_;
  LineCounter& lines_;
  ConfigBuilder builder_;
  std::string problem_;
};

}  // namespace

Result<ConfigValue, ConfigProblem> parse_jsonc(std::string_view text, const ConfigLimits& limits) {
  PCA_TRY(const std::string_view checked, checked_config_text(text, limits));
  if (checked.empty()) return config_problem(1, "the file is empty");
  constexpr unsigned flags = rapidjson::kParseIterativeFlag |
                             rapidjson::kParseValidateEncodingFlag |
                             rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseCommentsFlag |
                             rapidjson::kParseTrailingCommasFlag;
  rapidjson::MemoryStream stream(checked.data(), checked.size());
  LineCounter lines(checked);
  rapidjson::Reader reader;
  TreeBuilder tree(stream, lines, limits);
  const rapidjson::ParseResult parsed = reader.Parse<flags>(stream, tree);
  if (parsed.IsError()) {
    const std::string problem =
        tree.problem().empty() ? rapidjson::GetParseError_En(parsed.Code()) : tree.problem();
    return config_problem(lines.at(parsed.Offset()), problem);
  }
  return tree.take();
}

}  // namespace pca
