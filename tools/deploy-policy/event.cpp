#include "deploy-policy/event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/text.hpp"

namespace pca::deploy_policy {

namespace {

// The greatest event that GitHub sends has 25 MB; of what is read here only small parts are.
constexpr JsonLimits limits{
    .bytes = std::size_t{32} * 1024 * 1024, .depth = 64, .values = 2'000'000};
constexpr std::size_t longest_text = 4096;

constexpr std::string_view branch_prefix = "refs/heads/";

Error no_payload(std::string problem) {
  return bad_input(std::move(problem), "Give the file that GITHUB_EVENT_PATH names, unchanged.");
}

std::string path_text(std::initializer_list<std::string_view> path) {
  std::string out;
  for (const std::string_view key : path) out += (out.empty() ? "" : ".") + std::string(key);
  return out;
}

// The text at a path of keys: empty when a part of the path is absent or null.
Result<std::string> text_at(const Json& payload, std::initializer_list<std::string_view> path) {
  const Json* at = &payload;
  std::string way;
  for (const std::string_view key : path) {
    if (at->is_null()) return std::string();
    if (at->as_object() == nullptr) {
      return no_payload(fmt::format("the event's {} is no object", way));
    }
    at = at->find(key);
    way += (way.empty() ? "" : ".") + std::string(key);
    if (at == nullptr) return std::string();
  }
  if (at->is_null()) return std::string();
  const std::string* text = at->as_string();
  if (text == nullptr) return no_payload(fmt::format("the event's {} is no text", path_text(path)));
  if (text->size() > longest_text) {
    return no_payload(
        fmt::format("the event's {} is longer than {} bytes", path_text(path), longest_text));
  }
  return *text;
}

Result<std::string> required_text_at(const Json& payload,
                                     std::initializer_list<std::string_view> path) {
  PCA_TRY(std::string text, text_at(payload, path));
  if (text.empty()) return no_payload(fmt::format("the event has no {}", path_text(path)));
  return text;
}

bool is_pull_request(std::string_view event) {
  return event == "pull_request" || event == "pull_request_target";
}

}  // namespace

Result<> read_payload(const Json& payload, Event& event) {
  if (payload.as_object() == nullptr) return no_payload("the event is no JSON object");
  if (event.repository.empty()) {
    PCA_TRY(event.repository, text_at(payload, {"repository", "full_name"}));
  }
  if (is_pull_request(event.name)) {
    PCA_TRY(event.action, required_text_at(payload, {"action"}));
    PCA_TRY(event.head_branch, required_text_at(payload, {"pull_request", "head", "ref"}));
    PCA_TRY(event.head_repository, text_at(payload, {"pull_request", "head", "repo", "full_name"}));
  } else if (event.name == "delete") {
    PCA_TRY(event.deleted_ref, required_text_at(payload, {"ref"}));
    PCA_TRY(event.deleted_ref_type, required_text_at(payload, {"ref_type"}));
  } else if (event.name == "workflow_dispatch") {
    PCA_TRY(event.requested_environment, text_at(payload, {"inputs", "environment"}));
  } else if (event.name == "push") {
    const Json* deleted = payload.find("deleted");
    event.deleted_by_push =
        deleted != nullptr && deleted->as_bool() != nullptr && *deleted->as_bool();
  }
  return {};
}

Result<> read_payload_text(std::string_view json, Event& event) {
  const auto payload = parse_json(json, limits);
  if (!payload) return no_payload(fmt::format("the event is {}", payload.error().message));
  return read_payload(*payload, event);
}

std::string branch_of_ref(std::string_view ref) {
  if (ref.starts_with(branch_prefix)) return std::string(ref.substr(branch_prefix.size()));
  return ref.starts_with("refs/") ? std::string() : std::string(ref);
}

Result<> check_repository(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  const std::size_t slash = text.find('/');
  const std::string_view owner = text.substr(0, slash);
  const std::string_view name =
      slash == std::string_view::npos ? std::string_view() : text.substr(slash + 1);
  const bool is_good = !owner.empty() && !name.empty() && text.size() <= 200 &&
                       std::all_of(owner.begin(), owner.end(), is_allowed) &&
                       std::all_of(name.begin(), name.end(), is_allowed);
  if (is_good) return {};
  return bad_input(fmt::format("{} is no repository", shown(text)), "Write it as owner/name.");
}

}  // namespace pca::deploy_policy
