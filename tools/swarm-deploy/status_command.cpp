#include "swarm-deploy/status_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/release_run.hpp"
#include "swarm-deploy/run_report.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/waiting_options.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds reading_limit{30'000};
constexpr std::size_t longest_error = 200;

struct ServiceStatus {
  std::string name;
  std::string mode;
  std::string replicas;  // "2/3"
  std::string image;
  std::string state;
  std::string last_error;
  bool is_well = false;
};

struct StackStatus {
  std::vector<ServiceStatus> services;
  StackHistory history;

  [[nodiscard]] bool is_well() const {
    return !services.empty() &&
           std::all_of(services.begin(), services.end(),
                       [](const ServiceStatus& service) { return service.is_well; });
  }
};

// With the digest cut to what tells it from another.
std::string short_image(const Json& spec) {
  const Json* task = spec.find("TaskTemplate");
  const Json* container = task == nullptr ? nullptr : task->find("ContainerSpec");
  const std::string image = container == nullptr ? "" : container->text_of("Image");
  constexpr std::size_t shown_digest = 20;  // "@sha256:" and twelve digits
  const std::size_t at = image.find("@sha256:");
  return at == std::string::npos ? image : image.substr(0, at + shown_digest);
}

ServiceStatus status_of(const Json& service, const SwarmService& parsed, const std::string& name,
                        const std::vector<Task>& tasks, std::size_t nodes) {
  ServiceStatus out;
  const WatchedService watched = watched_service(name, parsed.id, parsed.spec);
  out.name = name;
  out.mode = watched.mode;
  out.replicas = fmt::format("{}/{}", parsed.running, parsed.desired);
  out.image = short_image(parsed.spec);
  HealthWatch watch(watched, {});
  std::vector<Task> present;
  const Task* failed = nullptr;
  for (const Task& task : tasks) {
    if (task.service_id != parsed.id) continue;
    // What ended long ago says nothing about now.
    if (!task.has_failed()) present.push_back(task);
    if (task.has_failed() && (failed == nullptr || failed->time < task.time)) failed = &task;
  }
  const ServiceHealth health = watch.look(service, present, nodes, Clock::now());
  out.is_well = health.health == Health::well;
  out.state = health.text;
  if (failed == nullptr) return out;
  out.last_error = cut_utf8(to_valid_utf8(failed->error.empty() ? failed->message : failed->error),
                            longest_error);
  return out;
}

std::size_t ready_nodes(const Json& nodes) {
  if (nodes.as_array() == nullptr) return 0;
  return static_cast<std::size_t>(
      std::count_if(nodes.as_array()->begin(), nodes.as_array()->end(), [](const Json& node) {
        const Json* status = node.find("Status");
        const Json* spec = node.find("Spec");
        return status != nullptr && status->text_of("State") == "ready" && spec != nullptr &&
               spec->text_of("Availability") == "active";
      }));
}

Result<StackStatus> read_status(const Budget& budget, Engine& engine, const std::string& stack) {
  const std::vector<EngineRequest> requests{{.path = of_stack("/services", stack) + "&status=true"},
                                            {.path = of_stack("/tasks", stack)},
                                            {.path = "/nodes"},
                                            {.path = "/configs?" + history_filter(stack)}};
  auto answers = engine.json_all(budget, requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error().within("reading the stack");
  }
  StackStatus out;
  const std::vector<Task> tasks = parse_tasks(*answers[1]);
  const std::size_t nodes = ready_nodes(*answers[2]);
  std::map<std::string, const Json*> by_id;
  if (const Json::Array* list = answers[0]->as_array()) {
    for (const Json& service : *list) by_id[service.text_of("ID")] = &service;
  }
  for (const auto& [name, service] : parse_services(*answers[0])) {
    out.services.push_back(status_of(*by_id.at(service.id), service, name, tasks, nodes));
  }
  out.history = parse_history(*answers[3], stack);
  return out;
}

Json status_json(const std::string& stack, const StackStatus& status) {
  Json services = Json::array();
  for (const ServiceStatus& service : status.services) {
    Json entry = Json::object();
    entry.set("name", service.name);
    entry.set("mode", service.mode);
    entry.set("replicas", service.replicas);
    entry.set("image", service.image);
    entry.set("well", service.is_well);
    entry.set("state", service.state);
    entry.set("last-error", service.last_error);
    services.push(std::move(entry));
  }
  Json report = Json::object();
  report.set("command", "status");
  report.set("stack", stack);
  report.set("well", status.is_well());
  report.set("release", status.history.current);
  report.set("unfinished", status.history.unfinished);
  report.set("hold", status.history.hold.value_or(Json()));
  report.set("lock", status.history.lock.value_or(Json()));
  report.set("services", std::move(services));
  return report;
}

}  // namespace

Result<int> run_status(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  PCA_TRY(const StackStatus status,
          read_status(Budget::of(reading_limit, context.stop), *engine, given.stack));
  TextTable table{{"service", "replicas", "image", "state", "last error"}, {}};
  std::vector<std::string> not_well;
  for (const ServiceStatus& service : status.services) {
    table.rows.push_back(
        {service.name, service.replicas, service.image, service.state, service.last_error});
    if (!service.is_well) not_well.push_back(service.name);
  }
  std::vector<std::string> notes = notes_of(status.history);
  if (!status.history.current.empty()) {
    notes.insert(notes.begin(), "release " + status.history.current);
  }
  std::string summary = "### swarm-deploy status\n";
  show(context, given.stack, table, notes, summary);
  context.reporter.summary(summary);
  const Json report = status_json(given.stack, status);
  context.reporter.output(contract::release, status.history.current);
  context.reporter.output(contract::services, report.find("services")->dump());
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  if (status.services.empty()) {
    return failed(fmt::format("{}: the swarm has no service of this stack", given.stack),
                  "Check the input stack, or deploy it.");
  }
  if (!not_well.empty()) {
    return failed(fmt::format("{}: not well: {}", given.stack, visible(join(not_well, ", "))),
                  "\"swarm-deploy wait\" waits until it is.");
  }
  return 0;
}

Result<int> run_wait(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ManagerInputs given = read_manager_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto engine, connect_manager(context, given));
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  StackSpec stack;
  stack.name = given.stack;
  PCA_TRY(const SwarmState state, read_swarm_state(budget, *engine, stack, ResolveImages::never));
  if (state.services.empty()) {
    return failed(fmt::format("{}: the swarm has no service of this stack", given.stack),
                  "Check the input stack, or deploy it.");
  }
  StackPlan plan;
  for (const auto& [name, service] : state.services) {
    plan.services.push_back({.action = Action::unchanged,
                             .name = name,
                             .image = short_image(service.spec),
                             .spec = service.spec,
                             .before = service,
                             .changes = {}});
  }
  RunRules rules;
  rules.settle = inputs.duration("settle");
  rules.health = read_health_rules(inputs);
  StackRun run = execute_plan(budget, *engine, context.reporter, given.stack, plan, state, rules);
  run.release = state.history.current;
  tell_run(context, "wait", given.stack, plan, run, start);
  if (run.error) return *run.error;
  context.reporter.info(fmt::format("{}: all services are well", given.stack));
  return 0;
}

}  // namespace pca::swarm_deploy
