#include "commit-status/compass_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/backoff.hpp"
#include "base/build_info.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "commit-status/compass_input.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/deployment_api.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

// Compass takes 100 requests a minute of a user.
constexpr Milliseconds between_requests{650};

// All that is told at the end.
struct CompassOutcome {
  std::string via;
  std::vector<std::string> told;  // components, or the source where there is none
  bool is_skipped = false;
  bool is_dry_run = false;
  int attempts = 0;
};

std::string truth(bool value) { return value ? "true" : "false"; }
std::string text_of(const std::optional<UtcTime>& time) {
  return time ? utc_text(*time) : std::string();
}
std::string name_of(const CompassTarget& target) {
  return target.component.empty() ? target.source : target.component;
}

Json report_of(const std::string& command, const CompassEvent& event,
               const CompassOutcome& outcome) {
  Json components = Json::array();
  for (const std::string& component : outcome.told) components.push(component);
  Json report = Json::object();
  report.set("command", command).set(contract::state, event.state);
  report.set(contract::via, outcome.via).set(contract::sent, !outcome.told.empty());
  report.set(contract::components, std::move(components));
  report.set(contract::environment, event.environment).set(contract::number, event.number);
  report.set(contract::started_at, text_of(event.began));
  report.set(contract::ended_at, text_of(event.ended));
  report.set(contract::skipped, outcome.is_skipped).set(contract::dry_run, outcome.is_dry_run);
  return report.set(contract::attempts, outcome.attempts);
}

std::string summary_of(const CompassPlan& plan, const CompassOutcome& outcome) {
  const CompassEvent& event = plan.event;
  const std::string took =
      event.began && event.ended ? format_duration(*event.ended - *event.began) : "";
  std::string out = fmt::format(
      "Compass: {}{}\n\n| Component | State | Environment | Took | |\n|---|---|---|---|---|\n",
      markdown_cell(event.display_name), outcome.is_dry_run ? " (dry run)" : "");
  for (const CompassTarget& target : plan.targets) {
    const std::string name = name_of(target);
    const bool is_told =
        std::find(outcome.told.begin(), outcome.told.end(), name) != outcome.told.end();
    out += fmt::format("| {} | {} | {} | {} | {} |\n", markdown_cell(name), event.state,
                       markdown_cell(event.environment), took, is_told ? "told" : "not told");
  }
  return out;
}

class Telling {
 public:
  Telling(ToolContext& context, const Inputs& inputs, CompassPlan plan)
      : context_(context),
        inputs_(inputs),
        plan_(std::move(plan)),
        transport_(make_http_transport("commit-status/" + std::string(project_version()))) {
    outcome_.via = plan_.via;
  }

  Result<int> run() {
    if (!plan_.read_only_reason.empty()) return skip();
    if (inputs_.flag("dry-run")) return show();
    const Result<> result = go();
    tell(!result);
    if (result) return 0;
    const Error& error = result.error();
    const bool must_fail = inputs_.flag("strict") || error.kind == ErrorKind::cancelled ||
                           error.kind == ErrorKind::bug;
    if (must_fail) return error;
    context_.reporter.warning(fmt::format("Compass was not told: {}{}{}", error.message,
                                          error.hint.empty() ? "" : "\n", error.hint));
    return 0;
  }

 private:
  Result<> go() {
    if (plan_.via == "auto") {
      PCA_TRY(const bool is_githubs, has_github_deployments());
      outcome_.via = is_githubs ? "github" : "rest";
    }
    if (outcome_.via == "github") {
      context_.reporter.info(fmt::format(
          "nothing is sent: Compass hears of {} by GitHub's deployments, and would count it twice",
          visible(plan_.environment)));
      return {};
    }
    if (!plan_.event.began && plan_.event.ended) {
      context_.reporter.notice(
          "started-at is not given, so Compass cannot tell how long it took: give the output "
          "started-at of the call with in_progress.");
    }
    return send();
  }

  [[nodiscard]] auto on_wait() {
    return [this](const std::string& text) { context_.reporter.notice(text); };
  }

  // An environment whose deployments are GitHub's already has a channel.
  Result<bool> has_github_deployments() {
    GitHubSettings settings = std::move(plan_.github->settings);
    settings.on_wait = on_wait();
    GitHubApi api(*transport_, std::move(settings));
    DeploymentApi deployments(api, plan_.github->repository);
    auto has_any =
        deployments.has_any(Budget::of(api.longest_call(), context_.stop), plan_.environment);
    outcome_.attempts += api.attempts();
    return has_any;
  }

  Result<> send() {
    CompassSettings settings = std::move(plan_.settings);
    settings.on_wait = on_wait();
    CompassApi api(*transport_, std::move(settings));
    Result<> result = send_all(api);
    outcome_.attempts += api.attempts();
    return result;
  }

  // What one component cannot be told, the others are told all the same.
  Result<> send_all(CompassApi& api) {
    Result<> first_problem;
    for (const CompassTarget& target : plan_.targets) {
      const Budget budget = Budget::of(api.longest_call(), context_.stop);
      if (&target != &plan_.targets.front()) PCA_CHECK(pause_for(budget, between_requests));
      Result<> sent = api.send(budget, to_json(plan_.event, target));
      if (sent) {
        outcome_.told.push_back(name_of(target));
        context_.reporter.info(fmt::format("told {}: {} is {}", visible(name_of(target)),
                                           visible(plan_.event.display_name), plan_.event.state));
        continue;
      }
      if (first_problem) first_problem = std::move(sent);
      if (first_problem.error().kind != ErrorKind::failed) break;
    }
    return first_problem;
  }

  Result<int> skip() {
    outcome_.is_skipped = true;
    context_.reporter.warning(
        fmt::format("Compass is told nothing: {}, and such an event's run has no secrets.",
                    plan_.read_only_reason));
    tell(false);
    return 0;
  }

  Result<int> show() {
    outcome_.is_dry_run = true;
    if (plan_.via == "auto") {
      context_.reporter.info(
          fmt::format("would ask GitHub whether it has deployments to {}; then "
                      "nothing is sent",
                      visible(plan_.environment)));
    }
    if (plan_.via == "github") context_.reporter.info("would send nothing");
    for (const CompassTarget& target : plan_.targets) {
      context_.reporter.info(fmt::format("would POST {}/events\n  {}", plan_.settings.root,
                                         visible(to_json(plan_.event, target).dump())));
    }
    tell(false);
    return 0;
  }

  void tell(bool has_failed) {
    const CompassEvent& event = plan_.event;
    Reporter& reporter = context_.reporter;
    reporter.output(contract::state, event.state);
    reporter.output(contract::via, outcome_.via);
    reporter.output(contract::sent, truth(!outcome_.told.empty()));
    reporter.output(contract::components, join(outcome_.told, "\n"));
    reporter.output(contract::number, std::to_string(event.number));
    reporter.output(contract::started_at, text_of(event.began));
    reporter.output(contract::ended_at, text_of(event.ended));
    reporter.output(contract::skipped, truth(outcome_.is_skipped));
    reporter.output(contract::dry_run, truth(outcome_.is_dry_run));
    reporter.output(contract::attempts, std::to_string(outcome_.attempts));
    const std::string& wish = inputs_.text("summary");
    if (wish == "true" || (wish == "auto" && (has_failed || plan_.targets.size() > 1))) {
      reporter.summary(summary_of(plan_, outcome_));
    }
    const Json report = report_of(inputs_.command(), event, outcome_);
    reporter.output(contract::report, write_report(context_, report));
    reporter.report(report);
  }

  ToolContext& context_;
  const Inputs& inputs_;
  CompassPlan plan_;
  std::unique_ptr<HttpTransport> transport_;
  CompassOutcome outcome_;
};

}  // namespace

Result<int> run_compass(ToolContext& context, Inputs inputs, BadInputs& bad) {
  CompassPlan plan = read_compass_plan(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  return Telling(context, inputs, std::move(plan)).run();
}

}  // namespace pca::commit_status
