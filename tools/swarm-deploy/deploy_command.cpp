#include "swarm-deploy/deploy_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "runner/markdown.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/stack_inputs.hpp"
#include "swarm-deploy/stack_run.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds planning_limit{60'000};  // once there is a connection

// What both commands need before anything is contacted.
struct SwarmInputs {
  StackSpec stack;
  std::vector<EngineEndpoint> engines;
  PlanRules rules;
  RegistryLogins registries;
};

RegistryLogins read_registries(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const Secret given = inputs.take_secret("registry-auth");
  auto logins = RegistryLogins::parse(given.expose(), context.redactor);
  if (logins) {
    for (const std::string& warning : logins->warnings()) {
      context.reporter.warning(Warning{"Registries", warning});
    }
    return *std::move(logins);
  }
  bad.add("registry-auth", logins.error());
  return {};
}

SwarmInputs read_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  SwarmInputs out;
  out.engines = read_engine_inputs(context, inputs, bad);
  const std::string& resolve = inputs.text("resolve-image");
  out.rules.resolve = resolve == "never"     ? ResolveImages::never
                      : resolve == "changed" ? ResolveImages::changed
                                             : ResolveImages::always;
  out.rules.require_digest = inputs.flag("require-digest");
  out.rules.prune = inputs.flag("prune");
  out.registries = read_registries(context, inputs, bad);
  out.stack = read_stack_inputs(context, inputs, bad);
  return out;
}

// What is there and what is to be done.
struct Prepared {
  std::unique_ptr<Engine> engine;
  SwarmState state;
  StackPlan plan;
};

Result<Prepared> prepare(const Budget& budget, ToolContext& context, const SwarmInputs& inputs) {
  Prepared out;
  const auto say = [&](const std::string& text) { context.reporter.info(text); };
  PCA_TRY(out.engine, Engine::connect_manager(budget, inputs.engines, say));
  PCA_TRY(out.state, read_swarm_state(budget, *out.engine, inputs.stack, inputs.rules.resolve,
                                      inputs.registries));
  out.plan = make_plan(inputs.stack, out.state, inputs.rules, inputs.registries);
  return out;
}

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
  for (const StackObject& secret : plan.secrets) lines.push_back("+ secret " + secret.name);
  for (const StackObject& config : plan.configs) lines.push_back("+ config " + config.name);
  for (const ServicePlan& service : plan.services) {
    lines.push_back(fmt::format("{} service {}", mark_of(service.action), service.name));
    for (const std::string& change : service.changes) lines.push_back("    " + change);
  }
  return lines;
}

void tell_plan(Reporter& reporter, const StackPlan& plan) {
  for (const std::string& warning : plan.warnings) reporter.warning(Warning{"Stack", warning});
  for (const std::string& line : lines_of(plan)) reporter.info(line);
}

Result<> check_plan(const StackPlan& plan) {
  if (plan.mistakes.empty()) return {};
  return failed(fmt::format("the swarm cannot take this stack; nothing was written:\n  {}",
                            join(plan.mistakes, "\n  ")));
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

std::string summary_of(const std::string& command, const std::string& stack, const StackPlan& plan,
                       const StackRun& run, const Redactor& redactor) {
  const auto cell = [&](std::string_view text) { return markdown_cell(redactor.redact(text)); };
  std::string text = fmt::format(
      "### swarm-deploy {}: {}\n\nStack `{}`\n\n| service | action | image |\n|---|---|---|\n",
      command, run.outcome, stack);
  for (const ServicePlan& service : plan.services) {
    text += fmt::format("| {} | {} | {} |\n", cell(service.name), name_of(service.action),
                        cell(service.image));
  }
  if (run.failed) {
    text += fmt::format("\n**{}** failed: {}\n", cell(run.failed->name), cell(run.failed->text));
    if (!run.failed->log.empty()) {
      text += fmt::format("\n<details><summary>Its last log lines</summary>\n\n{}\n</details>\n",
                          markdown_code(redactor.redact(run.failed->log)));
    }
  }
  const std::vector<std::string> lines = lines_of(plan);
  return text + fmt::format("\n<details><summary>The plan</summary>\n\n{}\n</details>\n",
                            markdown_code(redactor.redact(join(lines, "\n"))));
}

void tell_run(ToolContext& context, const std::string& command, const std::string& stack,
              const StackPlan& plan, const StackRun& run, Clock::time_point start) {
  Reporter& reporter = context.reporter;
  const double duration = std::round(ms_since(start));
  Json report = Json::object();
  report.set("command", command);
  report.set("stack", stack);
  report.set("outcome", run.outcome);
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
    failure.set("node", run.failed->node);
    failure.set("log", run.failed->log);
    report.set("failed", std::move(failure));
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
  if (command == "deploy") {
    reporter.output(contract::failed_service, run.failed ? run.failed->name : "");
    reporter.output(contract::failure_reason, run.failed ? run.failed->reason : "");
  }
  reporter.report(report);
  reporter.summary(summary_of(command, stack, plan, run, context.redactor));
}

void show_log(Reporter& reporter, const FailedService& service) {
  if (service.log.empty()) return;
  reporter.group("Last log lines of " + service.name);
  reporter.remote("")->feed(service.log);
  reporter.end_group();
}

Budget planning_budget(const SwarmInputs& inputs, const std::stop_token& stop) {
  Milliseconds limit = planning_limit;
  for (const EngineEndpoint& engine : inputs.engines) limit += engine.connect_limit;
  return Budget::of(limit, stop);
}

}  // namespace

Result<int> run_plan(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const SwarmInputs given = read_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const Prepared prepared, prepare(planning_budget(given, context.stop), context, given));
  tell_plan(context.reporter, prepared.plan);
  PCA_CHECK(check_plan(prepared.plan));
  StackRun run;
  run.outcome = "planned";
  tell_run(context, "plan", given.stack.name, prepared.plan, run, start);
  constexpr int there_are_changes = 8;
  return inputs.flag("exit-code") && !prepared.plan.changes_nothing() ? there_are_changes : 0;
}

Result<int> run_deploy(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const SwarmInputs given = read_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const Prepared prepared, prepare(budget, context, given));
  tell_plan(context.reporter, prepared.plan);
  PCA_CHECK(check_plan(prepared.plan));
  const RunRules rules{
      .wait = inputs.flag("wait"),
      .settle = inputs.duration("settle"),
      .health = {inputs.integer("max-task-failures"), inputs.duration("scheduling-timeout")},
      .roll_back = inputs.text("on-failure") == "rollback",
      .rollback_timeout = inputs.duration("rollback-timeout")};
  const StackRun run = execute_plan(budget, *prepared.engine, context.reporter, given.stack.name,
                                    prepared.plan, prepared.state, rules);
  if (run.failed) show_log(context.reporter, *run.failed);
  tell_run(context, "deploy", given.stack.name, prepared.plan, run, start);
  if (run.error) return *run.error;
  context.reporter.info(fmt::format("{}: {}", given.stack.name, run.outcome));
  return 0;
}

}  // namespace pca::swarm_deploy
