#include "base/yaml.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>

#include "base/text.hpp"

namespace pca {

namespace {

// What yaml-cpp finds, as a ConfigValue. The events come before the parser goes deeper, so the
// limits end it in time. It can be stopped by an exception only; that one ends in parse_yaml().
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const ConfigLimits& limits)
      : lines_(split_lines(text)), builder_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_document_) stop(mark, "a second document begins");
    has_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (builder_.expects_key()) stop(mark, "a key that is no text");
    ConfigValue value;
    value.line = line_of(mark);
    value.column = column_of(mark);
    check(mark, builder_.scalar(std::move(value)));
    keep(anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) stop(mark, "an alias stands inside of what it refers to");
    if (!builder_.expects_key()) {
      check(mark, builder_.copy(found->second));
    } else if (found->second.is_text()) {
      check(mark, builder_.key(found->second.text, line_of(mark), column_of(mark)));
    } else {
      stop(mark, "a key that is no text");
    }
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    if (builder_.expects_key()) {
      check(mark, builder_.key(text, line_of(mark), column_of(mark)));
      if (anchor != 0) anchors_[anchor] = text_value(mark, tag, text);
      return;
    }
    check(mark, builder_.scalar(text_value(mark, tag, text)));
    keep(anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, builder_.begin_list(line_of(mark), column_of(mark)));
    open_anchors_.push_back(anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, builder_.begin_map(line_of(mark), column_of(mark)));
    open_anchors_.push_back(anchor);
  }
  void OnMapEnd() override { end(); }

  [[nodiscard]] bool has_document() const { return has_document_; }
  ConfigValue take() { return builder_.take(); }

 private:
  static int line_of(const YAML::Mark& mark) { return mark.line + 1; }
  static int column_of(const YAML::Mark& mark) { return mark.column + 1; }

  [[noreturn]] static void stop(const YAML::Mark& mark, const std::string& problem) {
    throw YAML::ParserException(mark, problem);
  }
  static void check(const YAML::Mark& mark, const std::string& problem) {
    if (!problem.empty()) stop(mark, problem);
  }

  ConfigValue text_value(const YAML::Mark& mark, const std::string& tag, const std::string& text) {
    ConfigValue value;
    value.line = line_of(mark);
    value.column = column_of(mark);
    value.text = text;
    // "!" is how yaml-cpp tags what stands in quotes or in a block.
    value.is_quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
    const bool is_null = !value.is_quoted && (text.empty() || text == "~" || text == "null");
    value.kind = is_null ? ConfigValue::Kind::null : ConfigValue::Kind::text;
    value.is_literal = value.is_quoted && begins_literal(mark);
    return value;
  }

  [[nodiscard]] bool begins_literal(const YAML::Mark& mark) const {
    const auto line = static_cast<std::size_t>(mark.line);
    if (line >= lines_.size()) return false;
    const std::string_view text = trim(lines_[line]);
    // "|", "|-", "|2+", perhaps with a comment behind it. The mark's column counts code points.
    const std::size_t bar = text.rfind('|');
    if (bar == std::string_view::npos) return false;
    std::string_view rest = text.substr(bar + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of("0123456789+-"), rest.size()));
    rest = trim(rest);
    return rest.empty() || rest.starts_with('#');
  }

  void keep(YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = *builder_.last();
  }

  void end() {
    check(YAML::Mark::null_mark(), builder_.end());
    keep(open_anchors_.back());
    open_anchors_.pop_back();
  }

  std::vector<std::string> lines_;
  ConfigBuilder builder_;
  std::map<YAML::anchor_t, ConfigValue> anchors_;
  std::vector<YAML::anchor_t> open_anchors_;  // 0 for none
  bool has_document_ = false;
};

}  // namespace

Result<ConfigValue, ConfigProblem> parse_yaml(std::string_view text, const ConfigLimits& limits) {
  PCA_TRY(const std::string_view checked, checked_config_text(text, limits));
  TreeBuilder tree(checked, limits);
  try {
    std::istringstream stream{std::string(checked)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(tree)) {
    }
  } catch (const YAML::Exception& error) {
    return config_problem(error.mark.line + 1, error.msg, error.mark.column + 1);
  }
  return tree.has_document() ? tree.take() : ConfigValue{};
}

}  // namespace pca
