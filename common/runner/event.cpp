#include "runner/event.hpp"

#include <fmt/format.h>

namespace pca {

namespace {

constexpr JsonLimits limits{.bytes = largest_event, .depth = 64, .values = 2'000'000};
constexpr std::size_t longest_text = 4096;

Error no_event(std::string problem) {
  return bad_input(std::move(problem), "Give the file that GITHUB_EVENT_PATH names, unchanged.");
}

std::string path_text(EventPath path) {
  std::string out;
  for (const std::string_view key : path) out += (out.empty() ? "" : ".") + std::string(key);
  return out;
}

}  // namespace

Result<Json> parse_event(std::string_view json) {
  auto event = parse_json(json, limits);
  if (!event) return no_event(fmt::format("the event is {}", event.error().message));
  PCA_CHECK(check_event(*event));
  return *std::move(event);
}

Result<> check_event(const Json& event) {
  if (event.as_object() == nullptr) return no_event("the event is no JSON object");
  return {};
}

Result<std::string> event_text(const Json& event, EventPath path) {
  const Json* at = &event;
  std::string way;
  for (const std::string_view key : path) {
    if (at->is_null()) return std::string();
    if (at->as_object() == nullptr)
      return no_event(fmt::format("the event's {} is no object", way));
    at = at->find(key);
    way += (way.empty() ? "" : ".") + std::string(key);
    if (at == nullptr) return std::string();
  }
  if (at->is_null()) return std::string();
  const std::string* text = at->as_string();
  if (text == nullptr) return no_event(fmt::format("the event's {} is no text", path_text(path)));
  if (text->size() > longest_text) {
    return no_event(
        fmt::format("the event's {} is longer than {} bytes", path_text(path), longest_text));
  }
  return *text;
}

Result<std::string> required_event_text(const Json& event, EventPath path) {
  PCA_TRY(std::string text, event_text(event, path));
  if (text.empty()) return no_event(fmt::format("the event has no {}", path_text(path)));
  return text;
}

}  // namespace pca
