#include "commit-status/compass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/yaml.hpp"
#include "commit-status/status.hpp"

namespace pca::commit_status {

namespace {

constexpr std::size_t longest_text = 255;
constexpr std::string_view component_prefix = "ari:cloud:compass:";
constexpr std::string_view site_suffix = ".atlassian.net";
// A run has at most so many attempts to the number of its deploy.
constexpr std::int64_t most_attempts = 999;
constexpr std::int64_t greatest_run = greatest_number / (most_attempts + 1) - 1;

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 100 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::size_t utf16_units(std::string_view text) {
  std::size_t units = 0;
  while (!text.empty()) {
    const CodePoint point = next_code_point(text);
    units += point.value > 0xFFFF ? 2 : 1;
    text.remove_prefix(point.size);
  }
  return units;
}

// A word of ours and what Compass calls it, of a deployment and of a build; empty: there is none.
struct StateName {
  std::string_view word;
  std::string_view deployment;
  std::string_view build;
};
constexpr StateName state_names[] = {
    {"pending", "PENDING", ""},
    {"in_progress", "IN_PROGRESS", "IN_PROGRESS"},
    {"success", "SUCCESSFUL", "SUCCESSFUL"},
    {"deployed", "SUCCESSFUL", ""},
    {"unchanged", "SUCCESSFUL", ""},
    {"failure", "FAILED", "FAILED"},
    {"failed", "FAILED", ""},
    {"error", "", "ERROR"},
    {"timed_out", "", "TIMED_OUT"},
    {"cancelled", "CANCELLED", "CANCELLED"},
    {"held", "CANCELLED", ""},
    {"rolled-back", "ROLLED_BACK", ""},
    {"unknown", "UNKNOWN", "UNKNOWN"},
};

std::string_view name_in(const StateName& name, CompassKind kind) {
  return kind == CompassKind::deployment ? name.deployment : name.build;
}

Json pipeline_of(const CompassEvent& event) {
  Json pipeline = Json::object();
  pipeline.set("pipelineId", std::to_string(event.number)).set("url", event.url);
  return pipeline.set("displayName", event.pipeline);
}

void set_times(Json& properties, const CompassEvent& event) {
  if (event.began) properties.set("startedAt", utc_text(*event.began));
  if (event.ended) properties.set("completedAt", utc_text(*event.ended));
}

Json deployment_of(const CompassEvent& event) {
  Json environment = Json::object();
  environment.set("environmentId", event.environment).set("displayName", event.environment);
  environment.set("category", event.category);
  Json properties = Json::object();
  properties.set("sequenceNumber", event.number).set("state", event.state);
  set_times(properties, event);
  properties.set("pipeline", pipeline_of(event));
  return properties.set("environment", std::move(environment));
}

Json build_of(const CompassEvent& event) {
  Json properties = Json::object();
  properties.set("state", event.state);
  set_times(properties, event);
  return properties.set("pipeline", pipeline_of(event));
}

}  // namespace

Result<CompassComponent> parse_component(std::string_view text) {
  const auto no_component = [&] {
    return bad_input(fmt::format("{} is no component", shown(text)),
                     "Copy its id from Compass: ari:cloud:compass:SITE:component/WORKSPACE/ID.");
  };
  if (!text.starts_with(component_prefix)) return no_component();
  const std::vector<std::string> parts = split(text.substr(component_prefix.size()), ':');
  if (parts.size() != 2) return no_component();
  const std::vector<std::string> path = split(parts[1], '/');
  const bool is_good = is_id(parts[0]) && path.size() == 3 && path[0] == "component" &&
                       is_id(path[1]) && is_id(path[2]);
  if (!is_good) return no_component();
  return CompassComponent{std::string(text), parts[0], path[2]};
}

Result<CompassComponent> component_of_file(std::string_view yaml) {
  const auto file = parse_yaml(yaml);
  if (!file) {
    return bad_input(fmt::format("line {}: {}", file.error().line, file.error().text),
                     "Write it as Compass's page about config as code says.");
  }
  const ConfigValue* id = file->find("id");
  if (id == nullptr || !id->is_text() || id->text.empty()) {
    return bad_input("has no id",
                     "Compass gives one when it first reads the file: add it, or give component.");
  }
  auto component = parse_component(id->text);
  if (component) return component;
  return bad_input(fmt::format("line {}: {}", id->line, component.error().message),
                   component.error().hint);
}

Result<std::string> compass_root(std::string_view site) {
  std::string_view name = site;
  if (name.starts_with("https://")) name.remove_prefix(8);
  if (name.ends_with('/')) name.remove_suffix(1);
  if (name.ends_with(site_suffix)) name.remove_suffix(site_suffix.size());
  if (!is_id(name) || name.front() == '-' || name.back() == '-' || name.size() > 63) {
    // Not shown: a URL may hold a password.
    return bad_input("is no site of Atlassian", "Write acme for https://acme.atlassian.net.");
  }
  return fmt::format("https://{}{}/gateway/api/compass/v1", to_lower(name), site_suffix);
}

Result<std::string> compass_state(CompassKind kind, std::string_view text) {
  std::vector<std::string> known;
  for (const StateName& name : state_names) {
    const std::string_view theirs = name_in(name, kind);
    if (theirs.empty()) continue;
    if (name.word == text) return std::string(theirs);
    known.emplace_back(name.word);
  }
  return bad_input(text.empty() ? "is missing"
                                : fmt::format("{} is no state of a {}", shown(text),
                                              kind == CompassKind::build ? "build" : "deployment"),
                   "It is one of " + join(known, ", ") + ".");
}

bool is_end(std::string_view state) { return state != "PENDING" && state != "IN_PROGRESS"; }

std::string category_of(std::string_view environment) {
  struct Name {
    std::string_view word;
    const char* category;
  };
  constexpr Name names[] = {
      {"production", "PRODUCTION"}, {"prod", "PRODUCTION"},
      {"prd", "PRODUCTION"},        {"live", "PRODUCTION"},
      {"staging", "STAGING"},       {"stage", "STAGING"},
      {"stg", "STAGING"},           {"preprod", "STAGING"},
      {"pre-prod", "STAGING"},      {"development", "DEVELOPMENT"},
      {"dev", "DEVELOPMENT"},       {"preview", "TESTING"},
      {"review", "TESTING"},        {"testing", "TESTING"},
      {"test", "TESTING"},          {"qa", "TESTING"},
  };
  const std::string first = to_lower(environment.substr(0, environment.find('/')));
  const auto* const found = std::find_if(std::begin(names), std::end(names),
                                         [&](const Name& name) { return name.word == first; });
  return found == std::end(names) ? "UNMAPPED" : found->category;
}

std::string fit_compass(std::string_view text) {
  for (std::size_t most = longest_text;;) {
    std::string line = fit_line(text, most);
    const std::size_t units = utf16_units(line);
    if (units <= longest_text) return line;
    most -= (units - longest_text + 1) / 2;  // what is cut off has at most two units each
  }
}

Json to_json(const CompassEvent& event, const CompassTarget& target) {
  const bool is_build = event.kind == CompassKind::build;
  Json said = Json::object();
  said.set("displayName", event.display_name).set("description", event.description);
  said.set("url", event.url).set("lastUpdated", utc_text(event.reported));
  said.set("updateSequenceNumber", report_number(event));
  said.set("externalEventSourceId", target.source);
  said.set(is_build ? "buildProperties" : "deploymentProperties",
           is_build ? build_of(event) : deployment_of(event));
  Json body = Json::object();
  body.set("cloudId", target.cloud_id);
  if (!target.component.empty()) body.set("componentId", target.component);
  return body.set("event", Json::object().set(is_build ? "build" : "deployment", std::move(said)));
}

std::int64_t report_number(const CompassEvent& event) {
  const std::int64_t now = event.reported.time_since_epoch().count();
  if (!is_end(event.state) || !event.began) return now;
  return std::max<std::int64_t>(now, event.began->time_since_epoch().count() + 1);
}

std::optional<std::int64_t> number_of_run(std::string_view run_id, std::string_view attempt) {
  const auto run = parse_integer(run_id, 1, greatest_run);
  const auto tried = parse_integer(attempt.empty() ? "1" : attempt, 1, INT32_MAX);
  if (!run || !tried) return std::nullopt;
  return *run * (most_attempts + 1) + std::min<std::int64_t>(*tried, most_attempts);
}

}  // namespace pca::commit_status
