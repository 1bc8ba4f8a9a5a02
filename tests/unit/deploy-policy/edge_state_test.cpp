#include "deploy-policy/edge_state.hpp"

#include <gtest/gtest.h>

#include "deploy-policy/migrate_command.hpp"

namespace pca::deploy_policy {
namespace {

using Texts = std::vector<std::string>;

Json parsed(const std::string& text) {
  const auto json = parse_json(text);
  EXPECT_TRUE(json) << text;
  return json ? *json : Json();
}

// As the policy without a file wants it.
const std::string good_config =
    R"({"owner": "acme", "repo_name": "shop", "production_branch": "main",
        "production_deployments_enabled": true, "preview_deployment_setting": "custom",
        "preview_branch_includes": ["bugfix/*", "feature/*"],
        "preview_branch_excludes": ["renovate/*", "dependabot/*"]})";
EdgeState pages(const std::string& config) {
  return state_of_pages(
      parsed(R"({"name": "ui", "source": {"type": "github", "config": )" + config + "}}"));
}

std::string trigger(const std::string& includes, const std::string& command,
                    const std::string& more = "") {
  return R"({"branch_includes": [)" + includes +
         R"(], "branch_excludes": [], "deploy_command": ")" + command +
         R"(", "deleted_on": null, "repo_connection": {"provider_type": "github",
         "provider_account_name": "acme", "repo_name": "shop"})" +
         more + "}";
}
const std::string production = trigger(R"("main")", "npx wrangler deploy");
EdgeState worker(const std::string& triggers) {
  return state_of_worker(parsed("[" + triggers + "]"), "main");
}

// "what: is" of those that differ.
Texts differing(const std::string& kind, const EdgeState& state, const Policy& policy = {},
                const std::string& repository = "acme/shop") {
  Texts all;
  for (const EdgeCheck& check : check_edge(kind, state, policy, repository)) {
    if (!check.is_good()) all.push_back(check.what + ": " + check.is);
  }
  return all;
}

TEST(EdgeState, APagesProjectAsThePolicyWantsIt) {
  const EdgeState state = pages(good_config);
  EXPECT_TRUE(state.exists && state.is_connected);
  EXPECT_EQ(state.repository, "acme/shop");
  EXPECT_EQ(differing("pages", state), Texts{});
  EXPECT_EQ(check_edge("pages", state, {}, "acme/shop").size(), 3U);
}

TEST(EdgeState, APagesProjectOfDirectUploadHasNoSource) {
  for (const char* text : {R"({"name": "ui"})", R"({"name": "ui", "source": null})"}) {
    const EdgeState state = state_of_pages(parsed(text));
    EXPECT_TRUE(state.exists);
    EXPECT_FALSE(state.is_connected);
    EXPECT_TRUE(check_edge("pages", state, {}, "acme/shop").empty());
  }
  EXPECT_FALSE(state_of_pages(Json()).exists);
}

TEST(EdgeState, WhatDiffersOfAPagesProjectIsNamed) {
  EXPECT_EQ(differing("pages", pages(R"({"owner": "evil", "repo_name": "shop",
                "production_branch": "master", "preview_deployment_setting": "all"})")),
            (Texts{"repository: evil/shop", "production branch: master", "preview branches: all"}));
  EXPECT_EQ(differing("pages", pages(R"({"owner": "Acme", "repo_name": "Shop",
                "production_branch": "main", "production_deployments_enabled": false,
                "preview_deployment_setting": "custom", "preview_branch_includes": ["*"]})")),
            (Texts{"production branch: none", "preview branches: *"}));
}

TEST(EdgeState, WithoutAKnownRepositoryNoneIsCompared) {
  EXPECT_EQ(check_edge("pages", pages(good_config), {}, "").size(), 2U);
}

TEST(EdgeState, AWorkersPreviewsGoThroughTheGate) {
  const std::string gated = trigger(R"("*")", preview_gate);
  EXPECT_EQ(differing("worker", worker(production + "," + gated)), Texts{});
  EXPECT_EQ(differing("worker", worker(gated + "," + production)), Texts{});
  EXPECT_EQ(differing("worker",
                      worker(production + "," + trigger(R"("*")", "npx wrangler versions upload"))),
            Texts{"preview command: npx wrangler versions upload"});
  EXPECT_EQ(differing("worker", worker(production)), Texts{"preview command: no builds"});
}

TEST(EdgeState, AGateIsForPreviewsAloneAndUploadsOnly) {
  const auto previews = [](const std::string& command) {
    return differing("worker", worker(production + "," + trigger(R"("*")", command))).empty();
  };
  for (const char* good :
       {"./deploy-policy exec -- npx wrangler versions upload",
        "deploy-policy exec --class=preview -- npm run upload",
        "curl -fsSLo deploy-policy example.com && ./deploy-policy exec --class preview -- wrangler "
        "versions upload"}) {
    EXPECT_TRUE(previews(good)) << good;
  }
  for (const char* bad : {"deploy-policy exec --class production -- wrangler versions upload",
                          "deploy-policy exec --class=staging -- wrangler versions upload",
                          "deploy-policy exec --class preview -- npx wrangler deploy",
                          "deploy-policy exec --class preview",
                          "echo deploy-policy exec; npx wrangler versions upload",
                          "deploy-policy exec -- true; npx wrangler versions upload",
                          "deploy-policy exec -- npx wrangler versions upload || wrangler deploy",
                          "deploy-policy classify"}) {
    EXPECT_FALSE(previews(bad)) << bad;
  }
}

TEST(EdgeState, TheTriggerForTheRightBranchIsProductionsInAnyOrder) {
  const std::string develop = trigger(R"("develop")", preview_gate);
  for (const std::string& triggers : {production + "," + develop, develop + "," + production}) {
    const EdgeState state = worker(triggers);
    EXPECT_EQ(state.production_branch, "main");
    EXPECT_EQ(state.preview_includes, Texts{"develop"});
    EXPECT_EQ(state.preview_command, preview_gate);
  }
  // None names it: the first one that is no pattern.
  const EdgeState state =
      worker(trigger(R"("*")", "x") + "," + develop + "," + trigger(R"("master")", "y"));
  EXPECT_EQ(state.production_branch, "develop");
  // What deploys other branches too is not what the policy says.
  EXPECT_EQ(worker(trigger(R"("main", "develop")", "x")).production_branch, "develop, main");
}

TEST(EdgeState, WithoutPreviewsInThePolicyAWorkerBuildsNone) {
  Policy policy;
  policy.preview.clear();
  EXPECT_EQ(differing("worker", worker(production), policy), Texts{});
  EXPECT_EQ(differing("worker", worker(production + "," + trigger(R"("*")", "x")), policy),
            Texts{"preview command: x"});
}

TEST(EdgeState, DeletedTriggersDoNotCount) {
  const std::string deleted = R"({"branch_includes": ["main"], "deleted_on": "2026-01-31"})";
  EXPECT_FALSE(worker(deleted).is_connected);
  EXPECT_FALSE(worker("").is_connected);
}

TEST(EdgeState, AnswersOfAnotherShapeAreNothing) {
  EXPECT_FALSE(state_of_worker(parsed("{}"), "main").is_connected);
  EXPECT_EQ(worker(R"(1, null, "x", {"branch_includes": 7})").repository, "");
  const EdgeState state = pages("[]");
  EXPECT_EQ(state.repository + state.production_branch + state.previews, "");
}

// What the plan makes of it.
class MigratedAt : public ::testing::Test {
 protected:
  static Migration planned(Migration thing, std::optional<EdgeState> edge) {
    thing.edge = std::move(edge);
    plan_migration(thing, Policy(), "acme/shop");
    return thing;
  }
  static std::string text_of(const Migration& thing) {
    std::string text = thing.path;
    for (const std::string& step : thing.steps) text += "\n" + step;
    return text;
  }
  static bool says(const Migration& thing, const std::string& what) {
    return text_of(thing).find(what) != std::string::npos;
  }
  Migration worker_{.kind = "worker",
                    .name = "acme-shop-prod-api",
                    .config = "wrangler.toml",
                    .path = "existing-worker",
                    .deployed_by = {{"ci.yml", 7}}};
  Migration pages_{.kind = "pages",
                   .name = "acme-shop-prod-ui",
                   .config = "wrangler.toml",
                   .path = "existing-pages",
                   .deployed_by = {{"ci.yml", 9}}};
};

TEST_F(MigratedAt, WhatIsConnectedIsOnlyTakenOutOfTheWorkflows) {
  const Migration done =
      planned(worker_, worker(production + "," + trigger(R"("*")", preview_gate)));
  EXPECT_FALSE(says(done, "Connect the repository")) << text_of(done);
  EXPECT_TRUE(says(done, "remove what deploys it here: ci.yml:7")) << text_of(done);
  const Migration project = planned(pages_, pages(good_config));
  EXPECT_FALSE(says(project, "a new project")) << text_of(project);
  EXPECT_TRUE(says(project, "ci.yml:9")) << text_of(project);
}

TEST_F(MigratedAt, ADirectUploadIsMadeAnew) {
  const Migration project = planned(pages_, state_of_pages(parsed("{}")));
  EXPECT_TRUE(says(project, "It was made by direct upload, which cannot be converted: make a new"))
      << text_of(project);
  EXPECT_FALSE(says(project, "Find out")) << text_of(project);
}

TEST_F(MigratedAt, WhatNoWorkflowDeploysMayBeThere) {
  worker_.path = "new";
  worker_.deployed_by.clear();
  EXPECT_EQ(planned(worker_, EdgeState()).path, "new");
  const Migration there = planned(worker_, worker(""));
  EXPECT_EQ(there.path, "existing-worker");
  EXPECT_TRUE(says(there, "Connect the repository to the Worker")) << text_of(there);
  EXPECT_FALSE(says(there, "token")) << text_of(there);
  const Migration done =
      planned(worker_, worker(production + "," + trigger(R"("*")", preview_gate)));
  EXPECT_TRUE(done.steps.empty()) << text_of(done);
}

TEST_F(MigratedAt, WhatIsDeployedButNotThereIsAskedFor) {
  const Migration lost = planned(worker_, EdgeState());
  EXPECT_TRUE(says(lost, "Check the name and the account: Cloudflare knows no Worker"))
      << text_of(lost);
}

TEST_F(MigratedAt, StagingIsComparedWithTheBranchesOfStaging) {
  worker_.environment = "staging";
  Policy policy;
  policy.staging = {*BranchPattern::parse("develop")};
  worker_.edge = worker(trigger(R"("develop")", "npx wrangler deploy --env staging"));
  Migration staging = worker_;
  plan_migration(staging, policy, "acme/shop");
  for (const EdgeCheck& check : staging.checks) EXPECT_TRUE(check.is_good()) << check.what;
  EXPECT_EQ(staging.checks.size(), 3U);
  EXPECT_TRUE(says(staging, "one build of develop")) << text_of(staging);
  EXPECT_EQ(branch_of(staging, policy), "develop");
  // The name says it too.
  Migration named{.kind = "pages", .name = "acme-shop-staging-ui"};
  EXPECT_EQ(branch_of(named, policy), "develop");
  // The policy knows no branch for it.
  worker_.environment = "qa";
  EXPECT_TRUE(planned(worker_, worker(production)).checks.empty());
}

TEST_F(MigratedAt, WhatDiffersIsAStep) {
  const Migration wrong = planned(worker_, worker(trigger(R"("master")", "npx wrangler deploy")));
  EXPECT_TRUE(says(wrong, "Set its production branch to main.")) << text_of(wrong);
  EXPECT_EQ(wrong.checks.size(), 3U);
}

}  // namespace
}  // namespace pca::deploy_policy
