#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "cli/tool_main.hpp"
#include "deploy-policy/finding.hpp"
#include "deploy-policy/policy.hpp"
#include "deploy-policy/repository.hpp"

namespace pca::deploy_policy {

Result<int> run_migrate(ToolContext& context, Inputs inputs, BadInputs& bad);

// One thing at the edge, and how it comes to be deployed by Cloudflare's Git integration.
struct Migration {
  std::string kind = {};                //  "worker" | "pages"
  std::string name = {};                //  empty when no file names it
  std::string config = {};              //  Wrangler's file; empty when there is none
  std::string path = {};                //  "new" | "existing-worker" | "existing-pages"
  std::vector<Place> deployed_by = {};  //  where workflows start it
  std::vector<std::string> steps = {};
};

// What the repository alone tells: a thing that no workflow deploys counts as new.
[[nodiscard]] std::vector<Migration> plan_migrations(const Repository& repository,
                                                     const Policy& policy);

}  // namespace pca::deploy_policy
