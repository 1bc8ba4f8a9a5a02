#include "commit-status/event.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "runner/event.hpp"

namespace pca::commit_status {

namespace {

bool is_pull_request(std::string_view event) { return event.starts_with("pull_request"); }

// Where the commit stands in the event's JSON; without a row it is GITHUB_SHA.
Result<std::string> head_sha_of(std::string_view event, const Json& payload) {
  if (is_pull_request(event)) return event_text(payload, {"pull_request", "head", "sha"});
  if (event == "deployment_status") return event_text(payload, {"deployment", "sha"});
  if (event == "deployment") return event_text(payload, {"deployment", "sha"});
  if (event == "status") return event_text(payload, {"sha"});
  return event_text(payload,
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
  PCA_TRY(const Json payload, parse_event(json));
  PCA_TRY(event.head_sha, head_sha_of(event.name, payload));
  PCA_TRY(event.head_repository,
          event_text(payload, {"pull_request", "head", "repo", "full_name"}));
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
