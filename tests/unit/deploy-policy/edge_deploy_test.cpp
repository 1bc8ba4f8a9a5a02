#include "deploy-policy/edge_deploy.hpp"

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "deploy-policy/shell_commands.hpp"

namespace pca::deploy_policy {
namespace {

std::vector<std::string> lines_of(std::string_view script) {
  std::vector<std::string> lines;
  for (const ShellCommand& command : shell_commands(script)) {
    lines.push_back(join(command.words, "|"));
  }
  return lines;
}

using Texts = std::vector<std::string>;

TEST(ShellCommands, AreSplitAsAShellSplitsThem) {
  EXPECT_EQ(lines_of("a b; c && d || e | f & g\nh"), (Texts{"a|b", "c", "d", "e", "f", "g", "h"}));
  EXPECT_EQ(lines_of("a 'b c' \"d $X\" e\\ f"), Texts{"a|b c|d $X|e f"});
  EXPECT_EQ(lines_of("a \\\n  b # comment\n# all\nc"), (Texts{"a|b", "c"}));
  EXPECT_EQ(lines_of("if a; then b; fi"), (Texts{"a", "b"}));
  EXPECT_EQ(lines_of("(cd x && a) > log 2>&1"), (Texts{"cd|x", "a"}));
  EXPECT_EQ(lines_of("x=$(a b) c"), (Texts{"a|b", "x=$()|c"}));
  EXPECT_EQ(lines_of("echo \"$(a)\" `b c`"), (Texts{"a", "b|c", "echo|$()|$()"}));
  EXPECT_EQ(lines_of("a ${{ inputs.x && 'y;z' }} b"), Texts{"a|${{ inputs.x && 'y;z' }}|b"});
  EXPECT_EQ(lines_of("a <<EOF\nwrangler deploy\nEOF\nb"), (Texts{"a", "b"}));
  EXPECT_EQ(lines_of("a 'open"), Texts{"a|open"});
}

TEST(ShellCommands, KnowWhereTheyBegin) {
  const std::string script = "one\n\nif true; then\n  two $(three)\nfi\n";
  for (const ShellCommand& command : shell_commands(script)) {
    EXPECT_EQ(script.substr(command.offset, command.words[0].size()), command.words[0]);
  }
}

// What the first command that deploys does, through nested shells; scripts as "script NAME".
std::string meaning(std::string_view script) {
  for (const ShellCommand& command : shell_commands(script)) {
    const CommandMeaning found = meaning_of(command.words);
    if (!found.deploys.empty()) return found.deploys;
    for (const ScriptCall& call : found.scripts) {
      return "script " + call.script + (call.folder.empty() ? "" : " in " + call.folder) +
             (call.package.empty() ? "" : " of " + call.package) +
             (call.any_package ? " of any" : "");
    }
    for (const std::string& text : found.shell_texts) {
      if (std::string inner = meaning(text); !inner.empty()) return inner;
    }
    if (!found.shell_file.empty()) return "file " + found.shell_file;
    if (!found.program_file.empty()) return "program " + found.program_file;
  }
  return "";
}

TEST(EdgeDeploy, KnowsWranglerInAllItsSpellings) {
  const std::pair<const char*, const char*> table[] = {
      {"wrangler deploy", "wrangler deploy"},
      {"wrangler publish", "wrangler publish"},
      {"npx wrangler deploy --env staging", "wrangler deploy"},
      {"npx --yes wrangler@4.20.0 --config a.toml deploy", "wrangler deploy"},
      {"pnpm exec wrangler pages deploy dist --project-name x", "wrangler pages deploy"},
      {"pnpm dlx wrangler@latest versions upload", "wrangler versions upload"},
      {"yarn wrangler versions deploy", "wrangler versions deploy"},
      {"yarn dlx wrangler rollback", "wrangler rollback"},
      {"bunx wrangler triggers deploy", "wrangler triggers deploy"},
      {"bun x wrangler deploy", "wrangler deploy"},
      {"npm exec -- wrangler deploy", "wrangler deploy"},
      {"npm x wrangler pages publish .", "wrangler pages publish"},
      {"./node_modules/.bin/wrangler deploy", "wrangler deploy"},
      {"node node_modules/wrangler/bin/wrangler.js deploy", "wrangler deploy"},
      {"CLOUDFLARE_API_TOKEN=x npx wrangler deploy", "wrangler deploy"},
      {"env A=b timeout -k 5 60 npx wrangler deploy", "wrangler deploy"},
      {"doppler run -- npx wrangler deploy", "wrangler deploy"},
      {"bash -lc 'cd app && wrangler deploy'", "wrangler deploy"},
      {"eval \"wrangler deploy\"", "wrangler deploy"},
      {"out=$(npx wrangler deploy)", "wrangler deploy"},
      {"npx wrangler -e staging deploy", "wrangler deploy"},
      {"npx @cloudflare/wrangler publish", "wrangler publish"},
      {"npx opennextjs-cloudflare deploy", "opennextjs-cloudflare deploy"},
      {"npx @opennextjs/cloudflare@1 upload", "opennextjs-cloudflare upload"},
      {"npx concurrently \"wrangler deploy\" \"x\"", "wrangler deploy"},
      {"wrangler deploy --dry-run false", "wrangler deploy"},
      {"wrangler deploy --dry-run=false", "wrangler deploy"},
      {"npx -c 'wrangler deploy'", "wrangler deploy"},
      {"npx -p wrangler@4 --call='wrangler deploy'", "wrangler deploy"},
      {"npm exec -c \"wrangler deploy\"", "wrangler deploy"},
      {"npx wrangler -c wrangler.toml deploy", "wrangler deploy"},
      {"corepack pnpm exec wrangler deploy", "wrangler deploy"},
      {"npx dotenv -e .env wrangler deploy", "wrangler deploy"},
      {"dotenv -e .env -- wrangler deploy", "wrangler deploy"},
  };
  for (const auto& [script, expected] : table) EXPECT_EQ(meaning(script), expected) << script;
}

TEST(EdgeDeploy, KnowsWhatDeploysNothing) {
  for (const char* script :
       {"wrangler types", "wrangler dev", "npx wrangler d1 migrations apply db --remote",
        "wrangler deploy --dry-run", "wrangler deploy --help", "wrangler secret put X",
        "wrangler kv key put a b", "wrangler tail", "wrangler versions list", "wrangler pages dev",
        "wrangler --env deploy types", "echo wrangler deploy", "grep 'wrangler deploy' x",
        "npx wrangler whoami", "wrangler", "npx opennextjs-cloudflare build"}) {
    EXPECT_EQ(meaning(script), "") << script;
  }
}

TEST(EdgeDeploy, KnowsRequestsToTheApi) {
  const std::string api = "https://api.cloudflare.com/client/v4/accounts/$ID";
  const std::pair<std::string, std::string> table[] = {
      {"curl -X PUT " + api + "/workers/scripts/x --data-binary @w.js", "PUT to Cloudflare's API"},
      {"curl -XPUT " + api + "/workers/scripts/x/content", "PUT to Cloudflare's API"},
      {"curl --request=POST " + api + "/workers/scripts/x/versions", "POST to Cloudflare's API"},
      {"curl -F f=@x " + api + "/pages/projects/x/deployments", "POST to Cloudflare's API"},
      {"curl -X POST " + api + "/pages/projects/x/deployments/1/rollback",
       "POST to Cloudflare's API"},
      {"curl -T w.js " + api + "/workers/scripts/x", "PUT to Cloudflare's API"},
      {"curl -sSX POST " + api + "/pages/projects/x/deployments", "POST to Cloudflare's API"},
      {"curl -fsSXPUT " + api + "/workers/scripts/x", "PUT to Cloudflare's API"},
      {"curl -sd @w.js " + api + "/workers/scripts/x", "POST to Cloudflare's API"},
      {"curl -sG -d a=b " + api + "/workers/scripts/x", ""},
      {"curl -so X " + api + "/workers/scripts/x", ""},
      {"curl -X PUT \"$CF_API/workers/scripts/x\"", "PUT to Cloudflare's API"},
      {"curl \"$CF_API/workers/scripts/x\"", ""},
      {"xh PUT " + api + "/workers/scripts/x", "PUT to Cloudflare's API"},
      {"wget --method=PUT " + api + "/workers/scripts/x", "PUT to Cloudflare's API"},
      {"curl " + api + "/workers/scripts/x", ""},
      {"curl " + api + "/pages/projects/x/deployments", ""},
      {"curl -X PUT " + api + "/workers/scripts/x/secrets", ""},
      {"curl -X POST https://api.cloudflare.com/client/v4/zones/x/purge_cache", ""},
      {"curl -X PUT https://example.com/workers/scripts/x", ""},
  };
  for (const auto& [script, expected] : table) EXPECT_EQ(meaning(script), expected) << script;
}

TEST(EdgeDeploy, KnowsCallsOfScripts) {
  const std::pair<const char*, const char*> table[] = {
      {"npm run deploy", "script deploy"},
      {"npm run-script deploy -- --x", "script deploy"},
      {"npm --prefix app run deploy", "script deploy in app"},
      {"npm run -w web deploy", "script deploy of web"},
      {"npm run ship --workspace=web", "script ship of web"},
      {"npm run ship -w web", "script ship of web"},
      {"npm run ship --prefix dir", "script ship in dir"},
      {"npm run ship --workspaces", "script ship of any"},
      {"npm run ship -- -w web", "script ship"},
      {"pnpm ship -w web", "script ship"},
      {"npm start", "script start"},
      {"npm install", ""},
      {"pnpm run deploy", "script deploy"},
      {"pnpm ship", "script ship"},
      {"pnpm deploy", ""},
      {"pnpm --filter web deploy:prod", "script deploy:prod of web"},
      {"pnpm -r run deploy", "script deploy of any"},
      {"yarn deploy", "script deploy"},
      {"yarn workspace web deploy", "script deploy of web"},
      {"yarn --cwd app deploy", "script deploy in app"},
      {"bun run deploy", "script deploy"},
      {"npx turbo run deploy", "script deploy of any"},
      {"npx run-s 'deploy:*'", "script deploy:*"},
      {"npx nx run web:deploy", "script deploy of any"},
      {"./scripts/deploy.sh prod", "file ./scripts/deploy.sh"},
      {"bash -eu tools/deploy.sh", "file tools/deploy.sh"},
      {"source env.sh", "file env.sh"},
      {"./scripts/deploy", "file ./scripts/deploy"},
      {"scripts/deploy prod", "file scripts/deploy"},
      {"bash scripts/deploy", "file scripts/deploy"},
      {"node scripts/deploy.mjs", "program scripts/deploy.mjs"},
      {"node -r dotenv/config scripts/deploy.mjs", "program scripts/deploy.mjs"},
      {"python3 tools/deploy.py", "program tools/deploy.py"},
  };
  for (const auto& [script, expected] : table) EXPECT_EQ(meaning(script), expected) << script;
}

TEST(EdgeDeploy, KnowsActionsAndTheirForks) {
  EXPECT_TRUE(is_wrangler_action("cloudflare/wrangler-action@v3"));
  EXPECT_TRUE(is_wrangler_action("someone/wrangler-action@main"));
  EXPECT_TRUE(is_pages_action("cloudflare/pages-action@v1"));
  EXPECT_TRUE(is_pages_action("AdrianGonz97/refined-cf-pages-action@v1"));
  EXPECT_TRUE(is_pages_action("someone/cloudflare-pages-deploy@v1"));
  EXPECT_FALSE(is_pages_action("actions/deploy-pages@v4"));
  EXPECT_FALSE(is_pages_action("peaceiris/actions-gh-pages@v4"));
  EXPECT_EQ(meaning_of_action("").deploys, "wrangler deploy");
  EXPECT_EQ(meaning_of_action("deploy --env staging").deploys, "wrangler deploy");
  EXPECT_EQ(meaning_of_action("d1 migrations apply x\npages deploy dist").deploys,
            "wrangler pages deploy");
  EXPECT_EQ(meaning_of_action("types").deploys, "");
  EXPECT_EQ(meaning_of_action("deploy --dry-run").deploys, "");
  EXPECT_NE(meaning_of_action("${{ inputs.command }}").deploys, "");
}

// "kind name config environment folder" of the first command that deploys.
std::string target(std::string_view script) {
  for (const ShellCommand& command : shell_commands(script)) {
    const CommandMeaning found = meaning_of(command.words);
    if (found.deploys.empty()) continue;
    const EdgeTarget& to = found.target;
    return join(Texts{to.kind, to.name, to.config, to.environment, to.folder}, "|");
  }
  return "";
}

TEST(EdgeDeploy, KnowsWhatItGoesTo) {
  const std::string api = "https://api.cloudflare.com/client/v4/accounts/$ID";
  const std::pair<std::string, std::string> table[] = {
      {"wrangler deploy", "worker||||"},
      {"wrangler deploy --name api --env staging", "worker|api||staging|"},
      {"npx wrangler -c a/b.toml --cwd app deploy -e $ENV", "worker||a/b.toml|$ENV|app"},
      {"wrangler pages deploy dist --project-name ui", "pages|ui|||"},
      {"wrangler pages deploy dist --project-name=ui", "pages|ui|||"},
      {"wrangler pages deploy dist --name ui", "pages|ui|||"},
      {"wrangler pages deploy dist --project-name $UI", "pages||||"},
      {"npx opennextjs-cloudflare deploy --env staging", "worker|||staging|"},
      {"curl -XPUT " + api + "/workers/scripts/api/content?x", "worker|api|||"},
      {"curl -XPOST " + api + "/pages/projects/ui/deployments", "pages|ui|||"},
      {"curl -XPOST " + api + "/pages/projects/$UI/deployments", "pages||||"},
  };
  for (const auto& [script, expected] : table) EXPECT_EQ(target(script), expected) << script;
  EXPECT_EQ(meaning_of_action("pages deploy dist --project-name=ui").target.name, "ui");
  EXPECT_EQ(meaning_of_action("").target.kind, "worker");
}

TEST(EdgeDeploy, LooksIntoOtherLanguages) {
  EXPECT_EQ(meaning_of_text("await exec.exec('npx wrangler deploy')").deploys, "wrangler deploy");
  EXPECT_EQ(meaning_of_text("fetch('https://api.cloudflare.com/client/v4/accounts/x/workers/"
                            "scripts/y', {method: 'PUT'})")
                .deploys,
            "a request to Cloudflare's API");
  EXPECT_EQ(meaning_of_text("fetch('https://api.cloudflare.com/client/v4/zones')").deploys, "");
}

}  // namespace
}  // namespace pca::deploy_policy
