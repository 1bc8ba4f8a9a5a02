#include "deploy/resource_name.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/slug.hpp"
#include "base/text.hpp"

namespace pca {

namespace {

constexpr std::size_t label = 63;  // a DNS label, and the longest name of a Swarm service

constexpr std::array<ResourceRow, 8> table{{
    {ResourceType::worker, "worker", "a Worker", 1, label, "a preview alias", true},
    {ResourceType::pages, "pages", "a Pages project", 1, 58, "", true},
    {ResourceType::d1, "d1", "a D1 database", 1, label, "", true},
    {ResourceType::r2, "r2", "an R2 bucket", 3, label, "", true},
    {ResourceType::kv, "kv", "a KV namespace", 1, label, "", true},
    {ResourceType::queue, "queue", "a queue", 1, label, "", true},
    {ResourceType::stack, "stack", "a stack", 1, label, "a service's name", false},
    {ResourceType::vm, "vm", "a VM", 1, label, "a preview's slug", false},
}};

constexpr std::string_view convention = "{customer}-{project}-{environment}-{component}";
const std::vector<std::string> environments{"prod", "staging", "dev"};

std::string form_of(ResourceType type) {
  if (type != ResourceType::stack) return std::string(convention);
  return "{customer}-{project}-{environment}";
}

std::string environment_cure(ResourceType type) {
  return resource_row(type).is_edge ? "Write prod, staging or dev."
                                    : "Write prod, staging, dev or preview.";
}

// The words that people write in place of the convention's.
std::string_view convention_word(std::string_view environment) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 9> words{{
      {"production", "prod"},
      {"prd", "prod"},
      {"live", "prod"},
      {"stage", "staging"},
      {"stg", "staging"},
      {"preprod", "staging"},
      {"development", "dev"},
      {"develop", "dev"},
      {"test", "dev"},
  }};
  for (const auto& [word, meaning] : words) {
    if (word == environment) return meaning;
  }
  return {};
}

Result<> check_environment(ResourceType type, std::string_view environment) {
  const bool is_known =
      std::find(environments.begin(), environments.end(), environment) != environments.end();
  if (is_known || (environment == "preview" && !resource_row(type).is_edge)) return {};
  if (environment == "preview") {
    return bad_input(fmt::format("{} has no environment preview", resource_row(type).title),
                     "Previews of the edge are Cloudflare's own; write prod, staging or dev.");
  }
  const std::string_view meant = convention_word(environment);
  return bad_input(fmt::format("{} is no environment", shown(environment)),
                   meant.empty() ? environment_cure(type) : fmt::format("Write {} for it.", meant));
}

Result<> check_part(std::string_view part, std::string_view value) {
  auto good = check_segment(value);
  if (good) return {};
  return bad_input(fmt::format("the {} {}", part, good.error().message), good.error().hint);
}

Result<> check_rule(std::string_view part, std::string_view value, std::string_view rule) {
  if (rule.empty() || value == rule) return {};
  return bad_input(
      fmt::format("the {} {} is not {}, which the policy names", part, shown(value), rule),
      fmt::format("Write {}, or change the policy.", rule));
}

Result<> check_component(ResourceType type, const ResourceName& name, const NameRules& rules) {
  const bool is_preview_stack = type == ResourceType::stack && name.environment == "preview";
  if (name.component.empty()) {
    if (type == ResourceType::stack) return {};
    return bad_input("the component is missing", "Name it, such as api, ui or db.");
  }
  if (is_preview_stack) {
    return bad_input("the stack of a preview has no component",
                     "Leave it out: the stack's services are the components.");
  }
  PCA_CHECK(check_part("component", name.component));
  const auto& known = rules.components;
  if (known.empty() || std::find(known.begin(), known.end(), name.component) != known.end()) {
    return {};
  }
  const std::string near = nearest(name.component, known);
  return bad_input(
      fmt::format("the component {} is none of the policy's", shown(name.component)),
      fmt::format("{}Write one of: {}.",
                  near.empty() ? std::string() : fmt::format("Did you mean {}? ", near),
                  join(known, ", ")));
}

Result<> check_slug_part(const ResourceName& name) {
  if (name.environment == "preview") {
    if (name.slug.empty()) {
      return bad_input("the slug of the preview is missing",
                       "Give the branch and the repository, from which it is made.");
    }
    if (is_slug(name.slug)) return {};
    return bad_input(fmt::format("{} is no slug of a branch", shown(name.slug)),
                     "A slug ends with \"-\" and eight hex digits; classify gives it.");
  }
  if (name.slug.empty()) return {};
  return bad_input("only a preview has a slug", "Leave it out, or use the environment preview.");
}

std::size_t longest_service(const NameRules& rules) {
  if (rules.longest_service != 0) return rules.longest_service;
  if (rules.components.empty()) return usual_service_name;
  return std::max_element(
             rules.components.begin(), rules.components.end(),
             [](const std::string& a, const std::string& b) { return a.size() < b.size(); })
      ->size();
}

Result<> check_length(ResourceType type, std::size_t size, const NameRules& rules) {
  const ResourceRow& row = resource_row(type);
  const std::size_t most = longest_name(type, rules);
  if (size >= row.least && size <= most) return {};
  std::string problem =
      fmt::format("it has {} characters, and {} has {} to {}", size, row.title, row.least, most);
  if (type == ResourceType::stack) {
    problem += fmt::format(", as \"_\" and a service's name of {} stand behind it",
                           longest_service(rules));
  }
  return bad_input(problem, "Shorten a segment.");
}

}  // namespace

std::span<const ResourceRow> resource_table() { return table; }

const ResourceRow& resource_row(ResourceType type) {
  return *std::find_if(table.begin(), table.end(),
                       [&](const ResourceRow& row) { return row.type == type; });
}

ResourceType resource_type(std::string_view name) {
  const auto* found = std::find_if(table.begin(), table.end(),
                                   [&](const ResourceRow& row) { return row.name == name; });
  return found == table.end() ? ResourceType::worker : found->type;
}

std::string ResourceName::text() const {
  std::string out = fmt::format("{}-{}-{}", customer, project, environment);
  for (const std::string* part : {&component, &slug}) {
    if (!part->empty()) out += "-" + *part;
  }
  return out;
}

Result<> check_segment(std::string_view text) {
  const std::string cure = "Write lower case letters and digits, first a letter.";
  if (text.empty()) return bad_input("is empty", cure);
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const bool is_good = is_letter(text.front()) &&
                       std::all_of(text.begin(), text.end(),
                                   [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
  if (is_good && text.size() <= label) return {};
  return bad_input(fmt::format("{} is no segment of a name", shown(text)), cure);
}

Result<> check_name(ResourceType type, const ResourceName& name, const NameRules& rules) {
  PCA_CHECK(check_part("customer", name.customer));
  PCA_CHECK(check_part("project", name.project));
  PCA_CHECK(check_environment(type, name.environment));
  PCA_CHECK(check_rule("customer", name.customer, rules.customer));
  PCA_CHECK(check_rule("project", name.project, rules.project));
  PCA_CHECK(check_component(type, name, rules));
  PCA_CHECK(check_slug_part(name));
  return check_length(type, name.text().size(), rules);
}

Result<ResourceName> parse_name(ResourceType type, std::string_view text, const NameRules& rules) {
  const std::string form = form_of(type);
  const auto no_name = [&](std::string_view why) {
    return bad_input(fmt::format("{} {}", shown(text), why), fmt::format("Write {}.", form));
  };
  if (text.empty()) return no_name("is empty");
  const std::vector<std::string> parts = split(text, '-');
  const std::size_t least = type == ResourceType::stack ? 3 : 4;
  if (parts.size() < least) {
    return no_name(fmt::format("has {} of the {} segments", parts.size(), least));
  }
  ResourceName name{parts[0], parts[1], parts[2]};
  std::size_t next = 3;
  const bool is_preview = name.environment == "preview" && !resource_row(type).is_edge;
  if (next < parts.size() && !(is_preview && type == ResourceType::stack)) {
    name.component = parts[next++];
    if (name.component.empty()) return no_name("has an empty segment");
  }
  if (is_preview) {
    name.slug = join(std::span(parts).subspan(std::min(next, parts.size())), "-");
  } else if (next < parts.size()) {
    return no_name(fmt::format("has {} segments, more than the {}; no segment holds a \"-\"",
                               parts.size(), next));
  }
  PCA_CHECK(check_name(type, name, rules));
  return name;
}

std::size_t room_behind(ResourceType type, std::string_view name) {
  const ResourceRow& row = resource_row(type);
  const std::size_t taken = name.size() + (row.room_for.empty() ? 0 : 1);
  return row.most - std::min(taken, row.most);
}

std::string_view environment_segment(std::string_view environment) {
  for (const std::string& word : environments) {
    if (word == environment) return word;
  }
  if (environment == "preview") return "preview";
  if (environment == "production") return "prod";
  return environment == "development" ? "dev" : "";
}

std::size_t longest_name(ResourceType type, const NameRules& rules) {
  const std::size_t most = resource_row(type).most;
  if (type != ResourceType::stack) return most;
  return most - std::min(1 + longest_service(rules), most);
}

std::size_t stack_slug_room(const NameRules& rules) {
  const std::size_t most = longest_name(ResourceType::stack, rules);
  const std::size_t prefix =
      rules.customer.size() + rules.project.size() + std::string_view("--preview-").size();
  return most - std::min(prefix, most);
}

}  // namespace pca
