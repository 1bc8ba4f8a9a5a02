#include "swarm-deploy/rm_command.hpp"

#include <fmt/format.h>

#include <cmath>

#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/stack_removal.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};

Json rm_json(const std::string& stack, const StackThings& things, bool is_dry, double duration) {
  Json removed = Json::array();
  for (const NamedObject& one : things.all) {
    Json entry = Json::object();
    entry.set("kind", one.kind);
    entry.set("name", one.name);
    removed.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", "rm");
  report.set("stack", stack);
  report.set("dry-run", is_dry);
  report.set("removed", std::move(removed));
  report.set("duration-ms", std::round(duration));
  return report;
}

void tell(ToolContext& context, const std::string& stack, const StackThings& things, bool is_dry,
          Clock::time_point start) {
  TextTable table{{"kind", "name"}, {}};
  for (const NamedObject& one : things.all) table.rows.push_back({one.kind, one.name});
  std::string summary =
      fmt::format("### swarm-deploy rm: {}\n", is_dry ? "would remove" : "removed");
  std::vector<std::string> notes;
  if (things.all.empty()) notes.emplace_back("nothing of this stack is there");
  if (!things.records.empty()) {
    notes.push_back(fmt::format("and {} configs of its history", things.records.size()));
  }
  if (things.preview && !things.nodes.empty()) {
    notes.emplace_back(
        "its volumes stay, and the record of the preview with them: \"swarm-deploy preview down\" "
        "removes both");
  }
  show(context, stack, table, notes, summary);
  const Json report = rm_json(stack, things, is_dry, ms_since(start));
  context.reporter.output(contract::removed, std::to_string(is_dry ? 0 : things.all.size()));
  context.reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  context.reporter.summary(summary);
}

}  // namespace

Result<int> run_rm(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  const bool is_dry = inputs.flag("dry-run");
  const Budget reading = Budget::of(answer_limit, context.stop);
  PCA_TRY(StackThings things, read_stack_things(reading, *engine, given.stack));
  if (is_dry || things.is_nothing()) {
    tell(context, given.stack, things, is_dry, start);
    return 0;
  }
  const RemovalRules rules{.action = "rm",
                           .lock_wait = inputs.duration("lock-wait"),
                           .timeout = inputs.duration("timeout")};
  PCA_TRY(const auto removed, remove_stack(context, *engine, given.stack, rules));
  tell(context, given.stack, *removed, is_dry, start);
  return 0;
}

}  // namespace pca::swarm_deploy
