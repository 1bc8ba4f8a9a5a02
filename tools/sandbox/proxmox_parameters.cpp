#include "sandbox/proxmox_parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "base/text.hpp"
#include "sandbox/github_answer.hpp"

namespace pca::sandbox::proxmox {

namespace {

std::string decoded(std::string text) {
  std::replace(text.begin(), text.end(), '+', ' ');
  return percent_decoded(text);
}

// A format of the server: what values look like, and what it says of others.
struct Format {
  const char* name;
  const char* pattern;
  const char* complaint;  // {} is the value
};
// More would go too deep for std::regex.
constexpr std::size_t most_name = 1024;
constexpr const char* dns_label = "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?";
constexpr Format formats[] = {
    {"vmid", "[1-9][0-9]{2,8}", "value does not look like a valid VM ID"},
    {"node", "[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
     "value does not look like a valid node name"},
    {"configid", "[a-zA-Z][a-zA-Z0-9_-]+", "invalid configuration ID '{}'"},
    {"storage-id", "[a-zA-Z][a-zA-Z0-9_.-]*[a-zA-Z0-9]",
     "storage ID '{}' contains illegal characters"},
    {"poolid", "[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+){0,2}",
     "value '{}' does not look like a valid pool name"},
    {"mac", "([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", "value does not look like a valid MAC address"},
};

// The complaint about a value, or empty.
std::string complaint_of(const std::string& format, const std::string& value) {
  if (format == "dns-name") {
    if (value.size() > most_name) return "value does not look like a valid DNS name";
    static const std::regex name(fmt::format("{0}(\\.{0})*", dns_label));
    return std::regex_match(value, name) ? "" : "value does not look like a valid DNS name";
  }
  if (format == "urlencoded") {
    const bool is_encoded = value.find_first_not_of(
                                "-%abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_.!~*'()") == std::string::npos;
    return is_encoded ? "" : "invalid urlencoded string: " + value;
  }
  for (const Format& known : formats) {
    if (format != known.name) continue;
    if (value.size() <= most_name && std::regex_match(value, std::regex(known.pattern))) return "";
    std::string text = known.complaint;
    if (const auto at = text.find("{}"); at != std::string::npos) text.replace(at, 2, value);
    return text;
  }
  return "";
}

bool is_whole(const std::string& value) {
  const std::string_view digits = std::string_view(value).substr(value.starts_with('-') ? 1 : 0);
  return !digits.empty() && digits.size() < 16 &&
         digits.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_number(const std::string& value) {
  char* end = nullptr;
  std::strtod(value.c_str(), &end);
  return !value.empty() && *end == '\0' && value.find_first_of("xXnNiI") == std::string::npos;
}

bool is_of_type(const std::string& type, const std::string& value) {
  if (type == "integer") return is_whole(value);
  if (type == "number") return is_number(value);
  if (type == "boolean") return value == "0" || value == "1";
  return true;
}

// What is wrong with one value, or empty.
std::string problem_of(const ParameterRule& rule, const std::string& value) {
  if (!is_of_type(rule.type, value)) {
    return fmt::format("type check ('{}') failed - got '{}'", rule.type, value);
  }
  if (rule.format == "size") {
    static const std::regex size(R"(\+?\d+(\.\d+)?[KMGT]?)");
    return value.size() <= most_name && std::regex_match(value, size)
               ? ""
               : "value does not match the regex pattern";
  }
  if (rule.format == "url") {
    return value.starts_with("http://") || value.starts_with("https://")
               ? ""
               : "value does not match the regex pattern";
  }
  if (const std::string complaint = complaint_of(rule.format, value); !complaint.empty()) {
    return fmt::format("invalid format - {}\n", complaint);
  }
  if (rule.type == "integer" || rule.type == "number") {
    const double number = std::strtod(value.c_str(), nullptr);
    if (rule.least && number < *rule.least) {
      return fmt::format("value must have a minimum value of {}", *rule.least);
    }
    if (rule.most && number > *rule.most) {
      return fmt::format("value must have a maximum value of {}", *rule.most);
    }
  }
  if (rule.most_length > 0 && value.size() > rule.most_length) {
    return fmt::format("value may only be {} characters long", rule.most_length);
  }
  if (value.size() < rule.least_length) {
    return fmt::format("value must be at least {} characters long", rule.least_length);
  }
  if (!rule.choices.empty() &&
      std::find(rule.choices.begin(), rule.choices.end(), value) == rule.choices.end()) {
    return fmt::format("value '{}' does not have a value in the enumeration '{}'", value,
                       join(rule.choices, ", "));
  }
  return "";
}

// "integer(0..30)", "string(2..40)", "{a|b}", "vmid".
void read_type(ParameterRule& rule, std::string text) {
  if (text.starts_with('{')) {
    rule.type = "string";
    rule.choices = split(std::string_view(text).substr(1, text.size() - 2), '|');
    return;
  }
  std::string range;
  if (const auto open = text.find('('); open != std::string::npos) {
    range = text.substr(open + 1, text.size() - open - 2);
    text.resize(open);
  }
  static const std::set<std::string, std::less<>> types{"integer", "boolean", "number", "string",
                                                        "array"};
  if (types.contains(text)) {
    rule.type = text;
  } else {
    rule.type = text == "vmid" ? "integer" : "string";
    rule.format = text;
  }
  if (range.empty()) return;
  const auto dots = range.find("..");
  const std::string low = dots == std::string::npos ? "" : range.substr(0, dots);
  const std::string high = dots == std::string::npos ? range : range.substr(dots + 2);
  if (rule.type == "string") {
    rule.least_length = low.empty() ? 0 : static_cast<std::size_t>(std::stoul(low));
    rule.most_length = high.empty() ? 0 : static_cast<std::size_t>(std::stoul(high));
  } else {
    if (!low.empty()) rule.least = std::stod(low);
    if (!high.empty()) rule.most = std::stod(high);
  }
}

}  // namespace

Parameters parse_form(std::string_view text) {
  Parameters found;
  std::string joined(text);
  std::replace(joined.begin(), joined.end(), ';', '&');
  for (const std::string& pair : split(joined, '&')) {
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const std::string value = equals == std::string::npos ? "" : pair.substr(equals + 1);
    found.emplace_back(decoded(pair.substr(0, equals)), decoded(value));
  }
  return found;
}

Outcome<Parameters> parse_json_form(std::string_view text) {
  Parameters found;
  if (trim(text).empty()) return found;
  const auto json = parse_json(text, {.bytes = 1024 * 1024, .depth = 3, .values = 10'000});
  if (!json || json->as_object() == nullptr) return server_error("malformed JSON string");
  const auto add = [&](const std::string& name, const Json& value) {
    if (value.as_string() != nullptr) return found.emplace_back(name, *value.as_string()), void();
    if (value.as_bool() != nullptr)
      return found.emplace_back(name, *value.as_bool() ? "1" : "0"), void();
    if (!value.is_null()) found.emplace_back(name, value.dump());
  };
  for (const auto& [name, value] : *json->as_object()) {
    if (value.as_array() == nullptr) {
      add(name, value);
      continue;
    }
    for (const Json& item : *value.as_array()) add(name, item);
  }
  return found;
}

bool ParameterRule::is_called(std::string_view given) const {
  if (!name.ends_with("[n]")) return given == name;
  const std::string_view stem = std::string_view(name).substr(0, name.size() - 3);
  return given.starts_with(stem) && parse_integer(given.substr(stem.size()), 0, 255).has_value();
}

std::vector<ParameterRule> parse_rules(std::string_view text) {
  std::vector<ParameterRule> rules;
  for (const std::string& word : split(text, ' ')) {
    if (word.empty()) continue;
    const auto colon = word.find(':');
    ParameterRule rule;
    rule.name = word.substr(0, colon);
    if (rule.name.ends_with('!')) {
      rule.required = true;
      rule.name.pop_back();
    }
    read_type(rule, word.substr(colon + 1));
    rules.push_back(std::move(rule));
  }
  return rules;
}

std::optional<Failure> check_parameters(const std::vector<ParameterRule>& rules,
                                        const Parameters& given) {
  Failure failure{.status = 400, .message = "Parameter verification failed."};
  std::set<std::string> seen;
  for (const auto& parameter : given) {
    const auto& [name, value] = parameter;
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const ParameterRule& known) {
      return known.is_called(parameter.first);
    });
    std::string problem;
    if (rule == rules.end()) {
      problem =
          "property is not defined in schema and the schema does not allow additional properties";
    } else if (!seen.insert(name).second && rule->type != "array") {
      problem = fmt::format("type check ('{}') failed - got ARRAY", rule->type);
    } else {
      problem = problem_of(*rule, value);
    }
    if (!problem.empty()) failure.errors.emplace_back(name, problem);
  }
  for (const ParameterRule& rule : rules) {
    const bool is_there = std::any_of(given.begin(), given.end(), [&](const auto& parameter) {
      return rule.is_called(parameter.first);
    });
    if (rule.required && !is_there) {
      failure.errors.emplace_back(rule.name, "property is missing and it is not optional");
    }
  }
  if (failure.errors.empty()) return std::nullopt;
  return failure;
}

Parameters parse_property(std::string_view text, std::string_view first) {
  Parameters parts;
  for (const std::string& part : split(text, ',')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    if (equals == std::string::npos) {
      parts.emplace_back(first, part);
    } else {
      parts.emplace_back(part.substr(0, equals), part.substr(equals + 1));
    }
  }
  return parts;
}

std::string property_text(const Parameters& parts, std::string_view first) {
  std::vector<std::string> texts;
  texts.reserve(parts.size());
  for (const auto& [name, value] : parts) {
    texts.push_back(name == first ? value : fmt::format("{}={}", name, value));
  }
  return join(texts, ",");
}

std::string value_in(const Parameters& parts, std::string_view name) {
  for (const auto& [key, value] : parts) {
    if (key == name) return value;
  }
  return "";
}

}  // namespace pca::sandbox::proxmox
