#include "commit-status/deployment_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "commit-status/deployment_input.hpp"
#include "commit-status/deployment_outcome.hpp"
#include "commit-status/event.hpp"
#include "commit-status/github_talk.hpp"
#include "commit-status/posting.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds between_writes{1'000};
constexpr Milliseconds last_post_limit{4'500};  // after a cancel
constexpr int most_looked_at = 100;

// What the inputs of both commands come to.
struct DeploymentPlan {
  Deployment deployment;
  DeploymentStatus status;
  std::int64_t id = 0;       // of a deployment that there is; 0: it is looked for, or made
  bool is_removal = false;   // a preview is gone: all of its deployments are over
  bool ends_others = false;  // its success makes the others inactive
  int most_deactivated = 0;  // in one call
  std::string context;       // of the status on the commit that is rolled back
};

DeploymentPlan read_start(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  DeploymentPlan plan;
  plan.deployment = read_deployment_input(context, inputs, bad);
  plan.status = read_deployment_status(context, inputs, bad);
  return plan;
}

DeploymentPlan read_finish(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  DeploymentPlan plan = read_start(context, inputs, bad);
  if (inputs.has("deployment-id")) plan.id = inputs.integer("deployment-id");
  plan.is_removal = plan.status.state == "inactive" && plan.id == 0;
  if (plan.is_removal && plan.deployment.slug.empty()) {
    bad.add("slug", "is missing",
            "Say which preview is gone, or which deployment is over by deployment-id.");
  }
  const std::string& superseded = inputs.text("superseded");
  plan.ends_others =
      superseded == "inactive" || (superseded == "auto" && !plan.deployment.slug.empty());
  plan.status.auto_inactive = superseded != "keep";
  plan.most_deactivated = static_cast<int>(inputs.integer("max-deactivate"));
  plan.context = inputs.text("context");
  if (!inputs.has("context")) plan.context = "deploy / " + plan.deployment.environment;
  if (const auto good = check_context(plan.context); !good) bad.add("context", good.error());
  return plan;
}

void check_nonce_is_there(const DeploymentPlan& plan, const Inputs& inputs, BadInputs& bad) {
  const bool is_needed = plan.id == 0 && !plan.is_removal;
  if (!is_needed || inputs.has("nonce") || !plan.deployment.nonce.empty()) return;
  bad.add("nonce", "is missing outside of a run of GitHub",
          "Name this deploy, so that telling of it twice makes no second deployment.");
}

class Deploying {
 public:
  Deploying(ToolContext& context, const Inputs& inputs, Target target, DeploymentPlan plan)
      : context_(context),
        inputs_(inputs),
        talk_(context, inputs, std::move(target)),
        plan_(std::move(plan)),
        deployments_(talk_.api(), talk_.target().repository) {
    outcome_.environment = plan_.deployment.environment;
    outcome_.status = plan_.status;
  }

  Result<int> run() {
    if (inputs_.flag("dry-run")) return tell_dry_run();
    const Result<> result = talk_.write("deployments: write", outcome_, [this] { return go(); });
    const Result<int> code = talk_.code_of(result, outcome_);
    tell(context_, inputs_, outcome_, !result);
    return code;
  }

 private:
  [[nodiscard]] Budget budget() const { return talk_.budget(4); }

  Result<> go() {
    if (plan_.is_removal) return remove();
    PCA_CHECK(find_or_create());
    PCA_CHECK(post_status());
    if (plan_.status.state != "success") return {};
    if (!plan_.deployment.rolls_back.empty()) return roll_back();
    return plan_.ends_others ? end_others() : Result<>();
  }

  Result<> find_or_create() {
    if (plan_.id > 0) {
      PCA_TRY(outcome_.deployment, deployments_.read(budget(), plan_.id));
      outcome_.sha = outcome_.deployment.sha;
      outcome_.environment = outcome_.deployment.environment;
      plan_.deployment.slug = outcome_.deployment.slug;
      return {};
    }
    PCA_TRY(outcome_.sha, resolve_commit(budget(), talk_.api(), talk_.target()));
    plan_.deployment.ref = outcome_.sha;
    PCA_TRY(const Json known, deployments_.find(budget(), plan_.deployment, outcome_.sha));
    outcome_.is_created = known.is_null();
    if (!known.is_null()) {
      outcome_.deployment = read_deployment(known);
      return {};
    }
    PCA_TRY(outcome_.deployment, deployments_.create(budget(), plan_.deployment, outcome_.sha));
    return {};
  }

  // Also after a cancel: nobody sees a deployment that has no status.
  Result<> post_status() {
    auto posted = deployments_.post(budget(), outcome_.deployment.id, plan_.status);
    if (!posted && posted.error().kind == ErrorKind::cancelled) {
      posted = deployments_.post(Budget::of(last_post_limit), outcome_.deployment.id, plan_.status);
    }
    if (!posted) return posted.error();
    outcome_.posted = *std::move(posted);
    context_.reporter.info(fmt::format("deployment {} of {} to {}: {}", outcome_.deployment.id,
                                       outcome_.sha.substr(0, 10), visible(outcome_.environment),
                                       plan_.status.state));
    return {};
  }

  // Makes those inactive that are not yet. With `only_successes` those that are being worked on or
  // have failed stay as they are, and nothing before an inactive one is looked at: its own
  // successor has done that.
  Result<> deactivate(const std::vector<KnownDeployment>& all, const std::string& description,
                      bool only_successes) {
    int looked_at = 0;
    for (const KnownDeployment& each : all) {
      if (++looked_at > most_looked_at) break;
      PCA_TRY(const DeploymentStatus status, deployments_.latest_status(budget(), each.id));
      const std::string& state = status.state;
      if (only_successes && state == "inactive") break;
      if (state == "inactive" || (only_successes && state != "success")) continue;
      if (static_cast<int>(outcome_.deactivated.size()) == plan_.most_deactivated) {
        context_.reporter.warning(
            fmt::format("max-deactivate: more than {} deployments are to be made inactive. The "
                        "rest stay as they are; do it again for them.",
                        plan_.most_deactivated));
        return {};
      }
      PCA_CHECK(pause_for(budget(), between_writes));
      PCA_TRY(
          const DeploymentApi::Posted posted,
          deployments_.post(
              budget(), each.id,
              {.state = "inactive", .description = description, .log_url = plan_.status.log_url}));
      static_cast<void>(posted);
      outcome_.deactivated.push_back(each.id);
    }
    return {};
  }

  Result<std::vector<KnownDeployment>> list() {
    auto all = deployments_.list(budget(), outcome_.environment, plan_.deployment.slug);
    if (all && !deployments_.has_seen_all()) {
      context_.reporter.warning(fmt::format(
          "{} has more deployments than are looked at (the newest 500): older ones stay "
          "as they are. Delete what is long over.",
          visible(outcome_.environment)));
    }
    return all;
  }

  Result<> remove() {
    PCA_TRY(const std::vector<KnownDeployment> all, list());
    const std::string& said = plan_.status.description;
    PCA_CHECK(deactivate(all, said.empty() ? "Removed" : said, false));
    context_.reporter.info(fmt::format("{} deployments of the preview {} are inactive now",
                                       outcome_.deactivated.size(), plan_.deployment.slug));
    return {};
  }

  Result<> end_others() {
    PCA_TRY(std::vector<KnownDeployment> all, list());
    std::erase_if(all,
                  [&](const KnownDeployment& each) { return each.id == outcome_.deployment.id; });
    return deactivate(all, fmt::format("Superseded by {}", outcome_.sha.substr(0, 10)), true);
  }

  // The commit that did not work: its deployment is over, and it is told so itself.
  Result<> roll_back() {
    const std::string said =
        fmt::format("Rolled back to {}: {}", outcome_.sha.substr(0, 10), plan_.status.description);
    PCA_TRY(std::vector<KnownDeployment> all, list());
    std::erase_if(all, [&](const KnownDeployment& each) {
      return each.sha != plan_.deployment.rolls_back || each.id == outcome_.deployment.id;
    });
    PCA_CHECK(deactivate(all, fit_description(said), false));
    std::vector<Posted> posted;
    return post_statuses(
        budget(), talk_.api(), talk_.target().repository, plan_.deployment.rolls_back,
        {{"failure", plan_.context, fit_description(said), plan_.status.log_url}}, true, posted);
  }

  Result<int> tell_dry_run() {
    outcome_.is_dry_run = true;
    outcome_.sha = talk_.target().ref;
    plan_.deployment.ref = talk_.target().ref;
    const std::string base = talk_.root() + talk_.target().repository.path("/deployments");
    if (plan_.is_removal) {
      context_.reporter.info(fmt::format("would make the deployments of {} to {} inactive",
                                         plan_.deployment.slug, visible(outcome_.environment)));
    } else {
      if (plan_.id == 0) would_post(base, to_json(plan_.deployment));
      const std::string id = plan_.id == 0 ? "ID" : std::to_string(plan_.id);
      would_post(base + "/" + id + "/statuses", to_json(plan_.status));
    }
    tell(context_, inputs_, outcome_, false);
    return 0;
  }

  void would_post(const std::string& url, const Json& body) {
    context_.reporter.info(fmt::format("would POST {}\n  {}", url, visible(body.dump())));
  }

  ToolContext& context_;
  const Inputs& inputs_;
  GitHubTalk talk_;
  DeploymentPlan plan_;
  DeploymentApi deployments_;
  DeploymentOutcome outcome_;
};

Result<int> run_plan(ToolContext& context, Inputs& inputs, DeploymentPlan plan, BadInputs& bad) {
  check_nonce_is_there(plan, inputs, bad);
  Target target = read_target(
      context, inputs,
      {.permission = plan.deployment.rolls_back.empty() ? "deployments: write"
                                                        : "deployments: write, statuses: write",
       .has_commit = plan.id == 0 && !plan.is_removal},
      bad);
  if (!bad.empty()) return bad.to_error();
  return Deploying(context, inputs, std::move(target), std::move(plan)).run();
}

}  // namespace

Result<int> run_deployment_start(ToolContext& context, Inputs inputs, BadInputs& bad) {
  DeploymentPlan plan = read_start(context, inputs, bad);
  return run_plan(context, inputs, std::move(plan), bad);
}

Result<int> run_deployment_finish(ToolContext& context, Inputs inputs, BadInputs& bad) {
  DeploymentPlan plan = read_finish(context, inputs, bad);
  return run_plan(context, inputs, std::move(plan), bad);
}

}  // namespace pca::commit_status
