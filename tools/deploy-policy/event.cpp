#include "deploy-policy/event.hpp"

#include "runner/event.hpp"

namespace pca::deploy_policy {

namespace {

constexpr std::string_view branch_prefix = "refs/heads/";

bool is_pull_request(std::string_view event) {
  return event == "pull_request" || event == "pull_request_target";
}

}  // namespace

Result<> read_payload(const Json& payload, Event& event) {
  PCA_CHECK(check_event(payload));
  if (event.repository.empty()) {
    PCA_TRY(event.repository, event_text(payload, {"repository", "full_name"}));
  }
  if (is_pull_request(event.name)) {
    PCA_TRY(event.action, required_event_text(payload, {"action"}));
    PCA_TRY(event.head_branch, required_event_text(payload, {"pull_request", "head", "ref"}));
    PCA_TRY(event.head_repository,
            event_text(payload, {"pull_request", "head", "repo", "full_name"}));
  } else if (event.name == "delete") {
    PCA_TRY(event.deleted_ref, required_event_text(payload, {"ref"}));
    PCA_TRY(event.deleted_ref_type, required_event_text(payload, {"ref_type"}));
  } else if (event.name == "workflow_dispatch") {
    PCA_TRY(event.requested_environment, event_text(payload, {"inputs", "environment"}));
  } else if (event.name == "push") {
    const Json* deleted = payload.find("deleted");
    event.deleted_by_push =
        deleted != nullptr && deleted->as_bool() != nullptr && *deleted->as_bool();
  }
  return {};
}

Result<> read_payload_text(std::string_view json, Event& event) {
  PCA_TRY(const Json payload, parse_event(json));
  return read_payload(payload, event);
}

std::string branch_of_ref(std::string_view ref) {
  if (ref.starts_with(branch_prefix)) return std::string(ref.substr(branch_prefix.size()));
  return ref.starts_with("refs/") ? std::string() : std::string(ref);
}

}  // namespace pca::deploy_policy
