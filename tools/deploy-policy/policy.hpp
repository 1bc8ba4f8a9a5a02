#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "deploy-policy/branch_pattern.hpp"

namespace pca::deploy_policy {

// Which branch deploys where, and what things are called: what .github/deploy-policy.yml says over
// the defaults, which are the rules without a file. A value type.
struct Policy {
  std::vector<BranchPattern> production;
  std::vector<BranchPattern> staging;
  std::vector<BranchPattern> exclude;
  std::vector<BranchPattern> preview;
  // What a workflow_dispatch may ask for by its input `environment`, whatever its branch.
  std::vector<std::string> dispatch_environments;

  std::string customer;
  std::string project;
  std::vector<std::string> components;  // empty: any
  std::string domain;
  // By class: templates such as "{project}-{slug}.{domain}".
  std::map<std::string, std::string, std::less<>> hostnames;
  // By class: names of GitHub environments.
  std::map<std::string, std::string, std::less<>> environment_names;

  std::chrono::milliseconds preview_ttl{};
  int preview_cap = 0;

  // The defaults.
  Policy();
};

// One mistake in a policy file.
struct PolicyMistake {
  int line = 0;
  std::string problem;  // "preview: "**" ..."
  std::string cure;
};

struct ReadPolicy {
  Policy policy;
  std::vector<PolicyMistake> mistakes;  // in the order of the file; the policy is good without any
};

// Reads the text of a policy file: untrusted, so with limits on size, depth and aliases.
[[nodiscard]] ReadPolicy parse_policy(std::string_view yaml);

// Where it is looked for when nothing else is said.
inline constexpr std::string_view policy_file = ".github/deploy-policy.yml";

}  // namespace pca::deploy_policy
