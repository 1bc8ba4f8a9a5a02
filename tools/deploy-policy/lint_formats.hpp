#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "deploy-policy/finding.hpp"

namespace pca::deploy_policy {

struct FindingCounts {
  int errors = 0;
  int warnings = 0;
  int notes = 0;

  [[nodiscard]] int to_fail_on() const { return errors + warnings; }
};
[[nodiscard]] FindingCounts count(const std::vector<Finding>& findings);

enum class FixHints : bool { left_out, shown };

// "file:12: error: what is wrong [rule]", then the way there and the cure, each on a line.
[[nodiscard]] std::string as_text(const std::vector<Finding>& findings, FixHints hints);
[[nodiscard]] Json as_json(const std::vector<Finding>& findings);
// SARIF 2.1.0, as GitHub's code scanning takes it.
[[nodiscard]] Json as_sarif(const std::vector<Finding>& findings);
// Markdown for the job summary.
[[nodiscard]] std::string as_summary(const std::vector<Finding>& findings);

}  // namespace pca::deploy_policy
