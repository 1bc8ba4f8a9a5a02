#pragma once

#include <vector>

#include "deploy-policy/finding.hpp"
#include "deploy-policy/policy.hpp"
#include "deploy-policy/repository.hpp"

namespace pca::deploy_policy {

// All findings in a repository, without those that a comment "deploy-policy: allow RULE -- reason"
// on their line or the one above allows. Pure, sorted.
[[nodiscard]] std::vector<Finding> lint(const Repository& repository, const Policy& policy);

// Its parts, each for a kind of files.
[[nodiscard]] std::vector<Finding> lint_edge_deploys(const Repository& repository);
[[nodiscard]] std::vector<Finding> lint_workflows(const Repository& repository,
                                                  const Policy& policy);
[[nodiscard]] std::vector<Finding> lint_wrangler(const Repository& repository,
                                                 const Policy& policy);

}  // namespace pca::deploy_policy
