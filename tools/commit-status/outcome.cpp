#include "commit-status/outcome.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "commit-status/contract.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

Json results_of(const Outcome& outcome) {
  Json results = Json::array();
  for (const Posted& posted : outcome.posted) {
    Json entry = Json::object();
    entry.set(contract::context, posted.status.context).set(contract::state, posted.status.state);
    entry.set("description", posted.status.description);
    entry.set(contract::id, posted.id == 0 ? Json() : Json(posted.id));
    entry.set(contract::url, posted.url).set(contract::changed, posted.is_changed);
    results.push(std::move(entry));
  }
  return results;
}

bool has_changed(const Outcome& outcome) {
  return std::any_of(outcome.posted.begin(), outcome.posted.end(),
                     [](const Posted& posted) { return posted.is_changed; });
}

std::string truth(bool value) { return value ? "true" : "false"; }

std::string summary_of(const Outcome& outcome) {
  std::string out = fmt::format(
      "Statuses of `{}`{}\n\n| Status | State | Description | |\n"
      "|---|---|---|---|\n",
      outcome.sha.substr(0, 40), outcome.is_dry_run ? " (dry run)" : "");
  for (const Posted& posted : outcome.posted) {
    out += fmt::format("| {} | {} | {} | {} |\n", markdown_cell(posted.status.context),
                       posted.status.state, markdown_cell(posted.status.description),
                       posted.is_changed ? "written" : "unchanged");
  }
  return out;
}

Json report_of(const std::string& command, const Outcome& outcome) {
  Json report = Json::object();
  report.set("command", command).set(contract::sha, outcome.sha);
  report.set(contract::changed, has_changed(outcome)).set(contract::skipped, outcome.is_skipped);
  report.set(contract::dry_run, outcome.is_dry_run).set(contract::attempts, outcome.attempts);
  report.set(contract::results, results_of(outcome));
  if (outcome.child) {
    report.set(contract::exit_code, outcome.child->exit_code);
    report.set(contract::exit_signal,
               outcome.child->signal.empty() ? Json() : Json(outcome.child->signal));
  }
  return report;
}

bool wants_summary(const std::string& wish, const Outcome& outcome, bool has_failed) {
  if (wish != "auto") return wish == "true";
  const auto is_bad = [](const Posted& posted) {
    return posted.status.state == "failure" || posted.status.state == "error";
  };
  return outcome.posted.size() > 1 || has_failed ||
         std::any_of(outcome.posted.begin(), outcome.posted.end(), is_bad);
}

}  // namespace

void tell(ToolContext& context, const Inputs& inputs, const Outcome& outcome, bool has_failed) {
  const Posted first = outcome.posted.empty() ? Posted() : outcome.posted.front();
  Reporter& reporter = context.reporter;
  reporter.output(contract::state, first.status.state);
  reporter.output(contract::context, first.status.context);
  reporter.output(contract::sha, outcome.sha);
  reporter.output(contract::id, first.id == 0 ? std::string() : std::to_string(first.id));
  reporter.output(contract::url, first.url);
  reporter.output(contract::changed, truth(has_changed(outcome)));
  reporter.output(contract::skipped, truth(outcome.is_skipped));
  reporter.output(contract::dry_run, truth(outcome.is_dry_run));
  reporter.output(contract::results, results_of(outcome).dump());
  reporter.output(contract::attempts, std::to_string(outcome.attempts));
  if (outcome.child) {
    reporter.output(contract::exit_code, std::to_string(outcome.child->exit_code));
    reporter.output(contract::exit_signal, outcome.child->signal);
  }
  if (wants_summary(inputs.text("summary"), outcome, has_failed) && !outcome.posted.empty()) {
    reporter.summary(summary_of(outcome));
  }
  const Json report = report_of(inputs.command(), outcome);
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
}

void tell_dry_run(ToolContext& context, const Inputs& inputs, const Target& target,
                  const std::vector<Status>& statuses) {
  Outcome outcome;
  outcome.is_dry_run = true;
  outcome.sha = target.ref;
  for (const Status& status : statuses) {
    const std::string path = target.repository.path("/statuses/" + url_part(target.ref));
    context.reporter.info(fmt::format("would POST {}{}\n  {}", target.settings.root, path,
                                      visible(to_json(status).dump())));
    outcome.posted.push_back({status, 0, "", false});
  }
  tell(context, inputs, outcome, false);
}

}  // namespace pca::commit_status
