#include "compose_schema.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

#include "base/text.hpp"
#include "swarm-deploy/go_values.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::string_view schema_id = R"("id": "config_schema_v3.)";

// The object that begins at `from`, with all in it.
std::string_view object_at(std::string_view text, std::size_t from) {
  int depth = 0;
  bool is_in_text = false;
  for (std::size_t i = from; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      is_in_text = !is_in_text;
    } else if (!is_in_text && text[i] == '{') {
      ++depth;
    } else if (!is_in_text && text[i] == '}' && --depth == 0) {
      return text.substr(from, i + 1 - from);
    }
  }
  return {};
}

std::vector<std::string> types_of(const Json& node) {
  std::vector<std::string> types;
  const Json* type = node.find("type");
  if (type == nullptr) return types;
  if (const std::string* one = type->as_string()) return {*one};
  for (const Json& one : *type->as_array()) types.push_back(*one.as_string());
  return types;
}

// What of the schema's types a value is.
std::set<std::string> types_of(const ConfigValue& value) {
  if (value.is_list()) return {"array"};
  if (value.is_map()) return {"object"};
  const Json scalar = go_scalar(value);
  if (scalar.is_null()) return {"null"};
  if (scalar.as_bool() != nullptr) return {"boolean"};
  if (scalar.as_int() != nullptr) return {"integer", "number"};
  if (scalar.as_double() != nullptr) return {"number"};
  return {"string"};
}

std::string below(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

}  // namespace

ComposeSchema::ComposeSchema(const std::string& docker) {
  std::ifstream file(docker, std::ios::binary);
  const std::string program{std::istreambuf_iterator<char>(file), {}};
  std::int64_t newest = -1;
  for (std::size_t at = program.find(schema_id); at != std::string::npos;
       at = program.find(schema_id, at + 1)) {
    const std::size_t from = at + schema_id.size();
    const auto minor = parse_integer(
        std::string_view(program).substr(from, program.find('.', from) - from), 0, 1000);
    if (!minor || *minor <= newest) continue;
    auto schema = parse_json(object_at(program, program.rfind('{', at)));
    if (!schema) continue;
    newest = *minor;
    schema_ = *std::move(schema);
  }
  if (newest < 0) throw std::runtime_error("no schema of compose files is in " + docker);
}

// A node, or what it refers to, or each of what it may be.
template <typename Visit>
void ComposeSchema::each_meaning(const Json& node, const Visit& visit) const {
  if (const std::string reference = node.text_of("$ref"); !reference.empty()) {
    const std::string name = reference.substr(reference.rfind('/') + 1);
    return each_meaning(*schema_.find("definitions")->find(name), visit);
  }
  if (const Json* several = node.find("oneOf")) {
    for (const Json& one : *several->as_array()) each_meaning(one, visit);
    return;
  }
  visit(node);
}

std::set<std::string> ComposeSchema::forms() const {
  std::set<std::string> forms;
  add_forms(schema_, "", forms);
  return forms;
}

void ComposeSchema::add_forms(const Json& node, const std::string& path,
                              std::set<std::string>& forms) const {
  each_meaning(node, [&](const Json& meaning) {
    for (const std::string& type : types_of(meaning)) forms.insert(path + ": " + type);
    if (const Json* keys = meaning.find("properties")) {
      for (const auto& [key, value] : *keys->as_object()) add_forms(value, below(path, key), forms);
    }
    if (const Json* patterns = meaning.find("patternProperties")) {
      for (const auto& [pattern, value] : *patterns->as_object()) {
        if (pattern == "^x-") {
          forms.insert(below(path, "x-*"));
        } else {
          add_forms(value, below(path, "*"), forms);
        }
      }
    }
    if (const Json* items = meaning.find("items")) add_forms(*items, path + "[]", forms);
  });
}

std::set<std::string> ComposeSchema::forms_of(const ConfigValue& file) const {
  std::set<std::string> forms;
  add_forms_of(schema_, file, "", forms);
  return forms;
}

void ComposeSchema::add_forms_of(const Json& node, const ConfigValue& value,
                                 const std::string& path, std::set<std::string>& forms) const {
  const std::set<std::string> given = types_of(value);
  each_meaning(node, [&](const Json& meaning) {
    for (const std::string& type : types_of(meaning)) {
      if (given.contains(type)) forms.insert(path + ": " + type);
    }
    const Json* keys = meaning.find("properties");
    const Json* patterns = meaning.find("patternProperties");
    for (const ConfigValue::Member& member : value.members) {
      const Json* known = keys == nullptr ? nullptr : keys->find(member.key);
      if (known != nullptr) {
        add_forms_of(*known, member.value, below(path, member.key), forms);
      } else if (patterns != nullptr) {
        for (const auto& [pattern, inner] : *patterns->as_object()) {
          const bool is_extension = pattern == "^x-";
          if (is_extension != member.key.starts_with("x-")) continue;
          if (is_extension) forms.insert(below(path, "x-*"));
          if (!is_extension) add_forms_of(inner, member.value, below(path, "*"), forms);
        }
      }
    }
    if (const Json* items = meaning.find("items")) {
      for (const ConfigValue& item : value.items) add_forms_of(*items, item, path + "[]", forms);
    }
  });
}

}  // namespace pca::swarm_deploy
