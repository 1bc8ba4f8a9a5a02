#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pca::deploy_policy {

// A call of a package.json's script: "npm run deploy", "pnpm --filter web deploy".
struct ScriptCall {
  std::string script = {};   // may end in "*" (npm-run-all)
  std::string folder = {};   // relative to where the command runs; empty for that very place
  std::string package = {};  // name or folder of a workspace; empty for none
  bool any_package = false;  // of every package that has it (turbo, pnpm -r)
};

// What a deploy goes to, as far as its words tell. What only a run knows ("$NAME") is empty.
struct EdgeTarget {
  std::string kind = {};         // "worker" | "pages"
  std::string name = {};         // empty: the configuration's
  std::string config = {};       // Wrangler's file; empty: the one that it finds
  std::string environment = {};  // of Wrangler; what only a run knows stands here as it was written
  std::string folder = {};       // where Wrangler works

  friend bool operator==(const EdgeTarget&, const EdgeTarget&) = default;
};

// What a command has to do with deploying to Cloudflare. Paths are relative to where it runs.
struct CommandMeaning {
  std::string deploys = {};  // "wrangler deploy", or empty: it does not deploy by itself
  EdgeTarget target = {};    // of what deploys
  std::vector<ScriptCall> scripts = {};
  std::vector<std::string> shell_texts = {};  // of "sh -c '...'": scripts of their own
  std::string shell_file = {};                // "./deploy.sh", "bash tools/deploy"
  std::string program_file = {};              // "node tools/deploy.mjs": no shell reads it
};

// Knows wrangler in all its spellings and wrappers, opennextjs-cloudflare, and requests to
// Cloudflare's API; what only looks, types, develops, migrates or runs dry deploys nothing.
[[nodiscard]] CommandMeaning meaning_of(const std::vector<std::string>& words);

// What the lines of wrangler-action's input `command` deploy; without any it deploys.
[[nodiscard]] CommandMeaning meaning_of_action(std::string_view command);

// Whether `uses` names an action that runs Wrangler, or one that uploads to Pages.
[[nodiscard]] bool is_wrangler_action(std::string_view uses);
[[nodiscard]] bool is_pages_action(std::string_view uses);

// For programs that are no shell (JavaScript, Python): what their text deploys.
[[nodiscard]] CommandMeaning meaning_of_text(std::string_view program);

// Whether a text says it by itself, or only a run knows it.
[[nodiscard]] bool is_known_here(std::string_view text);

}  // namespace pca::deploy_policy
