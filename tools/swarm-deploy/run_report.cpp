#include "swarm-deploy/run_report.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "runner/markdown.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/stack_preview.hpp"

namespace pca::swarm_deploy {

namespace {

char mark_of(Action action) {
  switch (action) {
    case Action::create:
      return '+';
    case Action::update:
      return '~';
    case Action::remove:
      return '-';
    case Action::unchanged:
      break;
  }
  return '=';
}

std::vector<std::string> lines_of(const StackPlan& plan) {
  std::vector<std::string> lines;
  for (const StackNetwork& network : plan.networks) lines.push_back("+ network " + network.name);
  for (const std::string& one : plan.staying) lines.push_back("= " + visible(one));
  for (const StackObject& secret : plan.secrets) lines.push_back("+ secret " + secret.name);
  for (const StackObject& config : plan.configs) lines.push_back("+ config " + config.name);
  for (const ServicePlan& service : plan.services) {
    lines.push_back(fmt::format("{} service {}", mark_of(service.action), service.name));
    for (const std::string& change : service.changes) lines.push_back("    " + change);
  }
  for (const NamedObject& left : plan.leftovers) {
    lines.push_back(
        fmt::format("- {} {}", left.kind.substr(0, left.kind.size() - 1), visible(left.name)));
  }
  return lines;
}

Json services_json(const StackPlan& plan) {
  Json list = Json::array();
  for (const ServicePlan& service : plan.services) {
    Json changes = Json::array();
    for (const std::string& change : service.changes) changes.push(change);
    Json entry = Json::object();
    entry.set("name", service.name);
    entry.set("action", name_of(service.action));
    entry.set("image", service.image);
    entry.set("changes", std::move(changes));
    list.push(std::move(entry));
  }
  return list;
}

// What failed, of which kind, where, and what to do about it.
std::string failure_table(const FailedService& failed, const Redactor& redactor) {
  const std::vector<std::pair<std::string_view, std::string>> rows{
      {"category", failed.reason},
      {"error", failed.text},
      {"node", failed.node},
      {"exit code", failed.exit_code == 0 ? std::string() : std::to_string(failed.exit_code)},
      {"cure", failed.cure}};
  std::string text =
      fmt::format("\n| failed | {} |\n|---|---|\n", markdown_cell(redactor.redact(failed.name)));
  for (const auto& [name, value] : rows) {
    if (!value.empty())
      text += fmt::format("| {} | {} |\n", name, markdown_cell(redactor.redact(value)));
  }
  return text;
}

std::string summary_of(const std::string& command, const std::string& stack, const StackPlan& plan,
                       const StackRun& run, const Redactor& redactor) {
  const auto cell = [&](std::string_view text) { return markdown_cell(redactor.redact(text)); };
  std::string text = fmt::format(
      "### swarm-deploy {}: {}\n\nStack `{}`{}\n\n| service | action | image |\n|---|---|---|\n",
      command, run.outcome, stack,
      run.release.empty() ? "" : fmt::format(", release `{}`", run.release));
  for (const ServicePlan& service : plan.services) {
    text += fmt::format("| {} | {} | {} |\n", cell(service.name), name_of(service.action),
                        cell(service.image));
  }
  for (const auto& [name, value] : run.facts) {
    if (!value.empty()) text += fmt::format("\n{}: {}\n", name, cell(value));
  }
  if (run.failed) {
    text += failure_table(*run.failed, redactor);
    if (!run.failed->log.empty()) {
      text += fmt::format("\n<details><summary>Its last log lines</summary>\n\n{}\n</details>\n",
                          markdown_code(redactor.redact(run.failed->log)));
    }
  }
  const std::vector<std::string> lines = lines_of(plan);
  return text + fmt::format("\n<details><summary>The plan</summary>\n\n{}\n</details>\n",
                            markdown_code(redactor.redact(join(lines, "\n"))));
}

void show_log(Reporter& reporter, const FailedService& service) {
  if (service.log.empty()) return;
  reporter.group("Last log lines of " + service.name);
  reporter.remote("")->feed(service.log);
  reporter.end_group();
}

}  // namespace

void tell_plan(Reporter& reporter, const StackPlan& plan) {
  for (const std::string& warning : plan.warnings) reporter.warning(Warning{"Stack", warning});
  for (const std::string& line : lines_of(plan)) reporter.info(line);
}

Result<> check_plan(const StackPlan& plan) {
  if (plan.mistakes.empty()) return {};
  return failed(fmt::format("the swarm cannot take this stack; nothing was written:\n  {}",
                            join(plan.mistakes, "\n  ")));
}

std::vector<std::string> notes_of(const StackHistory& history) {
  std::vector<std::string> notes;
  if (const auto preview = history.preview ? preview_of_record(*history.preview) : std::nullopt) {
    notes.push_back(preview->is_gone
                        ? fmt::format("only volumes are left of the preview of branch {} of {}",
                                      preview->branch, preview->repository)
                        : fmt::format("the preview of branch {} of {}, until {}", preview->branch,
                                      preview->repository, preview->expires));
  }
  if (!history.unfinished.empty() && !history.lock) {
    notes.push_back(fmt::format(
        "{} did not come to its end: \"swarm-deploy rollback\" {}", history.unfinished,
        history.current.empty() ? "has nothing to go back to" : "goes back to " + history.current));
  }
  if (history.hold) notes.push_back(describe_hold(*history.hold));
  if (history.lock) notes.push_back("locked by " + describe_lock(history.lock->dump()));
  return notes;
}

void tell_run(ToolContext& context, const std::string& command, const std::string& stack,
              const StackPlan& plan, const StackRun& run, Clock::time_point start) {
  Reporter& reporter = context.reporter;
  if (run.failed) show_log(reporter, *run.failed);
  const double duration = std::round(ms_since(start));
  Json report = Json::object();
  report.set("command", command);
  report.set("stack", stack);
  report.set("outcome", run.outcome);
  report.set("release", run.release);
  report.set("previous", run.previous);
  report.set("duration-ms", duration);
  report.set("services", services_json(plan));
  Json phases = Json::object();
  for (const auto& [name, ms] : run.phases_ms) phases.set(name, std::round(ms));
  report.set("phases-ms", std::move(phases));
  if (run.failed) {
    Json failure = Json::object();
    failure.set("service", run.failed->name);
    failure.set("reason", run.failed->reason);
    failure.set("text", run.failed->text);
    failure.set("cure", run.failed->cure);
    failure.set("node", run.failed->node);
    failure.set("exit-code", run.failed->exit_code);
    failure.set("log", run.failed->log);
    report.set("failed", std::move(failure));
  }
  for (const auto& [name, value] : run.facts) {
    report.set(name, value);
    reporter.output(name, value);
  }
  report.set("error", run.error ? Json(run.error->message) : Json());
  const std::size_t unchanged = plan.count(Action::unchanged);
  reporter.output(contract::outcome, run.outcome);
  reporter.output(contract::changed, std::to_string(plan.services.size() - unchanged));
  reporter.output(contract::created, std::to_string(plan.count(Action::create)));
  reporter.output(contract::updated, std::to_string(plan.count(Action::update)));
  reporter.output(contract::unchanged, std::to_string(unchanged));
  reporter.output(contract::removed, std::to_string(plan.count(Action::remove)));
  reporter.output(contract::services, services_json(plan).dump());
  reporter.output(contract::duration_ms, fmt::format("{}", std::llround(duration)));
  reporter.output(contract::report, write_report(context, report));
  if (command != "plan") {
    reporter.output(contract::release, run.release);
    reporter.output(contract::previous, run.previous);
    reporter.output(contract::failed_service, run.failed ? run.failed->name : "");
    reporter.output(contract::failure_reason, run.failed ? run.failed->reason : "");
  }
  reporter.report(report);
  reporter.summary(summary_of(command, stack, plan, run, context.redactor));
}

}  // namespace pca::swarm_deploy
