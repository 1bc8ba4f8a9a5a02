#pragma once

#include <string>
#include <string_view>

#include "base/json.hpp"
#include "base/result.hpp"

namespace pca::deploy_policy {

// What happened, as GitHub tells it: from the environment, and from the event's JSON, which holds
// what strangers wrote. A value type.
struct Event {
  std::string name = {};        // "push"
  std::string ref = {};         // "refs/heads/main", or a branch alone
  std::string repository = {};  // "owner/name"
  std::string actor = {};
  // From the event's JSON, where the event has them.
  std::string action = {};                 // "opened"
  std::string head_branch = {};            // of a pull request
  std::string head_repository = {};        // empty when it is gone
  std::string deleted_ref = {};            // of a delete
  std::string deleted_ref_type = {};       // "branch"
  std::string requested_environment = {};  // the input of a workflow_dispatch
  bool deleted_by_push = false;
};

// Adds to `event` what its JSON says. bad_input when it is no JSON object or a part that the event
// needs is missing or of another kind.
[[nodiscard]] Result<> read_payload_text(std::string_view json, Event& event);
[[nodiscard]] Result<> read_payload(const Json& payload, Event& event);

// The branch of "refs/heads/main" and of "main"; empty for a tag, a pull request's ref and others.
[[nodiscard]] std::string branch_of_ref(std::string_view ref);

}  // namespace pca::deploy_policy
