#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "base/result.hpp"
#include "cli/inputs.hpp"
#include "deploy-policy/event.hpp"
#include "deploy-policy/policy.hpp"

namespace pca::deploy_policy {

enum class DeployClass : std::uint8_t { production, staging, preview, cleanup, none };
struct ClassRow {
  DeployClass value;
  std::string_view name;
  std::string_view meaning;
};
[[nodiscard]] std::span<const ClassRow> class_table();
[[nodiscard]] std::string_view class_name(DeployClass value);

// What the rules say of a branch: production first, so that no exclude can stop it; then staging,
// excludes, previews; otherwise none.
struct BranchDecision {
  DeployClass value = DeployClass::none;
  std::string rule;  // "preview: feature/*"; "no rule names it" when none does
};
[[nodiscard]] BranchDecision classify_branch(const Policy& policy, std::string_view branch);

// Where an event is deployed. What depends on a part that nobody named (domain, customer, project)
// is empty, and a notice says so.
struct Classification {
  DeployClass value = DeployClass::none;
  std::string branch = {};
  std::string environment = {};  // the GitHub environment's name
  std::string slug = {};
  std::string hostname = {};
  std::string url = {};
  std::string stack = {};
  std::string reason = {};  // the event and the rule that decided
  std::vector<std::string> notices = {};
  std::vector<std::string> warnings = {};
};

// Pure: the same event and policy give the same answer. Or the input because of which a name does
// not fit, or the event's branch is none.
[[nodiscard]] Result<Classification, BadInput> classify(const Policy& policy, const Event& event);

[[nodiscard]] Json to_json(const Classification& classification);

}  // namespace pca::deploy_policy
