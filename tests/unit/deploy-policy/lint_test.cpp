#include "deploy-policy/lint.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>
#include <regex>

#include "base/text.hpp"
#include "deploy-policy/classify.hpp"
#include "deploy-policy/export_command.hpp"
#include "deploy-policy/lint_formats.hpp"
#include "deploy-policy/migrate_command.hpp"
#include "support/temp_folder.hpp"

namespace pca::deploy_policy {
namespace {

using Files = std::map<std::string, std::string>;
using Texts = std::vector<std::string>;

const std::string ci = ".github/workflows/ci.yml";

std::vector<Finding> findings_in(const Files& files, const Policy& policy = {}) {
  return lint(Repository::of(files), policy);
}

// "file:line rule <- via, via" of each.
Texts places(const std::vector<Finding>& findings) {
  Texts all;
  for (const Finding& finding : findings) {
    EXPECT_FALSE(finding.message.empty());
    EXPECT_FALSE(finding.cure.empty()) << finding.message;
    EXPECT_NE(find_rule(finding.rule), nullptr) << finding.rule;
    std::string text = finding.at.file + ":" + std::to_string(finding.at.line) + " " + finding.rule;
    for (const Place& place : finding.via) {
      text += " <- " + place.file + ":" + std::to_string(place.line);
    }
    all.push_back(text);
  }
  return all;
}

Texts lint_places(const Files& files, const Policy& policy = {}) {
  return places(findings_in(files, policy));
}

// A workflow with one job of these steps (indented by six).
std::string workflow(const std::string& steps, const std::string& on = "push") {
  return "on: " + on + "\npermissions: {}\njobs:\n  a:\n    steps:\n" + steps;
}

TEST(Lint, FindsADeployAtItsLineInTheScript) {
  EXPECT_EQ(lint_places({{ci, workflow("      - run: |\n          npm ci\n\n          npx wrangler "
                                       "deploy\n      - uses: cloudflare/wrangler-action@v3\n")}}),
            (Texts{ci + ":9 edge-deploy", ci + ":10 edge-deploy"}));
}

TEST(Lint, WranglerActionCountsByItsCommand) {
  EXPECT_EQ(
      lint_places({{ci, workflow("      - uses: cloudflare/wrangler-action@v3\n        with:\n"
                                 "          command: types\n"
                                 "          preCommands: npx wrangler deploy\n")}}),
      Texts{ci + ":9 edge-deploy"});
}

TEST(Lint, ATokenAloneIsNoFinding) {
  EXPECT_EQ(
      lint_places({{ci, workflow("      - run: npx wrangler d1 migrations apply db\n        env:\n"
                                 "          CLOUDFLARE_API_TOKEN: ${{ secrets.T }}\n")}}),
      Texts{});
}

TEST(Lint, FollowsNpmScriptsThroughTheirFolders) {
  const Files files{
      {ci, workflow("      - run: npm run ship\n        working-directory: apps/web\n")},
      {"package.json", "{\"scripts\": {\"ship\": \"true\"}}"},
      {"apps/web/package.json",
       "{\n  \"scripts\": {\n    \"ship\": \"npm run build && npm run up\",\n    \"up\": "
       "\"wrangler "
       "deploy\",\n    \"build\": \"vite build\"\n  }\n}"}};
  EXPECT_EQ(lint_places(files),
            Texts{ci + ":6 edge-deploy <- apps/web/package.json:3 <- apps/web/package.json:4"});
}

TEST(Lint, AScriptThatNobodyCallsIsANote) {
  const auto findings =
      findings_in({{"package.json", "{\"scripts\": {\"ship\": \"wrangler deploy\"}}"}});
  ASSERT_EQ(places(findings), Texts{"package.json:1 edge-deploy-script"});
  EXPECT_EQ(level_of(findings[0]), Level::note);
  EXPECT_EQ(count(findings).to_fail_on(), 0);
}

TEST(Lint, PreAndPostScriptsRunToo) {
  EXPECT_EQ(
      lint_places({{ci, workflow("      - run: npm run build\n")},
                   {"package.json",
                    "{\"scripts\": {\"build\": \"true\", \"postbuild\": \"wrangler deploy\"}}"}}),
      Texts{ci + ":6 edge-deploy <- package.json:1"});
}

TEST(Lint, FollowsCompositeActionsReusableWorkflowsAndShellScripts) {
  const Files files{
      {ci, "on: push\npermissions: {}\njobs:\n  a:\n    uses: ./.github/workflows/deploy.yml\n"},
      {".github/workflows/deploy.yml",
       workflow("      - uses: ./.github/actions/up\n", "workflow_call")},
      {".github/actions/up/action.yml",
       "runs:\n  using: composite\n  steps:\n    - shell: bash\n      run: ./up.sh\n"},
      {"up.sh", "#!/bin/sh\nset -e\nnpx wrangler deploy\n"}};
  EXPECT_EQ(lint_places(files), Texts{ci + ":5 edge-deploy <- .github/workflows/deploy.yml:6 <- "
                                           ".github/actions/up/action.yml:5 <- up.sh:3"});
}

TEST(Lint, FollowsScriptsWhateverTheirFilesAreCalled) {
  const Files files{{ci, workflow("      - run: ./scripts/deploy\n      - run: bash tools/up\n"
                                  "      - run: node tools/up.mjs\n      - run: tools/py\n")},
                    {"scripts/deploy", "#!/bin/sh\nnpx wrangler deploy\n"},
                    {"tools/up", "wrangler deploy # deploy-policy: allow edge-deploy -- by hand\n"},
                    {"tools/up.mjs", "// up\nexec('wrangler pages deploy dist')\n"},
                    {"tools/py", "#!/usr/bin/env python3\nrun('wrangler deploy')\n"}};
  EXPECT_EQ(lint_places(files),
            (Texts{ci + ":6 edge-deploy <- scripts/deploy:2",
                   ci + ":8 edge-deploy <- tools/up.mjs:2", ci + ":9 edge-deploy <- tools/py:2"}));
}

// Those of a folder, of which it reads only what it must.
TEST(Lint, ReadsAScriptOfARepositoryWhereACommandNamesIt) {
  test::TempFolder folder;
  namespace fs = std::filesystem;
  for (const char* name : {".github/workflows", "scripts", "node_modules", "left"}) {
    fs::create_directories(folder.path(name));
  }
  const std::string deploys = "#!/bin/sh\nnpx wrangler deploy\n";
  (void)folder.write(ci, workflow("      - run: scripts/deploy\n      - run: scripts/link\n"
                                  "      - run: sh node_modules/x\n      - run: sh left/x\n"
                                  "      - run: sh ../x\n      - run: scripts/binary\n"));
  (void)folder.write("scripts/deploy", deploys);
  (void)folder.write("scripts/binary", std::string("wrangler deploy\n\0", 17));
  (void)folder.write("node_modules/x", deploys);
  (void)folder.write("left/x", deploys);
  fs::create_symlink("deploy", folder.path("scripts/link"));
  const auto exclude = PathPatterns::parse(Texts{"left"});
  ASSERT_TRUE(exclude);
  const auto repository =
      Repository::read(Budget::of(Milliseconds{10'000}), folder.path(), *exclude);
  ASSERT_TRUE(repository);
  EXPECT_EQ(repository->files().size(), 1U);
  EXPECT_EQ(places(lint(*repository, Policy())), Texts{ci + ":6 edge-deploy <- scripts/deploy:2"});
}

TEST(Lint, WranglerActionsCommandsRunInItsFolder) {
  EXPECT_EQ(
      lint_places({{ci, workflow("      - uses: cloudflare/wrangler-action@v3\n        with:\n"
                                 "          command: types\n          workingDirectory: app\n"
                                 "          preCommands: npm run up\n")},
                   {"package.json", "{\"scripts\": {\"up\": \"true\"}}"},
                   {"app/package.json", "{\"scripts\": {\"up\": \"wrangler deploy\"}}"}}),
      Texts{ci + ":10 edge-deploy <- app/package.json:1"});
}

TEST(Lint, WhatIsOnlyCalledFromElsewhereIsReportedWhereItStands) {
  EXPECT_EQ(lint_places({{".github/workflows/deploy.yml",
                          workflow("      - run: wrangler deploy\n", "{workflow_call: }")}}),
            Texts{".github/workflows/deploy.yml:6 edge-deploy"});
  EXPECT_EQ(lint_places({{"action.yml", "runs:\n  steps:\n    - run: wrangler deploy\n"}}),
            Texts{"action.yml:3 edge-deploy"});
}

TEST(Lint, FollowsCdAndTheNamesOfWorkspaces) {
  const Files files{
      {ci,
       workflow("      - run: cd apps/web && npm run ship\n      - run: pnpm --filter api ship\n")},
      {"apps/web/package.json",
       "{\"name\": \"web\", \"scripts\": {\"ship\": \"wrangler deploy\"}}"},
      {"apps/api/package.json", "{\"name\": \"@acme/api\", \"scripts\": {\"ship\": \"true\"}}"},
      {"package.json", "{\"scripts\": {\"ship\": \"true\"}}"}};
  EXPECT_EQ(lint_places(files), Texts{ci + ":6 edge-deploy <- apps/web/package.json:1"});
}

TEST(Lint, ScriptsThatCallEachOtherEverMoreOftenEnd) {
  std::string scripts = "{\"scripts\": {";
  for (int i = 0; i < 9; ++i) {
    scripts += "\"s" + std::to_string(i) + "\": \"true";
    for (int j = 0; j < 50; ++j) scripts += "; npm run s" + std::to_string(i + 1);
    scripts += "\", ";
  }
  const std::string harmless = scripts + "\"s9\": \"true\"}}";
  const std::string deploying = scripts + "\"s9\": \"wrangler deploy\"}}";
  const std::string run = workflow("      - run: npm run s0\n");
  EXPECT_EQ(lint_places({{ci, run}, {"package.json", harmless}}), Texts{});
  const Texts found = lint_places({{ci, run}, {"package.json", deploying}});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0], ci + ":1 unreadable");
  EXPECT_EQ(found[1].substr(0, ci.size() + 14), ci + ":6 edge-deploy");
}

TEST(Lint, ACircleHidesNoDeployFromALaterCall) {
  EXPECT_EQ(
      lint_places({{ci, workflow("      - run: npm run b; npm run a\n")},
                   {"package.json",
                    "{\"scripts\": {\n\"a\": \"npm run c; npm run d\",\n\"b\": \"npm run c\",\n"
                    "\"c\": \"npm run b\",\n\"d\": \"npm run c; wrangler deploy\"}}"}}),
      Texts{ci + ":6 edge-deploy <- package.json:2 <- package.json:5"});
}

TEST(Lint, CirclesEnd) {
  EXPECT_EQ(lint_places({{ci, workflow("      - run: npm run a\n")},
                         {"package.json",
                          "{\"scripts\": {\"a\": \"npm run b\", \"b\": \"npm run a; sh x.sh\"}}"},
                         {"x.sh", "sh x.sh; npm run a\n"}}),
            Texts{});
}

TEST(Lint, AnAllowCommentNeedsARuleAndAReason) {
  const auto with = [](const std::string& comment) {
    return workflow("      # " + comment + "\n      - run: wrangler deploy\n");
  };
  EXPECT_EQ(lint_places({{ci, with("deploy-policy: allow edge-deploy -- until March")}}), Texts{});
  EXPECT_EQ(lint_places({{ci, with("deploy-policy: allow edge-deploy")}}),
            (Texts{ci + ":6 allow-reason", ci + ":7 edge-deploy"}));
  EXPECT_EQ(lint_places({{ci, with("deploy-policy: allow edge-deploi -- x")}}),
            (Texts{ci + ":6 allow-rule", ci + ":7 edge-deploy"}));
  EXPECT_EQ(lint_places({{ci, workflow("      - run: wrangler deploy # deploy-policy: allow "
                                       "edge-deploy -- yes\n      - run: wrangler deploy\n")}}),
            Texts{ci + ":7 edge-deploy"});
  EXPECT_EQ(lint_places({{ci, workflow("      - run: ./up.sh\n")},
                         {"up.sh",
                          "echo '# deploy-policy: allow x -- y'\n"
                          "wrangler deploy # deploy-policy: allow edge-deploy -- yes\n"}}),
            Texts{});
}

TEST(Lint, FindsFiltersWhoseStarStopsAtASlash) {
  EXPECT_EQ(lint_places({{ci,
                          "on:\n  push:\n    branches-ignore:\n      - dependabot/*\n      - "
                          "renovate/**\n      - release/*\n  pull_request:\n    branches: "
                          "['!feature/*', main]\npermissions: {}\njobs: {}\n"}}),
            (Texts{ci + ":4 branch-filter", ci + ":8 branch-filter"}));
  const auto findings = findings_in({{ci, "on: {push: {branches: ['!bugfix/*']}}\njobs: {}\n"}});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].fix, "\"!bugfix/**\"");
}

TEST(Lint, FindsReviewsThatAreNeverCleanedUp) {
  // As Dokku's own example had it.
  EXPECT_EQ(
      lint_places({{".github/workflows/review-app.yml",
                    "on:\n  pull_request:\npermissions: {}\njobs:\n  review:\n    steps: []\n  "
                    "destroy:\n    steps: []\n"}}),
      Texts{".github/workflows/review-app.yml:7 preview-cleanup"});
  EXPECT_EQ(
      lint_places({{ci,
                    "on: pull_request\npermissions: {}\njobs:\n  a:\n    steps:\n      - run: "
                    "true\n        if: github.event.action == 'closed'\n"}}),
      Texts{ci + ":7 preview-cleanup"});
  EXPECT_EQ(lint_places({{ci,
                          "on: pull_request\npermissions: {}\njobs:\n  a:\n    environment: "
                          "review/x\n    steps: []\n"}}),
            Texts{ci + ":1 preview-cleanup"});
  EXPECT_EQ(lint_places({{ci,
                          "on:\n  pull_request:\n    types: [opened, closed]\npermissions: {}\n"
                          "jobs:\n  a:\n    if: github.event.action == 'closed'\n    environment: "
                          "preview\n    steps: []\n"}}),
            Texts{});
}

TEST(Lint, ACleanUpByAnotherEventIsOne) {
  const std::string jobs = "permissions: {}\njobs:\n  destroy:\n    steps: []\n";
  EXPECT_EQ(lint_places({{".github/workflows/review.yml", "on: [pull_request, delete]\n" + jobs}}),
            Texts{});
  EXPECT_EQ(
      lint_places({{".github/workflows/review.yml",
                    "on:\n  pull_request:\n  pull_request_target:\n    types: closed\n" + jobs}}),
      Texts{});
}

TEST(Lint, FindsJobsWithDefaultPermissions) {
  EXPECT_EQ(lint_places({{ci,
                          "on: push\njobs:\n  a:\n    permissions: {}\n    steps: []\n  b:\n    "
                          "steps: []\n"}}),
            Texts{ci + ":6 permissions"});
}

TEST(Lint, FindsSecretsInScripts) {
  EXPECT_EQ(lint_places(
                {{ci, workflow("      - run: |\n          echo hi\n          curl -H \"${{ "
                               "secrets.TOKEN }}\"\n      - run: echo ${{ github.token }}\n"
                               "      - run: echo ${{ 'secrets.TOKEN' }} ${{ inputs.secrets_x }}\n"
                               "      - run: echo ${{ toJSON(secrets) }}\n"
                               "      - run: echo ${{ SECRETS.Token }} ${{ GitHub.Token }}\n")}}),
            (Texts{ci + ":8 secret-in-run", ci + ":9 secret-in-run", ci + ":11 secret-in-run",
                   ci + ":12 secret-in-run"}));
}

TEST(Lint, ChecksEachNameOfWranglersConfiguration) {
  EXPECT_EQ(
      lint_places({{"wrangler.toml",
                    "name = \"acme-shop-prod-api\"\n[[d1_databases]]\ndatabase_name = \"DB\"\n"
                    "[[r2_buckets]]\nbucket_name = \"acme-shop-prod-assets\"\n"
                    "[queues]\nproducers = [{queue = \"jobs\"}]\n"}}),
      (Texts{"wrangler.toml:3 resource-name", "wrangler.toml:7 resource-name"}));
  EXPECT_EQ(lint_places({{"a/wrangler.jsonc",
                          "{\n  // the site\n  \"name\": \"site\",\n  "
                          "\"pages_build_output_dir\": \"dist\",\n}"}}),
            Texts{"a/wrangler.jsonc:3 resource-name"});
}

TEST(Lint, ResolvesEachEnvironmentOfWrangler) {
  const auto findings =
      findings_in({{"wrangler.toml",
                    "name = \"acme-shop-prod-api\"\n[env.staging]\nvars = {}\n[env.production]\n"
                    "name = \"acme-shop-staging-api\"\n[env.qa]\nname = \"acme-shop-dev-api\"\n"
                    "[env.development]\nname = \"acme-shop-dev-api\"\n"
                    "[[env.development.d1_databases]]\ndatabase_name = \"acme-shop-prod-db\"\n"}});
  EXPECT_EQ(places(findings),
            (Texts{"wrangler.toml:2 wrangler-env-name", "wrangler.toml:5 resource-name",
                   "wrangler.toml:6 wrangler-env-name", "wrangler.toml:11 resource-name"}));
  EXPECT_NE(findings[0].message.find("acme-shop-prod-api-staging"), std::string::npos);
  EXPECT_EQ(findings[0].fix, "name = \"acme-shop-staging-api\"");
}

TEST(Lint, WarnsOfALittleRoomForAliases) {
  EXPECT_EQ(
      lint_places({{"wrangler.toml", "name = \"remoteproduction-cuttingroom-staging-assets\"\n"}}),
      Texts{"wrangler.toml:1 preview-alias-room"});
}

TEST(Lint, SaysWhatItCouldNotRead) {
  const auto findings = findings_in({{ci, "on: push\njobs: [\n"}, {"wrangler.toml", "a = \n"}});
  EXPECT_EQ(findings.size(), 2U);
  for (const Finding& finding : findings) EXPECT_EQ(finding.rule, "unreadable");
}

TEST(Lint, SarifNamesRulesAndPlacesAsCodeScanningReadsThem) {
  const Json sarif = as_sarif(
      findings_in({{".github/workflows/ä b.yml", workflow("      - run: wrangler deploy\n")}}));
  const std::string text = sarif.dump();
  EXPECT_NE(text.find(R"("uri":".github/workflows/%C3%A4%20b.yml")"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("region":{"startLine":6})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("ruleId":"edge-deploy")"), std::string::npos) << text;
}

TEST(Migrate, TellsTheThreePathsApart) {
  auto plan = find_migrations(Repository::of(
      {{"new/wrangler.toml", "name = \"acme-shop-prod-new\"\n"},
       {"api/wrangler.toml", "name = \"acme-shop-prod-api\"\n"},
       {"ui/wrangler.toml", "name = \"ui\"\npages_build_output_dir = \"dist\"\n"},
       {ci, workflow("      - run: npx wrangler deploy\n        working-directory: api\n"
                     "      - run: npx wrangler pages deploy dist\n")}}));
  for (Migration& thing : plan) plan_migration(thing, Policy(), "");
  ASSERT_EQ(plan.size(), 3U);
  EXPECT_EQ(plan[0].name + " " + plan[0].path, "acme-shop-prod-api existing-worker");
  EXPECT_EQ(plan[1].name + " " + plan[1].path, "acme-shop-prod-new new");
  EXPECT_EQ(plan[2].name + " " + plan[2].path, "ui existing-pages");
  EXPECT_EQ(plan[0].deployed_by, (std::vector<Place>{{ci, 6}}));
  EXPECT_NE(plan[2].steps[0].find("Choose a name"), std::string::npos);
  for (const Migration& thing : plan) EXPECT_FALSE(thing.steps.empty());
}

// "kind name path config env.X <- line, line" of each.
Texts migrations(const Files& files) {
  Texts all;
  for (const Migration& thing : find_migrations(Repository::of(files))) {
    std::string text = thing.kind + " " + thing.name + " " + thing.path + " " + thing.config;
    if (!thing.environment.empty()) text += " env." + thing.environment;
    for (const Place& place : thing.deployed_by) text += " <- " + std::to_string(place.line);
    all.push_back(text);
  }
  return all;
}

TEST(Migrate, KnowsWhatOnlyWorkflowsName) {
  EXPECT_EQ(
      migrations(
          {{ci,
            workflow("      - run: npx wrangler pages deploy dist --project-name ui\n"
                     "      - uses: cloudflare/pages-action@v1\n        with: {projectName: docs}\n"
                     "      - run: npx wrangler pages deploy dist --name ui\n"
                     "      - run: curl -XPOST $API/pages/projects/docs/deployments\n"
                     "      - run: npx wrangler deploy --name api\n"
                     "      - run: curl -XPUT $API/workers/scripts/$NAME\n")}}),
      (Texts{"pages ui existing-pages  <- 6 <- 9", "pages docs existing-pages  <- 7 <- 10",
             "worker api existing-worker  <- 11", "worker  existing-worker  <- 12"}));
}

TEST(Migrate, GivesADeployToTheConfigurationThatItReads) {
  const Files files{
      {"a/wrangler.toml", "name = \"a\"\n"},
      {"a/wrangler.other.toml", "name = \"other\"\n"},
      {"b/wrangler.toml", "name = \"b\"\n"},
      {ci, workflow("      - run: cd a/src && npx wrangler deploy\n"
                    "      - run: npx wrangler deploy -c b/wrangler.toml\n"
                    "      - run: npx wrangler deploy --config ../b/wrangler.toml\n"
                    "        working-directory: a\n"
                    "      - run: npx wrangler deploy --cwd a -c wrangler.other.toml\n"
                    "      - uses: cloudflare/wrangler-action@v3\n"
                    "        with: {workingDirectory: b}\n"
                    "      - run: npx wrangler deploy -c infra/site.toml\n")}};
  EXPECT_EQ(migrations(files), (Texts{"worker other existing-worker a/wrangler.other.toml <- 10",
                                      "worker a existing-worker a/wrangler.toml <- 6",
                                      "worker b existing-worker b/wrangler.toml <- 7 <- 8 <- 11",
                                      "worker  existing-worker infra/site.toml <- 13"}));
}

TEST(Migrate, HasAWorkerForEachEnvironmentOfWrangler) {
  const std::string config =
      "name = \"acme-shop-prod-api\"\n[env.staging]\n[env.development]\n"
      "name = \"acme-shop-dev-api\"\n";
  const auto with = [&](const std::string& steps) {
    return migrations({{"wrangler.toml", config}, {ci, workflow(steps)}});
  };
  EXPECT_EQ(
      with("      - run: npx wrangler deploy --env staging\n      - run: wrangler deploy\n"),
      (Texts{"worker acme-shop-prod-api existing-worker wrangler.toml <- 7",
             "worker acme-shop-prod-api-staging existing-worker wrangler.toml env.staging <- 6",
             "worker acme-shop-dev-api new wrangler.toml env.development"}));
  // Which one, only a run knows.
  for (const std::string& text : with("      - run: wrangler deploy --env ${{ matrix.to }}\n")) {
    EXPECT_TRUE(text.ends_with(" <- 6")) << text;
  }
  EXPECT_EQ(with("      - uses: cloudflare/wrangler-action@v3\n"
                 "        with: {environment: development}\n")
                .back(),
            "worker acme-shop-dev-api existing-worker wrangler.toml env.development <- 6");
  // Those of Pages are of one project.
  EXPECT_EQ(migrations({{"wrangler.toml",
                         "name = \"ui\"\npages_build_output_dir = \"x\"\n[env.preview]\n"}}),
            Texts{"pages ui new wrangler.toml"});
}

// ------------------------------------------------------------------------- the same policy
// elsewhere

// A filter of GitHub's, whose only special characters here are * and **.
std::regex filter_regex(const std::string& filter) {
  std::string pattern;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter.compare(i, 2, "**") == 0) {
      pattern += ".*";
      ++i;
    } else if (filter[i] == '*') {
      pattern += "[^/]*";
    } else if (std::isalnum(static_cast<unsigned char>(filter[i])) == 0) {
      pattern += std::string("\\") + filter[i];
    } else {
      pattern += filter[i];
    }
  }
  return std::regex(pattern);
}

// The filters in turn, each with whether it takes back what earlier ones said.
using Filters = std::vector<std::pair<std::regex, bool>>;

Filters filters_of(const Policy& policy) {
  Filters filters;
  for (const std::string& filter : github_filters(policy)) {
    const bool takes_back = filter.starts_with('!');
    filters.emplace_back(filter_regex(takes_back ? filter.substr(1) : filter), takes_back);
  }
  return filters;
}

bool runs_on_github(const Filters& filters, const std::string& branch) {
  bool runs = false;
  for (const auto& [filter, takes_back] : filters) {
    if (std::regex_match(branch, filter)) runs = !takes_back;
  }
  return runs;
}

// For any branch, GitHub starts the workflow exactly where classify deploys.
TEST(Export, GitHubsFiltersStartWhatClassifyDeploys) {
  const ReadPolicy read = parse_policy(
      "version: 1\nproduction: [main, feature/live]\nstaging: [develop, release/*]\n"
      "preview: ['feature/*', bugfix/*, '*-preview']\nexclude: [dependabot/*, feature/no/*]\n");
  ASSERT_TRUE(read.mistakes.empty());
  std::mt19937 random(5);  // NOLINT
  const Texts pieces{
      "main",     "feature/",    "no/",     "live",    "release/",           "x",
      "-preview", "dependabot/", "bugfix/", "develop", "gh-readonly-queue/", "team/"};
  for (const Policy& policy : {Policy(), read.policy}) {
    const Filters filters = filters_of(policy);
    for (int i = 0; i < 4000; ++i) {
      std::string branch;
      for (std::size_t n = 1 + random() % 4; n > 0; --n) branch += pieces[random() % pieces.size()];
      const bool deploys = classify_branch(policy, branch).value != DeployClass::none;
      ASSERT_EQ(runs_on_github(filters, branch), deploys) << branch;
    }
  }
}

TEST(Export, PagesGetsTheRulesAsTheyStand) {
  EXPECT_EQ(
      export_to_pages(Policy()).json.dump(),
      R"({"production_branch":"main","production_deployments_enabled":true,)"
      R"("preview_deployment_setting":"custom","preview_branch_includes":["feature/*","bugfix/*"],)"
      R"("preview_branch_excludes":["dependabot/*","renovate/*"]})");
}

// File.fnmatch with FNM_PATHNAME, as far as these patterns go: "*" stops at a slash, and "**/" is
// any number of folders, also none.
bool fnmatches(std::string_view pattern, std::string_view name) {
  if (pattern.starts_with("**/")) {
    if (fnmatches(pattern.substr(3), name)) return true;
    const std::size_t slash = name.find('/');
    return slash != std::string_view::npos && fnmatches(pattern, name.substr(slash + 1));
  }
  // "**/" is that only where a folder begins, so what follows up to the next slash is one name.
  const std::size_t end = std::min(pattern.find('/'), pattern.size());
  const std::size_t name_end = std::min(name.find('/'), name.size());
  const std::string_view folder = pattern.substr(0, end);
  const std::string_view is = name.substr(0, name_end);
  const std::size_t star = folder.find('*');
  const bool matches = star == std::string_view::npos
                           ? folder == is
                           : is.size() + 1 >= folder.size() &&
                                 is.starts_with(folder.substr(0, star)) &&
                                 is.ends_with(folder.substr(star + 1));
  if (!matches || end == pattern.size() || name_end == name.size()) {
    return matches && end == pattern.size() && name_end == name.size();
  }
  return fnmatches(pattern.substr(end + 1), name.substr(name_end + 1));
}

// Git has no branch with an empty name between slashes.
std::string random_branch(std::mt19937& random, const Texts& pieces) {
  while (true) {
    std::string branch;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) branch += pieces[random() % pieces.size()];
    if (!branch.starts_with('/') && !branch.ends_with('/') &&
        branch.find("//") == std::string::npos) {
      return branch;
    }
  }
}

// For any branch, an environment lets in exactly what classify deploys to it, where nothing is
// excluded and no branch is named twice.
TEST(Export, EnvironmentsLetInWhatClassifyDeploys) {
  const ReadPolicy read = parse_policy(
      "version: 1\nproduction: [main]\nstaging: [develop, release/*]\n"
      "preview: ['feature/*', 'fix-*', '*-preview', '*/try']\nexclude: []\n");
  ASSERT_TRUE(read.mistakes.empty());
  const Texts pieces{"main", "feature/", "live",  "x",   "/",       "-preview",
                     "fix-", "develop",  "team/", "try", "release/"};
  const Json environments = export_to_environment(read.policy).json;
  std::mt19937 random(11);  // NOLINT
  std::map<std::string, int> seen;
  for (int i = 0; i < 6000; ++i) {
    const std::string branch = random_branch(random, pieces);
    const std::string is(class_name(classify_branch(read.policy, branch).value));
    ++seen[is];
    for (const char* name : {"production", "staging", "preview"}) {
      bool lets_in = false;
      for (const Json& each : *environments.find(name)->find("branch_policies")->as_array()) {
        lets_in = lets_in || fnmatches(each.text_of("name"), branch);
      }
      // What is staging's too is so by the order of the rules.
      if (std::string(name) == "preview" && is == "staging") continue;
      ASSERT_EQ(lets_in, is == name) << branch << " in " << name;
    }
  }
  for (const char* name : {"production", "staging", "preview", "none"}) EXPECT_GT(seen[name], 0);
}

// Cloudflare's order: the production branch, excludes, includes, else nothing; "*" is anything.
TEST(Export, PagesBuildsWhatClassifyDeploys) {
  const ReadPolicy read = parse_policy(
      "version: 1\nproduction: [feature/live]\npreview: ['feature/*', '*-preview']\n"
      "exclude: [feature/no/*, '*-x', dependabot/*]\n");
  ASSERT_TRUE(read.mistakes.empty());
  const Texts pieces{"main", "feature/", "live", "x", "-x", "/", "-preview", "no/", "dependabot/"};
  std::mt19937 random(12);  // NOLINT
  for (const Policy& policy : {Policy(), read.policy}) {
    const Json pages = export_to_pages(policy).json;
    const auto names = [&](const char* key, const std::string& branch) {
      for (const Json& rule : *pages.find(key)->as_array()) {
        const std::string& text = *rule.as_string();
        const std::size_t star = std::min(text.find('*'), text.size());
        if (star == text.size() ? branch == text
            : star == 0         ? branch.ends_with(text.substr(1))
                                : branch.starts_with(text.substr(0, star))) {
          return true;
        }
      }
      return false;
    };
    for (int i = 0; i < 4000; ++i) {
      const std::string branch = random_branch(random, pieces);
      std::string builds = "none";
      if (branch == pages.text_of("production_branch")) {
        builds = "production";
      } else if (!names("preview_branch_excludes", branch) &&
                 names("preview_branch_includes", branch)) {
        builds = "preview";
      }
      ASSERT_EQ(class_name(classify_branch(policy, branch).value), builds) << branch;
    }
  }
}

TEST(Export, EnvironmentsCrossSlashesByASecondPattern) {
  const std::string text = export_to_environment(Policy()).json.dump();
  EXPECT_NE(text.find(R"({"name":"feature/**/*","type":"branch"})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("production":{"deployment_branch_policy")"), std::string::npos) << text;
}

}  // namespace
}  // namespace pca::deploy_policy
