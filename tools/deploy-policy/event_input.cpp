#include "deploy-policy/event_input.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/github_repository.hpp"
#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "deploy-policy/branch_pattern.hpp"
#include "deploy-policy/policy_input.hpp"
#include "runner/event.hpp"

namespace pca::deploy_policy {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr JsonLimits line_limits{.bytes = std::size_t{1024} * 1024, .depth = 40, .values = 50'000};

// The events that say nothing without their JSON.
bool needs_payload(std::string_view event) {
  return event == "pull_request" || event == "pull_request_target" || event == "delete";
}

Result<> check_event_name(std::string_view name) {
  const bool is_good = !name.empty() && name.size() <= 64 &&
                       std::all_of(name.begin(), name.end(),
                                   [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
  if (is_good) return {};
  return bad_input(fmt::format("{} is no event", shown(name)),
                   "Write its name as GitHub does: push, pull_request, workflow_dispatch.");
}

// For each part that can be wrong by itself.
BadInputs mistakes_of(const Event& event) {
  BadInputs mistakes;
  const auto note = [&](const char* input, const auto& good) {
    if (!good) mistakes.add(input, good.error());
  };
  note("event", check_event_name(event.name));
  if (!event.repository.empty()) note("repository", parse_github_repository(event.repository));
  const std::string branch = branch_of_ref(event.ref);
  if (!branch.empty()) note("ref", check_branch_name(branch));
  const bool needs_ref = event.name == "push" || event.name == "workflow_dispatch";
  if (needs_ref && event.ref.empty()) {
    mistakes.add("ref", "is needed for " + event.name, "Give --ref BRANCH, or set GITHUB_REF.");
  }
  return mistakes;
}

class EventReader {
 public:
  EventReader(ToolContext& context, const Inputs& inputs, BadInputs& bad)
      : context_(context), inputs_(inputs), bad_(bad) {}

  Event read() {
    Event event;
    event.name = given_or("event", "GITHUB_EVENT_NAME");
    if (event.name.empty()) event.name = "push";
    event.ref = given_or("ref", "GITHUB_REF");
    event.repository = given_or("repository", "GITHUB_REPOSITORY");
    event.actor = given_or("actor", "GITHUB_ACTOR");
    const std::string path = payload_path();
    if (!path.empty()) {
      read_file(path, event);
    } else if (needs_payload(event.name)) {
      bad_.add("event-file", fmt::format("is needed for {}", event.name),
               "Give the file with the event's JSON.");
    }
    if (!bad_.names("event-file")) {
      const BadInputs mistakes = mistakes_of(event);
      for (const BadInput& mistake : mistakes.items()) bad_.add(mistake);
    }
    return event;
  }

 private:
  [[nodiscard]] std::string given_or(const char* input, const char* name) const {
    return inputs_.has(input) ? inputs_.text(input) : variable_in(context_.environment, name);
  }

  // The runner's file is about the runner's event, not about one that was asked for.
  [[nodiscard]] std::string payload_path() const {
    if (inputs_.has("event-file")) return inputs_.text("event-file");
    if (inputs_.has("event") || inputs_.has("ref")) return {};
    return variable_in(context_.environment, "GITHUB_EVENT_PATH");
  }

  void read_file(const std::string& path, Event& event) {
    const auto text =
        read_input_file(Budget::of(reading_limit, context_.stop), path, largest_event);
    if (!text) {
      bad_.add("event-file", text.error());
      return;
    }
    if (const auto good = read_payload_text(*text, event); !good)
      bad_.add("event-file", good.error());
  }

  ToolContext& context_;
  const Inputs& inputs_;
  BadInputs& bad_;
};

}  // namespace

Event read_event(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  return EventReader(context, inputs, bad).read();
}

Result<Event> read_event_line(std::string_view line) {
  const std::string cure =
      "Write {\"event\": \"push\", \"ref\": \"refs/heads/main\", \"repository\": \"acme/shop\"}.";
  const auto json = parse_json(line, line_limits);
  if (!json) return bad_input(json.error().message, cure);
  if (json->as_object() == nullptr) return bad_input("no JSON object", cure);
  Event event;
  const Json* payload = nullptr;
  const std::pair<std::string_view, std::string Event::*> texts[] = {
      {"event", &Event::name},
      {"ref", &Event::ref},
      {"repository", &Event::repository},
      {"actor", &Event::actor}};
  for (const auto& [key, value] : *json->as_object()) {
    if (key == "payload") {
      payload = &value;
      continue;
    }
    const auto* const found =
        std::find_if(std::begin(texts), std::end(texts),
                     [&, &name = key](const auto& row) { return row.first == name; });
    if (found == std::end(texts)) {
      const std::vector<std::string> known{"event", "ref", "repository", "actor", "payload"};
      const std::string near = nearest(key, known);
      return bad_input(fmt::format("the key {} is unknown", shown(key)),
                       near.empty() ? cure : fmt::format("Did you mean {}?", near));
    }
    if (value.as_string() == nullptr) {
      return bad_input(fmt::format("{} is no text", shown(key)), cure);
    }
    event.*(found->second) = *value.as_string();
  }
  if (payload != nullptr) {
    PCA_CHECK(read_payload(*payload, event));
  } else if (needs_payload(event.name)) {
    return bad_input(fmt::format("the payload of {} is missing", event.name),
                     "Give it the event's JSON as \"payload\".");
  }
  const BadInputs mistakes = mistakes_of(event);
  if (mistakes.empty()) return event;
  const BadInput& first = mistakes.items().front();
  return bad_input(fmt::format("{}: {}", first.input, first.problem), first.cure);
}

}  // namespace pca::deploy_policy
