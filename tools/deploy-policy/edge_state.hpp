#pragma once

#include <string>
#include <vector>

#include "base/json.hpp"
#include "deploy-policy/policy.hpp"

namespace pca::deploy_policy {

// How Cloudflare has one Worker or Pages project. Branch patterns are in Cloudflare's spelling. A
// value type.
struct EdgeState {
  bool exists = false;
  bool is_connected = false;           // to a repository, by the Git integration
  std::string repository = {};         // "owner/name"
  std::string production_branch = {};  // empty when it builds none
  std::string previews = {};           // "all" | "none" | "custom"
  std::vector<std::string> preview_includes = {};
  std::vector<std::string> preview_excludes = {};
  std::string preview_command = {};  // of a Worker: what deploys its other branches
};

// What the API says of a Pages project, and of a Worker's triggers: the one that names `branch` is
// for production, else the first one without a pattern. Hostile JSON: what is missing or of another
// type counts as not there.
[[nodiscard]] EdgeState state_of_pages(const Json& project);
[[nodiscard]] EdgeState state_of_worker(const Json& triggers, const std::string& branch);

// One thing that the policy says of the edge.
struct EdgeCheck {
  std::string what = {};  // "production branch"
  std::string is = {};
  std::string should_be = {};
  std::string cure = {};
  [[nodiscard]] bool is_good() const { return cure.empty(); }
};

// Of what exists and is connected. `kind` is "worker" or "pages"; no `repository` ("owner/name") is
// compared with nothing.
[[nodiscard]] std::vector<EdgeCheck> check_edge(const std::string& kind, const EdgeState& state,
                                                const Policy& policy,
                                                const std::string& repository);

// The deploy command that keeps a Worker's previews to the policy's branches.
inline constexpr const char* preview_gate =
    "deploy-policy exec --class preview -- npx wrangler versions upload";

}  // namespace pca::deploy_policy
