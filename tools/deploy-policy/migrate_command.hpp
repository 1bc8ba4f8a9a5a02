#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/tool_main.hpp"
#include "deploy-policy/edge_state.hpp"
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
  std::string environment = {};         //  the block of that file: "staging" of [env.staging]
  std::string path = {};                //  "new" | "existing-worker" | "existing-pages"
  std::vector<Place> deployed_by = {};  //  where workflows start it
  std::optional<EdgeState> edge = {};   //  where Cloudflare was asked
  std::vector<EdgeCheck> checks = {};
  std::vector<std::string> steps = {};
};

// What the repository tells: each Worker and Pages project of Wrangler's files, a Worker of each
// [env.NAME] by itself, and what only workflows name. What none deploys counts as new. No steps
// yet.
[[nodiscard]] std::vector<Migration> find_migrations(const Repository& repository);

// The branch that deploys it to where it belongs; empty where the policy does not tell.
[[nodiscard]] std::string branch_of(const Migration& thing, const Policy& policy);

// Adds checks and steps; what Cloudflare was asked about is new only where it is not there.
// `repository` is "owner/name", or empty where nobody knows.
void plan_migration(Migration& thing, const Policy& policy, const std::string& repository);

}  // namespace pca::deploy_policy
