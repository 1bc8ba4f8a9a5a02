#include "swarm-deploy/release_commands.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/provenance.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/run_report.hpp"
#include "swarm-deploy/stack_lock.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds limit{30'000};

std::string state_of(const StackHistory& history, const StackRelease& release) {
  if (release.id == history.current) return "current";
  return release.is_good() ? "good" : release.result;
}

Json list_json(const std::string& stack, const StackHistory& history) {
  Json releases = Json::array();
  for (const StackRelease& release : history.releases) {
    Json entry = Json::object();
    entry.set("release", release.id);
    entry.set("state", state_of(history, release));
    entry.set("history", release.record);
    releases.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", "list");
  report.set("stack", stack);
  report.set("current", history.current);
  report.set("unfinished", history.unfinished);
  report.set("releases", std::move(releases));
  report.set("hold", history.hold.value_or(Json()));
  report.set("lock", history.lock.value_or(Json()));
  return report;
}

Json record_of(const ToolContext& context, const std::string& action, const std::string& reason) {
  const Provenance from = read_provenance(context);
  Json record = Json::object();
  record.set("action", action);
  record.set("actor", from.actor);
  record.set("run-url", from.run_url);
  record.set("reason", reason);
  return record;
}

}  // namespace

Result<int> run_list(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  PCA_TRY(const StackHistory history,
          read_history(Budget::of(limit, context.stop), *engine, given.stack));
  TextTable table{{"release", "state", "deployed", "commit", "branch", "by", "why"}, {}};
  for (const StackRelease& release : history.releases) {
    table.rows.push_back({release.id, state_of(history, release), release.record.text_of("ended"),
                          short_commit(release.commit), release.record.text_of("branch"),
                          release.record.text_of("actor"), reason_of(release.record)});
  }
  std::vector<std::string> notes = notes_of(history);
  if (table.rows.empty()) notes.insert(notes.begin(), "no releases");
  std::string summary = "### swarm-deploy list\n";
  show(context, given.stack, table, notes, summary);
  context.reporter.summary(summary);
  const Json report = list_json(given.stack, history);
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  return 0;
}

Result<int> run_hold(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const bool is_on = inputs.command() == "hold";
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Json record = record_of(context, "hold", is_on ? inputs.text("reason") : std::string());
  PCA_TRY(const auto engine, connect_manager(context, given));
  const Budget budget = Budget::of(limit, context.stop);
  PCA_TRY(StackHistory history, read_history(budget, *engine, given.stack));
  PCA_CHECK(change_state(budget, *engine, given.stack, history, [&](StackHistory& now) {
    now.hold = is_on ? std::optional(record) : std::nullopt;
  }));
  context.reporter.info(given.stack +
                        (is_on ? ": " + visible(describe_hold(record)) : ": no longer on hold"));
  return 0;
}

Result<int> run_unlock(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  PCA_TRY(const bool was_locked,
          unlock_stack(Budget::of(limit, context.stop), *engine, given.stack));
  context.reporter.info(given.stack + (was_locked ? ": unlocked" : ": was not locked"));
  return 0;
}

}  // namespace pca::swarm_deploy
