#pragma once

#include <string>

#include "cli/tool_main.hpp"
#include "net/github.hpp"

namespace pca::commit_status {

// Which commit of which repository is meant, and how GitHub is reached.
struct Target {
  GitHubRepository repository;
  std::string ref;               // a full SHA, or what resolve_commit() makes one of
  std::string read_only_reason;  // why the token may have no right to write; empty: none known
  GitHubSettings settings;
  bool has_token = false;
  bool has_token_input = false;  // else it is of GITHUB_TOKEN or GH_TOKEN
};

// What a command needs of its target.
struct TargetNeeds {
  std::string permission;  // of the token, "statuses: write"
  bool has_commit = true;  // else its ref may stay empty
  bool takes_sha = true;   // else there is no input for it
  bool writes = true;      // else there is neither a dry run nor a token that may not
};

// Why GitHub gives this run's token no right to write, and the run no secrets; empty when it may
// have them, or nobody knows.
[[nodiscard]] std::string read_only_reason_of_run(const ToolContext& context);

// The target of the inputs, and of the runner where they are silent. Its mistakes go to `bad`.
[[nodiscard]] Target read_target(ToolContext& context, Inputs& inputs, const TargetNeeds& needs,
                                 BadInputs& bad);

// The inputs retries, timeout and max-wait.
void read_patience(const Inputs& inputs, Patience& patience, BadInputs& bad);

// The full SHA of the target's ref; one GET where it is none yet.
[[nodiscard]] Result<std::string> resolve_commit(const Budget& budget, GitHubApi& api,
                                                 const Target& target);

// The page of this run, with its attempt; empty outside of Actions.
[[nodiscard]] std::string url_of_run(const Environment& environment);

}  // namespace pca::commit_status
