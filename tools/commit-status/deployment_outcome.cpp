#include "commit-status/deployment_outcome.hpp"

#include <fmt/format.h>

#include "cli/report_file.hpp"
#include "commit-status/contract.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

std::string number(std::int64_t id) { return id == 0 ? std::string() : std::to_string(id); }
std::string truth(bool value) { return value ? "true" : "false"; }

std::string deactivated_text(const DeploymentOutcome& outcome) {
  std::string text;
  for (const std::int64_t id : outcome.deactivated) text += (text.empty() ? "" : "\n") + number(id);
  return text;
}

Json report_of(const std::string& command, const DeploymentOutcome& outcome) {
  Json deactivated = Json::array();
  for (const std::int64_t id : outcome.deactivated) deactivated.push(id);
  Json report = Json::object();
  report.set("command", command).set(contract::sha, outcome.sha);
  report.set(contract::environment, outcome.environment);
  report.set(contract::deployment_id,
             outcome.deployment.id == 0 ? Json() : Json(outcome.deployment.id));
  report.set(contract::deployment_url, outcome.deployment.url);
  report.set(contract::created, outcome.is_created).set(contract::state, outcome.status.state);
  report.set(contract::environment_url, outcome.status.environment_url);
  report.set(contract::id, outcome.posted.id == 0 ? Json() : Json(outcome.posted.id));
  report.set(contract::url, outcome.posted.url).set(contract::deactivated, std::move(deactivated));
  report.set(contract::skipped, outcome.is_skipped).set(contract::dry_run, outcome.is_dry_run);
  return report.set(contract::attempts, outcome.attempts);
}

std::string summary_of(const DeploymentOutcome& outcome) {
  std::string out = fmt::format(
      "Deployment of `{}`{}\n\n| Environment | Deployment | State | Description | URL |\n"
      "|---|---|---|---|---|\n| {} | {} | {} | {} | {} |\n",
      outcome.sha.substr(0, 40), outcome.is_dry_run ? " (dry run)" : "",
      markdown_cell(outcome.environment), number(outcome.deployment.id), outcome.status.state,
      markdown_cell(outcome.status.description), markdown_cell(outcome.status.environment_url));
  if (!outcome.deactivated.empty()) {
    out += fmt::format("\n{} earlier {} inactive now.\n", outcome.deactivated.size(),
                       outcome.deactivated.size() == 1 ? "one is" : "ones are");
  }
  return out;
}

bool wants_summary(const std::string& wish, const DeploymentOutcome& outcome, bool has_failed) {
  if (wish != "auto") return wish == "true";
  return has_failed || outcome.status.state == "failure" || outcome.status.state == "error";
}

}  // namespace

void tell(ToolContext& context, const Inputs& inputs, const DeploymentOutcome& outcome,
          bool has_failed) {
  Reporter& reporter = context.reporter;
  reporter.output(contract::deployment_id, number(outcome.deployment.id));
  reporter.output(contract::deployment_url, outcome.deployment.url);
  reporter.output(contract::created, truth(outcome.is_created));
  reporter.output(contract::state, outcome.status.state);
  reporter.output(contract::id, number(outcome.posted.id));
  reporter.output(contract::url, outcome.posted.url);
  reporter.output(contract::sha, outcome.sha);
  reporter.output(contract::environment, outcome.environment);
  reporter.output(contract::environment_url, outcome.status.environment_url);
  reporter.output(contract::deactivated, deactivated_text(outcome));
  reporter.output(contract::skipped, truth(outcome.is_skipped));
  reporter.output(contract::dry_run, truth(outcome.is_dry_run));
  reporter.output(contract::attempts, std::to_string(outcome.attempts));
  if (wants_summary(inputs.text("summary"), outcome, has_failed)) {
    reporter.summary(summary_of(outcome));
  }
  const Json report = report_of(inputs.command(), outcome);
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
}

}  // namespace pca::commit_status
