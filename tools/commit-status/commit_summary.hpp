#pragma once

#include <string>
#include <vector>

#include "commit-status/deployment.hpp"
#include "commit-status/gate.hpp"

namespace pca::commit_status {

// A deployment of the commit and its latest status.
struct DeploymentState {
  KnownDeployment deployment;
  DeploymentStatus status;
};

// How a commit stands at GitHub.
struct CommitSummary {
  std::string repository;
  std::string sha;
  Verdict verdict;
  std::vector<DeploymentState> deployments;  // the latest of each environment and preview
  std::string more;                          // Markdown of the user's
};

// success, failure, pending; none where nothing is said of the commit.
[[nodiscard]] std::string state_of(const CommitSummary& summary);
// Tables of its statuses, checks and deployments: failures first, then what is pending.
[[nodiscard]] std::string markdown_of(const CommitSummary& summary);

// The latest of each environment and preview; `all` is newest first.
[[nodiscard]] std::vector<KnownDeployment> latest_of_each(const std::vector<KnownDeployment>& all);

}  // namespace pca::commit_status
