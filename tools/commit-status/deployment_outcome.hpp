#pragma once

#include <string>
#include <vector>

#include "commit-status/deployment_api.hpp"
#include "commit-status/trouble.hpp"

namespace pca::commit_status {

// All that is told at the end of a command about deployments.
struct DeploymentOutcome : Course {
  std::string sha;
  std::string environment;
  KnownDeployment deployment;  // id 0: none
  bool is_created = false;
  DeploymentStatus status;
  DeploymentApi::Posted posted;           // id 0: not posted
  std::vector<std::int64_t> deactivated;  // deployments that are inactive now
};

// Outputs, the report, and the summary as far as the input `summary` wants one.
void tell(ToolContext& context, const Inputs& inputs, const DeploymentOutcome& outcome,
          bool has_failed);

}  // namespace pca::commit_status
