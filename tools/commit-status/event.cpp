#include "commit-status/event.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "base/json.hpp"
#include "base/text.hpp"

namespace pca::commit_status {

namespace {

// The greatest event that GitHub sends has 25 MB; of what is read here only small parts are.
constexpr JsonLimits limits{
    .bytes = std::size_t{32} * 1024 * 1024, .depth = 64, .values = 2'000'000};
constexpr std::size_t longest_text = 512;

// The text at a path of keys; empty when there is none, or an unreasonable one.
std::string text_at(const Json& payload, std::initializer_list<std::string_view> path) {
  const Json* at = &payload;
  for (const std::string_view key : path) {
    at = at->find(key);
    if (at == nullptr) return {};
  }
  const std::string* text = at->as_string();
  return text == nullptr || text->size() > longest_text ? std::string() : *text;
}

bool is_pull_request(std::string_view event) { return event.starts_with("pull_request"); }

// Where the commit stands in the event's JSON; without a row it is GITHUB_SHA.
std::string head_sha_of(std::string_view event, const Json& payload) {
  if (is_pull_request(event)) return text_at(payload, {"pull_request", "head", "sha"});
  if (event == "deployment_status") return text_at(payload, {"deployment", "sha"});
  if (event == "deployment") return text_at(payload, {"deployment", "sha"});
  if (event == "status") return text_at(payload, {"sha"});
  return text_at(payload,
                 {event, "head_sha"});  // workflow_run, check_run, check_suite, merge_group
}

}  // namespace

bool needs_payload(std::string_view event) {
  constexpr std::string_view others[] = {"workflow_run", "check_run",  "check_suite",
                                         "merge_group",  "deployment", "deployment_status",
                                         "status"};
  return is_pull_request(event) ||
         std::find(std::begin(others), std::end(others), event) != std::end(others);
}

Result<> read_payload(std::string_view json, Event& event) {
  const auto payload = parse_json(json, limits);
  if (!payload || payload->as_object() == nullptr) {
    return bad_input(payload ? "the event is no JSON object"
                             : fmt::format("the event is {}", payload.error().message),
                     "Give the commit by --sha.");
  }
  event.head_sha = head_sha_of(event.name, *payload);
  event.head_repository = text_at(*payload, {"pull_request", "head", "repo", "full_name"});
  return {};
}

bool is_full_sha(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

Result<std::string> commit_of(const Event& event) {
  if (event.name == "issue_comment") {
    return bad_input("an issue_comment is about no commit: GITHUB_SHA is the default branch's",
                     "Give the commit by --sha, as of gh pr view --json headRefOid.");
  }
  const std::string& sha = needs_payload(event.name) ? event.head_sha : event.github_sha;
  if (is_full_sha(sha)) return to_lower(sha);
  if (event.name.empty() && sha.empty()) {
    return bad_input("is not known outside of a run of GitHub", "Give --sha.");
  }
  return bad_input(
      sha.empty() ? fmt::format("the event {} names no commit", shown(event.name))
                  : fmt::format("{} is no commit of the event {}", shown(sha), shown(event.name)),
      "Give the commit by --sha.");
}

std::string read_only_reason(const Event& event) {
  const bool has_own_token = event.name == "pull_request_target" || event.name == "workflow_run";
  if (has_own_token) return {};
  if (event.actor == "dependabot[bot]") return "Dependabot caused this event";
  if (is_pull_request(event.name) &&
      !equals_ignoring_case(event.head_repository, event.repository)) {
    return event.head_repository.empty() ? "this pull request comes from a fork that is gone"
                                         : fmt::format("this pull request comes from the fork {}",
                                                       visible(event.head_repository));
  }
  return {};
}

}  // namespace pca::commit_status
