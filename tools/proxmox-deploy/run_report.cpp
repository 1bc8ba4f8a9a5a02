#include "proxmox-deploy/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "proxmox-deploy/contract.hpp"
#include "runner/markdown.hpp"

namespace pca::proxmox_deploy {

namespace {

Json list_json(const std::vector<std::string>& lines) {
  Json list = Json::array();
  for (const std::string& line : lines) list.push(line);
  return list;
}

// Names are ours; Mermaid takes whole milliseconds.
std::string gantt_of(const std::vector<Phase>& phases) {
  if (phases.empty()) return {};
  std::string text = "\n```mermaid\ngantt\n  dateFormat x\n  axisFormat %M:%S\n  section deploy\n";
  for (const Phase& phase : phases) {
    const long begin = std::lround(phase.begin_ms);
    text += fmt::format("  {} :{}, {}\n", phase.name, begin,
                        std::max(begin + 1, std::lround(phase.end_ms)));
  }
  return text + "```\n";
}

std::string summary_of(const GuestRun& run, const Redactor& redactor) {
  const auto cell = [&](std::string_view text) { return markdown_cell(redactor.redact(text)); };
  std::string text =
      fmt::format("### proxmox-deploy {}: {}\n\n| | |\n|---|---|\n", run.command, run.outcome);
  const std::vector<std::pair<std::string, std::string>> rows{
      {"application", run.app},
      {"release", run.release},
      {"previous", run.previous},
      {"guest", run.guest ? run.guest->text() : std::string()},
      {"address", run.ip},
      {"health", run.health},
      {"removed", join(run.removed, ", ")},
      {"error", run.error ? run.error->message : std::string()},
      {"cure", run.error ? run.error->hint : std::string()}};
  for (const auto& [name, value] : rows) {
    if (!value.empty()) text += fmt::format("| {} | {} |\n", name, cell(value));
  }
  for (const std::string& warning : run.warnings) text += fmt::format("\n{}\n", cell(warning));
  text += gantt_of(run.phases);
  for (const TaskLog& log : run.logs) {
    text += fmt::format("\n<details><summary>Log of the task {}</summary>\n\n{}\n</details>\n",
                        cell(log.title), markdown_code(redactor.redact(log.text)));
  }
  if (run.plan.empty()) return text;
  return text + fmt::format("\n<details><summary>The plan</summary>\n\n{}\n</details>\n",
                            markdown_code(redactor.redact(join(run.plan, "\n"))));
}

Json report_of(const GuestRun& run, double duration) {
  Json report = Json::object();
  report.set("command", run.command);
  report.set(contract::name, run.app);
  report.set(contract::outcome, run.outcome);
  report.set(contract::release, run.release);
  report.set(contract::previous, run.previous);
  report.set(contract::vmid, run.guest ? Json(run.guest->vmid) : Json());
  report.set(contract::node, run.guest ? run.guest->node : std::string());
  report.set("guest", run.guest ? run.guest->name : std::string());
  report.set(contract::ip, run.ip);
  report.set(contract::url, run.url);
  report.set("health", run.health);
  report.set(contract::changed, run.changed);
  report.set(contract::removed, list_json(run.removed));
  report.set("plan", list_json(run.plan));
  report.set("warnings", list_json(run.warnings));
  report.set(contract::duration_ms, duration);
  Json phases = Json::array();
  for (const Phase& phase : run.phases) {
    Json one = Json::object();
    one.set("name", phase.name);
    one.set("begin-ms", std::round(phase.begin_ms)).set("end-ms", std::round(phase.end_ms));
    phases.push(std::move(one));
  }
  report.set("phases", std::move(phases));
  Json logs = Json::array();
  for (const TaskLog& log : run.logs) {
    Json one = Json::object();
    logs.push(one.set("task", log.title).set("log", log.text));
  }
  report.set("task-logs", std::move(logs));
  return report.set("error", run.error ? Json(run.error->message) : Json());
}

}  // namespace

void tell_run(ToolContext& context, const GuestRun& run, Clock::time_point start) {
  Reporter& reporter = context.reporter;
  for (const TaskLog& log : run.logs) {
    reporter.group("Log of the task " + log.title);
    reporter.remote("")->feed(log.text);
    reporter.end_group();
  }
  for (const std::string& warning : run.warnings) reporter.warning(Warning{"Guests", warning});
  const double duration = std::round(ms_since(start));
  const Json report = report_of(run, duration);
  reporter.output(contract::outcome, run.outcome);
  reporter.output(contract::release, run.release);
  reporter.output(contract::previous, run.previous);
  reporter.output(contract::vmid, run.guest ? std::to_string(run.guest->vmid) : "");
  reporter.output(contract::node, run.guest ? run.guest->node : "");
  reporter.output(contract::ip, run.ip);
  reporter.output(contract::url, run.url);
  reporter.output(contract::changed, std::to_string(run.changed));
  reporter.output(contract::duration_ms, fmt::format("{}", std::llround(duration)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  reporter.summary(summary_of(run, context.redactor));
}

Result<int> end_of(ToolContext& context, const GuestRun& run) {
  if (run.error) return *run.error;
  context.reporter.info(fmt::format("{}: {}{}{}", run.app, run.outcome,
                                    run.guest ? ", guest " + run.guest->text() : "",
                                    run.ip.empty() ? "" : " at " + visible(run.ip)));
  return 0;
}

}  // namespace pca::proxmox_deploy
