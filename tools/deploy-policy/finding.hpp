#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace pca::deploy_policy {

enum class Level : std::uint8_t { error, warning, note };  // a note is no finding to fail on

struct RuleRow {
  std::string_view id;  // "edge-deploy"
  Level level;
  std::string_view summary;  // what it finds, one line
};
// In alphabetical order.
[[nodiscard]] std::span<const RuleRow> rule_table();
[[nodiscard]] const RuleRow* find_rule(std::string_view id);
[[nodiscard]] std::string_view level_name(Level level);

struct Place {
  std::string file;  // relative to the repository, with slashes
  int line = 1;

  friend bool operator==(const Place&, const Place&) = default;
};

// Something in a repository that contradicts the policy.
struct Finding {
  std::string rule;
  Place at;                     // where a workflow starts it
  std::string message;          // what is wrong, and why that matters
  std::string cure;             // what to do
  std::string fix = {};         // the very text to write there, where there is one
  std::vector<Place> via = {};  // from there to what does it: npm script, action, workflow
};

[[nodiscard]] Level level_of(const Finding& finding);
[[nodiscard]] Json to_json(const Finding& finding);
// By file, line and rule.
void sort_findings(std::vector<Finding>& findings);

}  // namespace pca::deploy_policy
