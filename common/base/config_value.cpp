#include "base/config_value.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca {

namespace {

struct Weight {
  std::size_t values = 0;
  std::size_t bytes = 0;
};

// Recurses no deeper than the builder lets a value go.
void weigh(const ConfigValue& value, Weight& weight) {
  ++weight.values;
  weight.bytes += value.text.size();
  for (const ConfigValue& item : value.items) weigh(item, weight);
  for (const ConfigValue::Member& member : value.members) {
    weight.bytes += member.key.size();
    weigh(member.value, weight);
  }
}

std::size_t depth_of(const ConfigValue& value) {
  std::size_t deepest = 0;
  for (const ConfigValue& item : value.items) deepest = std::max(deepest, depth_of(item));
  for (const ConfigValue::Member& member : value.members) {
    deepest = std::max(deepest, depth_of(member.value));
  }
  return deepest + 1;
}

}  // namespace

const ConfigValue::Member* ConfigValue::find_member(std::string_view key) const {
  const auto found = std::find_if(members.begin(), members.end(),
                                  [&](const Member& member) { return member.key == key; });
  return found == members.end() ? nullptr : &*found;
}

const ConfigValue* ConfigValue::find(std::string_view key) const {
  const Member* member = find_member(key);
  return member == nullptr ? nullptr : &member->value;
}

std::string_view ConfigValue::text_of(std::string_view key) const {
  const ConfigValue* value = find(key);
  return value == nullptr || !value->is_text() ? std::string_view() : value->text;
}

int ConfigValue::line_at(std::size_t offset) const {
  if (!is_literal) return line;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(offset, text.size()));
  return line + 1 + static_cast<int>(std::count(text.begin(), end, '\n'));
}

std::string ConfigBuilder::count(std::size_t values, std::size_t bytes) {
  values_ += values;
  bytes_ += bytes;
  if (values_ > limits_.values) return fmt::format("more than {} values", limits_.values);
  if (bytes_ <= limits_.expanded) return {};
  return fmt::format("texts of more than {} altogether", format_size(limits_.expanded));
}

std::string ConfigBuilder::begin(ConfigValue::Kind kind, int line, int column) {
  if (open_.size() >= limits_.depth) return fmt::format("more than {} levels deep", limits_.depth);
  if (expects_key()) return "a key that is no text";
  if (std::string problem = count(1, 0); !problem.empty()) return problem;
  Open open;
  open.value.kind = kind;
  open.value.line = line;
  open.value.column = column;
  open_.push_back(std::move(open));
  return {};
}

std::string ConfigBuilder::end() {
  if (open_.empty()) return "an end without a beginning";
  ConfigValue done = std::move(open_.back().value);
  open_.pop_back();
  place(std::move(done));
  return {};
}

std::string ConfigBuilder::key(std::string text, int line, int column) {
  if (open_.empty()) return "a key outside of a map";
  if (std::string problem = count(0, text.size()); !problem.empty()) return problem;
  Open& open = open_.back();
  const auto [earlier, is_new] = open.seen.emplace(text, line);
  if (!is_new) {
    return fmt::format("the key {} stands here a second time, after line {}", shown(text),
                       earlier->second);
  }
  open.key = std::move(text);
  open.key_line = line;
  open.key_column = column;
  open.has_key = true;
  return {};
}

std::string ConfigBuilder::scalar(ConfigValue value) {
  if (std::string problem = count(1, value.text.size()); !problem.empty()) return problem;
  place(std::move(value));
  return {};
}

std::string ConfigBuilder::copy(const ConfigValue& value) {
  Weight weight;
  weigh(value, weight);
  if (std::string problem = count(weight.values, weight.bytes); !problem.empty()) return problem;
  if (open_.size() + depth_of(value) > limits_.depth + 1) {
    return fmt::format("more than {} levels deep", limits_.depth);
  }
  place(value);
  return {};
}

bool ConfigBuilder::expects_key() const {
  return !open_.empty() && open_.back().value.is_map() && !open_.back().has_key;
}

void ConfigBuilder::place(ConfigValue value) {
  if (open_.empty()) {
    root_ = std::move(value);
    last_ = &root_;
    return;
  }
  Open& open = open_.back();
  if (open.value.is_list()) {
    open.value.items.push_back(std::move(value));
    last_ = &open.value.items.back();
    return;
  }
  open.value.members.push_back(
      {std::move(open.key), open.key_line, std::move(value), open.key_column});
  open.has_key = false;
  last_ = &open.value.members.back().value;
}

ConfigProblem config_problem(int line, std::string_view text, int column) {
  return {std::max(line, 1), visible(text), column};
}

Result<std::string_view, ConfigProblem> checked_config_text(std::string_view text,
                                                            const ConfigLimits& limits) {
  if (text.size() > limits.bytes) {
    return config_problem(1, fmt::format("the file holds {}, more than the {} that it may",
                                         rounded_size(text.size()), format_size(limits.bytes)));
  }
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  int line = 1;
  for (std::string_view rest = text; !rest.empty();) {
    const CodePoint next = next_code_point(rest);
    if (!next.valid) return config_problem(line, "the text is no UTF-8");
    if (next.value == 0) return config_problem(line, "the text holds a NUL byte");
    if (next.value == '\n') ++line;
    rest.remove_prefix(next.size);
  }
  return text;
}

}  // namespace pca
