#include "commit-status/summary_command.hpp"

#include <fmt/format.h>

#include <memory>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "cli/report_file.hpp"
#include "commit-status/commit_summary.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/deployment_api.hpp"
#include "commit-status/gate_input.hpp"
#include "commit-status/github_talk.hpp"
#include "commit-status/mark_api.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds reading_limit{60'000};
constexpr std::uint64_t file_limit = 1024ULL * 1024;
constexpr std::size_t most_deployments = 20;

struct SummaryPlan {
  GateRules rules;
  std::string more;
};

SummaryPlan read_plan(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  SummaryPlan plan;
  plan.rules = read_gate_rules(context, inputs, bad);
  if (!inputs.has("markdown-file")) return plan;
  const Budget budget = Budget::of(reading_limit, context.stop);
  auto text = read_input_file(budget, inputs.text("markdown-file"), file_limit);
  text ? plan.more = to_valid_utf8(*text) : (bad.add("markdown-file", text.error()), std::string());
  return plan;
}

class Summing {
 public:
  Summing(ToolContext& context, const Inputs& inputs, Target target, SummaryPlan plan)
      : context_(context), talk_(context, inputs, std::move(target)), plan_(std::move(plan)) {}

  Result<> read(CommitSummary& summary) {
    summary.repository = talk_.target().repository.text();
    summary.more = std::move(plan_.more);
    PCA_TRY(summary.sha, resolve_commit(budget(), talk_.api(), talk_.target()));
    PCA_TRY(const std::vector<Mark> marks,
            read_marks(budget(), talk_.api(), talk_.target().repository, summary.sha, false));
    summary.verdict = judge_marks(marks, plan_.rules);
    return read_deployments(summary);
  }

  [[nodiscard]] int attempts() { return talk_.api().attempts(); }

 private:
  [[nodiscard]] Budget budget() const { return talk_.budget(4); }

  // A token that may not see them shows the rest.
  Result<> read_deployments(CommitSummary& summary) {
    DeploymentApi deployments(talk_.api(), talk_.target().repository);
    const auto all = deployments.of_commit(budget(), summary.sha);
    if (!all && all.error().kind == ErrorKind::permission) {
      context_.reporter.notice(
          fmt::format("deployments are not shown: {}\n{}", all.error().message, all.error().hint));
      return {};
    }
    if (!all) return all.error();
    for (const KnownDeployment& each : latest_of_each(*all)) {
      if (summary.deployments.size() == most_deployments) break;
      PCA_TRY(DeploymentStatus status, deployments.latest_status(budget(), each.id));
      summary.deployments.push_back({each, std::move(status)});
    }
    return {};
  }

  ToolContext& context_;
  GitHubTalk talk_;
  SummaryPlan plan_;
};

Json report_of(const Inputs& inputs, const CommitSummary& summary, int attempts) {
  Json checks = Json::array();
  for (const Mark& mark : summary.verdict.counted) {
    Json entry = Json::object();
    entry.set("name", mark.name).set(contract::state, name_of(mark.state)).set("said", mark.said);
    checks.push(std::move(entry.set(contract::url, mark.url)));
  }
  Json deployments = Json::array();
  for (const auto& [deployment, status] : summary.deployments) {
    Json entry = Json::object();
    entry.set(contract::environment, deployment.environment).set("slug", deployment.slug);
    entry.set(contract::state, status.state);
    deployments.push(std::move(entry.set(contract::environment_url, status.environment_url)));
  }
  Json report = Json::object();
  report.set("command", inputs.command()).set(contract::sha, summary.sha);
  report.set(contract::state, state_of(summary)).set(contract::results, std::move(checks));
  report.set("deployments", std::move(deployments));
  return report.set(contract::attempts, attempts);
}

void tell(ToolContext& context, const Inputs& inputs, const CommitSummary& summary, int attempts) {
  Reporter& reporter = context.reporter;
  std::vector<std::string> failed;
  for (const Mark& mark : summary.verdict.of(Mark::State::failure)) {
    failed.push_back(visible(mark.name));
  }
  const std::string markdown = markdown_of(summary);
  const bool has_summary = !variable_in(context.environment, "GITHUB_STEP_SUMMARY").empty();
  has_summary ? reporter.summary(markdown) : reporter.info(markdown);
  reporter.output(contract::state, state_of(summary));
  reporter.output(contract::sha, summary.sha);
  reporter.output(contract::failed, join(failed, "\n"));
  reporter.output(contract::attempts, std::to_string(attempts));
  const Json report = report_of(inputs, summary, attempts);
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
}

}  // namespace

Result<int> run_summary(ToolContext& context, Inputs inputs, BadInputs& bad) {
  SummaryPlan plan = read_plan(context, inputs, bad);
  Target target = read_target(
      context, inputs,
      {.permission = "checks: read, deployments: read, statuses: read", .writes = false}, bad);
  if (!bad.empty()) return bad.to_error();

  Summing summing(context, inputs, std::move(target), std::move(plan));
  CommitSummary summary;
  const Result<> read = summing.read(summary);
  if (read) {
    tell(context, inputs, summary, summing.attempts());
    return 0;
  }
  const Error& error = read.error();
  const bool may_warn = error.kind != ErrorKind::cancelled && error.kind != ErrorKind::bug;
  if (!may_warn || inputs.text("on-error") == "fail") return error;
  context.reporter.warning(fmt::format("there is no summary: {}{}{}", error.message,
                                       error.hint.empty() ? "" : "\n", error.hint));
  return 0;
}

}  // namespace pca::commit_status
