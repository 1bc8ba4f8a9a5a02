#include "swarm-deploy/node_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/node_plan.hpp"
#include "swarm-deploy/node_run.hpp"
#include "swarm-deploy/waiting_options.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};

struct NodeInputs {
  std::string what;  // "list", "drain", ...
  std::vector<std::string> names;
  NodeChange change;
  bool is_forced = false;
  bool is_dry = false;
  ManagerInputs manager;
};

struct NodesState {
  std::vector<SwarmNode> nodes;
  Json services;
  std::vector<Task> tasks;
};

// Refuses what is given, but means nothing there.
void check_fit(const Inputs& inputs, const std::string& what, BadInputs& bad) {
  const auto only_for = [&](const std::string& name, std::initializer_list<const char*> those) {
    if (!inputs.has(name) || std::find(those.begin(), those.end(), what) != those.end()) return;
    std::vector<std::string> names(those.begin(), those.end());
    bad.add(name, fmt::format("means nothing to {}", what),
            fmt::format("Leave it out; it belongs to {}.", join(names, ", ")));
  };
  only_for("labels", {"labels"});
  only_for("force", {"drain", "pause", "labels"});
  only_for("dry-run", {"drain", "pause", "active", "labels"});
  if (what != "list" && inputs.list("nodes").empty()) {
    bad.add("nodes", "is required",
            "Give hostnames, IDs or beginnings of IDs; \"swarm-deploy node list\" shows them.");
  }
  if (what == "labels" && !inputs.has("labels"))
    bad.add("labels", "is required", "Give KEY=VALUE to set a label, KEY- to remove it.");
}

NodeInputs read_inputs_of(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  NodeInputs out;
  out.what = inputs.text("do");
  check_fit(inputs, out.what, bad);
  out.names = inputs.list("nodes");
  out.change = parse_label_changes(inputs.list("labels"), bad);
  if (out.what == "drain" || out.what == "pause" || out.what == "active")
    out.change.availability = out.what;
  out.is_forced = inputs.flag("force");
  out.is_dry = inputs.flag("dry-run");
  out.manager.engines = read_engine_inputs(context, inputs, bad);
  return out;
}

Result<NodesState> read_state(const Budget& budget, Engine& engine) {
  const std::vector<EngineRequest> requests{
      {.path = "/nodes"}, {.path = "/services"}, {.path = "/tasks"}};
  auto answers = engine.json_all(budget, requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error().within("reading the nodes");
  }
  return NodesState{parse_nodes(*answers[0]), *std::move(answers[1]), parse_tasks(*answers[2])};
}

// What stands against it, all of it together.
Result<> check_drain(const NodesState& state, const std::set<std::string>& ids,
                     const DrainPlan& plan, const NodeInputs& given, Reporter& reporter) {
  const bool is_last =
      given.what != "labels" &&
      std::none_of(state.nodes.begin(), state.nodes.end(), [&](const SwarmNode& node) {
        return node.takes_tasks() && !ids.contains(node.id);
      });
  std::vector<std::string> problems = plan.problems;
  if (is_last) problems.insert(problems.begin(), "no other node is ready and active");
  if (problems.empty()) return {};
  if (!given.is_forced) {
    return failed(
        fmt::format("this would be an outage; nothing was written:\n  {}", join(problems, "\n  ")),
        "Make room elsewhere or change the services first, or take the outage by force.");
  }
  for (const std::string& problem : problems) reporter.warning(Warning{"Outage", problem});
  return {};
}

std::size_t running_on(const NodesState& state, const std::string& id) {
  return static_cast<std::size_t>(
      std::count_if(state.tasks.begin(), state.tasks.end(), [&](const Task& task) {
        return task.node_id == id && task.state == "running" && task.desired_state == "running";
      }));
}

// What is told of when `ids` are meant; none are all.
std::vector<SwarmNode> shown_of(const NodesState& state, const std::set<std::string>& ids) {
  std::vector<SwarmNode> nodes = state.nodes;
  if (!ids.empty())
    std::erase_if(nodes, [&](const SwarmNode& node) { return !ids.contains(node.id); });
  return nodes;
}

Json nodes_json(const NodesState& state, const std::set<std::string>& ids) {
  Json nodes = Json::array();
  for (const SwarmNode& node : shown_of(state, ids)) {
    Json labels = Json::object();
    for (const auto& [key, value] : node.labels) labels.set(key, value);
    Json entry = Json::object();
    entry.set("id", node.id);
    entry.set("hostname", node.hostname);
    entry.set("role", node.role);
    entry.set("leader", node.is_leader);
    entry.set("availability", node.availability);
    entry.set("state", node.state);
    entry.set("labels", std::move(labels));
    entry.set("tasks", running_on(state, node.id));
    nodes.push(std::move(entry));
  }
  return nodes;
}

TextTable table_of(const NodesState& state, const std::set<std::string>& ids) {
  TextTable table{{"node", "role", "availability", "state", "labels", "tasks"}, {}};
  for (const SwarmNode& node : shown_of(state, ids)) {
    table.rows.push_back({node.name(), node.is_leader ? "leader" : node.role, node.availability,
                          node.state, labels_text(node),
                          std::to_string(running_on(state, node.id))});
  }
  return table;
}

Json drain_json(const DrainPlan& plan) {
  Json services = Json::array();
  for (const DrainPlan::Leaving& one : plan.services) {
    Json entry = Json::object();
    entry.set("service", one.service);
    entry.set("tasks", one.tasks);
    entry.set("stranded", one.stranded);
    services.push(std::move(entry));
  }
  return services;
}

struct Told {
  const NodeInputs& inputs;
  const std::set<std::string>& ids;  // of the nodes that are meant; empty = all
  const DrainPlan& plan;
  const NodeRun& run;
  Clock::time_point start;
};

void tell(ToolContext& context, const NodesState& state, const Told& told) {
  Reporter& reporter = context.reporter;
  const double duration = std::round(ms_since(told.start));
  const NodeRun& run = told.run;
  std::string summary =
      fmt::format("### swarm-deploy node {}: {}\n", told.inputs.what, run.outcome);
  std::vector<std::string> notes;
  for (const DrainPlan::Leaving& one : told.plan.services) {
    notes.push_back(
        fmt::format("{}: {} tasks leave{}", one.service, one.tasks,
                    one.stranded == 0 ? "" : fmt::format(", {} have nowhere to go", one.stranded)));
  }
  if (run.error) notes.push_back(run.error->message);
  show(context, "nodes", table_of(state, told.ids), notes, summary);
  Json report = Json::object();
  report.set("command", "node");
  report.set("do", told.inputs.what);
  report.set("outcome", run.outcome);
  report.set("changed", run.changed);
  report.set("nodes", nodes_json(state, told.ids));
  report.set("leaving", drain_json(told.plan));
  report.set("duration-ms", duration);
  report.set("error", run.error ? Json(run.error->message) : Json());
  reporter.output(contract::outcome, run.outcome);
  reporter.output(contract::changed, std::to_string(run.changed));
  reporter.output(contract::nodes, report.find("nodes")->dump());
  reporter.output(contract::failed_service, run.failed ? run.failed->name : "");
  reporter.output(contract::failure_reason, run.failed ? run.failed->reason : "");
  reporter.output(contract::duration_ms, fmt::format("{}", std::llround(duration)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  reporter.summary(summary);
}

void tell_plan(Reporter& reporter, const NodeWork& work) {
  for (const SwarmNode& node : work.nodes) {
    const NodeChange missing = missing_of(work.change, node.spec);
    reporter.info(fmt::format("{}: {}", visible(node.name()),
                              is_empty(missing) ? "is so already" : describe(missing, node.spec)));
  }
  for (const DrainPlan::Leaving& one : work.drain.services)
    reporter.info(fmt::format("{}: {} tasks leave", visible(one.service), one.tasks));
}

}  // namespace

std::vector<Option> node_options() {
  const std::string what = "Nodes";
  std::vector<Option> options{
      {.name = "do",
       .type = OptionType::choice,
       .default_value = "list",
       .help =
           "list shows all nodes; drain takes the tasks off and waits until they run elsewhere; "
           "pause leaves them and takes no more; active takes tasks again, and waits until the "
           "node is ready; labels changes labels, waits until tasks that must leave run elsewhere, "
           "and "
           "reads the nodes again",
       .choices = {"list", "drain", "pause", "active", "labels"},
       .group = what},
      {.name = "nodes",
       .type = OptionType::list,
       .help = "The nodes, one a line: hostnames, IDs or beginnings of IDs",
       .placeholder = "NODE",
       .group = what},
      {.name = "labels",
       .type = OptionType::list,
       .help = "What becomes of labels, one a line: KEY=VALUE sets it, KEY- removes it",
       .placeholder = "KEY=VALUE|KEY-",
       .group = what},
      {.name = "force",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Drain, pause or change labels also where tasks have nowhere else to go, or no "
               "other node is left; those tasks are not waited for",
       .group = what},
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only show what would change and which tasks would leave; fails where it would be "
               "refused",
       .group = what},
  };
  for (Option& option : waiting_options("How long all of it may take"))
    options.push_back(std::move(option));
  options.push_back(
      {.name = "on-failure",
       .type = OptionType::choice,
       .default_value = "rollback",
       .help = "What becomes of the nodes when it fails: availability and labels as they were "
               "before, or left as they are",
       .choices = {"rollback", "leave"},
       .group = "Waiting"});
  return options;
}

Result<int> run_node(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const NodeInputs given = read_inputs_of(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given.manager));
  const Budget reading = Budget::of(reading_limit, context.stop);
  PCA_TRY(const NodesState state, read_state(reading, *engine));
  BadInputs unknown;
  const std::vector<std::string> found = find_nodes(given.names, state.nodes, unknown);
  if (!unknown.empty()) {
    Error error = unknown.to_error();
    error.hint = "Nothing was written. \"swarm-deploy node list\" shows all nodes.";
    return error;
  }
  const std::set<std::string> ids(found.begin(), found.end());
  NodeRun run;
  if (given.what == "list") {
    run.outcome = "unchanged";
    tell(context, state, {given, ids, {}, run, start});
    return 0;
  }
  NodeWork work{.nodes = state.nodes, .change = given.change};
  std::erase_if(work.nodes, [&](const SwarmNode& node) { return !ids.contains(node.id); });
  if (given.what == "drain") work.drain = plan_drain(state.nodes, ids, state.services, state.tasks);
  if (given.what == "labels")
    work.drain = plan_labels(state.nodes, ids, given.change, state.services, state.tasks);
  if (given.what != "active") {
    const bool is_done = std::all_of(
        work.nodes.begin(), work.nodes.end(),
        [&](const SwarmNode& node) { return is_empty(missing_of(work.change, node.spec)); });
    if (!is_done) {
      PCA_CHECK(check_drain(state, ids, work.drain, given, context.reporter));
    }
    work.may_be_last = given.is_forced || is_done;
    for (const std::string& warning : work.drain.warnings)
      context.reporter.warning(Warning{"Volumes", warning});
  }
  tell_plan(context.reporter, work);
  if (given.is_dry) {
    run.outcome = "planned";
    tell(context, state, {given, ids, work.drain, run, start});
    return 0;
  }
  work.tasks = state.tasks;
  work.settle = inputs.duration("settle");
  work.health = read_health_rules(inputs);
  work.roll_back = inputs.text("on-failure") == "rollback";
  run = change_nodes(Budget::of(inputs.duration("timeout"), context.stop), *engine,
                     context.reporter, work);
  const auto after = read_state(Budget::of(Milliseconds{2000}), *engine);
  if (!after) {
    context.reporter.warning(
        Warning{"Nodes", fmt::format("what is shown of the nodes is how they were before: {}",
                                     after.error().message)});
  }
  tell(context, after ? *after : state, {given, ids, work.drain, run, start});
  if (run.error) return *run.error;
  context.reporter.info(fmt::format("{} nodes changed", run.changed));
  return 0;
}

}  // namespace pca::swarm_deploy
