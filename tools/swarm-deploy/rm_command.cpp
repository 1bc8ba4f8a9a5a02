#include "swarm-deploy/rm_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/provenance.hpp"
#include "deploy/release_records.hpp"
#include "net/byte_stream.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_lock.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds farewell_limit{2000};
constexpr Milliseconds pause{300};

// One thing of the stack.
struct Doomed {
  std::string kind;  // "services", "networks", "secrets", "configs"
  std::string name;
  std::string id;
};

struct Doom {
  std::vector<Doomed> all;           // in the order of removal
  std::vector<std::string> in_use;   // what services outside of the stack use of it, for people
  std::vector<std::string> records;  // IDs of the configs of its history, without the lock
};

void add(std::vector<Doomed>& to, const char* kind, const Json& list) {
  if (list.as_array() == nullptr) return;
  for (const Json& object : *list.as_array()) {
    const Json* spec = object.find("Spec");
    const std::string id = spec == nullptr ? object.text_of("Id") : object.text_of("ID");
    const std::string name = (spec == nullptr ? object : *spec).text_of("Name");
    if (!id.empty()) to.push_back({kind, name, id});
  }
}

// Networks, secrets and configs that a service uses, by ID or name.
std::set<std::string> used_by(const Json& spec) {
  std::set<std::string> ids;
  for (const std::string& target : targets_of(spec)) ids.insert(target);
  const Json* task = spec.find("TaskTemplate");
  const Json* container = task == nullptr ? nullptr : task->find("ContainerSpec");
  for (const auto& [list, key] :
       {std::pair{"Secrets", "SecretID"}, std::pair{"Configs", "ConfigID"}}) {
    const Json* references = container == nullptr ? nullptr : container->find(list);
    if (references == nullptr || references->as_array() == nullptr) continue;
    for (const Json& reference : *references->as_array()) ids.insert(reference.text_of(key));
  }
  return ids;
}

Result<Doom> read_doom(const Budget& budget, Engine& engine, const std::string& stack) {
  std::vector<EngineRequest> requests;
  for (const char* kind : {"/services", "/networks", "/secrets", "/configs"}) {
    requests.push_back({.path = of_stack(kind, stack)});
  }
  requests.push_back({.path = "/configs?" + history_filter(stack)});
  requests.push_back({.path = "/services"});
  auto answers = engine.json_all(budget.at_most(answer_limit), requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error().within("reading the stack");
  }
  Doom doom;
  add(doom.all, "services", *answers[0]);
  add(doom.all, "networks", *answers[1]);
  add(doom.all, "secrets", *answers[2]);
  add(doom.all, "configs", *answers[3]);
  const StackHistory history = parse_history(*answers[4], stack);
  for (const StackRelease& release : history.releases) doom.records.push_back(release.config);
  if (!history.config.empty()) doom.records.push_back(history.config);
  std::set<std::string> own;
  for (const Doomed& one : doom.all) own.insert(one.id);
  for (const auto& [name, service] : parse_services(*answers[5])) {
    if (own.contains(service.id)) continue;
    const std::set<std::string> used = used_by(service.spec);
    for (const Doomed& one : doom.all) {
      if (used.contains(one.id) || used.contains(one.name))
        doom.in_use.push_back(fmt::format("{} uses {}", visible(name), visible(one.name)));
    }
  }
  return doom;
}

// Their tasks never say that they ended.
std::set<std::string> nodes_down(const Json& nodes) {
  std::set<std::string> ids;
  if (nodes.as_array() == nullptr) return ids;
  for (const Json& node : *nodes.as_array()) {
    const Json* status = node.find("Status");
    if (status != nullptr && status->text_of("State") == "down") ids.insert(node.text_of("ID"));
  }
  return ids;
}

Result<> wait_a_moment(const Budget& budget) {
  PCA_CHECK(wait_ready(budget, {}, Clock::now() + pause, "waiting for the stack to end"));
  return {};
}

class Removal {
 public:
  Removal(const Budget& budget, Engine& engine, Reporter& reporter, const std::string& stack)
      : budget_(budget), engine_(engine), reporter_(reporter), stack_(stack) {}

  Result<> run(const Doom& doom) {
    PCA_CHECK(remove_all(doom, "services"));
    PCA_CHECK(wait_for_tasks());
    PCA_CHECK(remove_all(doom, "networks"));
    PCA_CHECK(wait_for_networks());
    PCA_CHECK(remove_all(doom, "secrets"));
    PCA_CHECK(remove_all(doom, "configs"));
    Doom records;
    for (const std::string& id : doom.records)
      records.all.push_back({"configs", "the history", id});
    return remove_all(records, "configs");
  }

 private:
  // What is in use by tasks that stop is tried again until they have.
  Result<> remove_all(const Doom& doom, std::string_view kind) {
    std::vector<Doomed> left;
    for (const Doomed& one : doom.all) {
      if (one.kind == kind) left.push_back(one);
    }
    if (left.empty()) return {};
    reporter_.info(fmt::format("{}: removing {} {}", stack_, left.size(), kind));
    while (true) {
      std::vector<EngineRequest> requests;
      for (const Doomed& one : left) {
        requests.push_back(
            {.method = "DELETE", .path = fmt::format("/{}/{}", one.kind, percent_encoded(one.id))});
      }
      const auto answers = engine_.ask_all(budget_.at_most(answer_limit), requests);
      std::vector<Doomed> still;
      std::optional<Error> error;
      for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i] && (answers[i]->is_good() || answers[i]->status == 404)) continue;
        const bool may_pass =
            !answers[i]
                ? answers[i].error().kind == ErrorKind::unreachable
                : answers[i]->status == 503 || answers[i]->body.find("in use") != std::string::npos;
        error = answers[i] ? engine_error(requests[i], *answers[i]) : answers[i].error();
        error->message =
            fmt::format("{} could not be removed: {}", visible(left[i].name), error->message);
        if (!may_pass) return *error;
        still.push_back(left[i]);
      }
      if (still.empty()) return {};
      left = std::move(still);
      if (budget_.is_over()) return *error;
      PCA_CHECK(wait_a_moment(budget_));
    }
  }

  // Their containers hold networks and volumes until they are gone.
  Result<> wait_for_tasks() {
    std::string told;
    while (true) {
      const std::vector<EngineRequest> requests{{.path = of_stack("/tasks", stack_)},
                                                {.path = "/nodes"}};
      const auto answers = engine_.json_all(budget_.at_most(answer_limit), requests);
      for (const auto& answer : answers) {
        if (!answer && answer.error().kind != ErrorKind::unreachable) return answer.error();
      }
      std::size_t left = 0;
      if (answers[0] && answers[1]) {
        const std::set<std::string> gone = nodes_down(*answers[1]);
        for (const Task& task : parse_tasks(*answers[0])) {
          if (!gone.contains(task.node_id)) ++left;
        }
        if (left == 0) return {};
        const std::string text = fmt::format("{}: {} tasks are still there", stack_, left);
        if (text != told) reporter_.info(text);
        told = text;
      }
      PCA_CHECK(budget_.check(fmt::format("waiting for {} tasks to end", left)));
      PCA_CHECK(wait_a_moment(budget_));
    }
  }

  // A network answers as removed before the next deploy may use its name again.
  Result<> wait_for_networks() {
    while (true) {
      const auto list =
          engine_.json(budget_.at_most(answer_limit), {.path = of_stack("/networks", stack_)});
      if (!list && list.error().kind != ErrorKind::unreachable) return list.error();
      if (list && (list->as_array() == nullptr || list->as_array()->empty())) return {};
      PCA_CHECK(budget_.check("waiting for networks to end"));
      PCA_CHECK(wait_a_moment(budget_));
    }
  }

  const Budget& budget_;
  Engine& engine_;
  Reporter& reporter_;
  const std::string& stack_;
};

Json rm_json(const std::string& stack, const Doom& doom, bool is_dry, double duration) {
  Json removed = Json::array();
  for (const Doomed& one : doom.all) {
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

void tell(ToolContext& context, const std::string& stack, const Doom& doom, bool is_dry,
          Clock::time_point start) {
  TextTable table{{"kind", "name"}, {}};
  for (const Doomed& one : doom.all) table.rows.push_back({one.kind, one.name});
  std::string summary =
      fmt::format("### swarm-deploy rm: {}\n", is_dry ? "would remove" : "removed");
  std::vector<std::string> notes;
  if (doom.all.empty()) notes.emplace_back("nothing of this stack is there");
  if (!doom.records.empty()) {
    notes.push_back(fmt::format("and {} configs of its history", doom.records.size()));
  }
  show(context, stack, table, notes, summary);
  const Json report = rm_json(stack, doom, is_dry, ms_since(start));
  context.reporter.output(contract::removed, std::to_string(is_dry ? 0 : doom.all.size()));
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
  PCA_TRY(Doom doom, read_doom(reading, *engine, given.stack));
  if (is_dry || (doom.all.empty() && doom.records.empty())) {
    tell(context, given.stack, doom, is_dry, start);
    return 0;
  }
  const Provenance from = read_provenance(context);
  Json owner = Json::object();
  owner.set("action", "rm").set("actor", from.actor).set("run-url", from.run_url);
  PCA_TRY(
      const auto lock,
      StackLock::take(Budget::of(inputs.duration("lock-wait") + answer_limit, context.stop),
                      *engine, context.reporter, given.stack, owner, inputs.duration("lock-wait")));
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(doom, read_doom(budget, *engine, given.stack));
  if (!doom.in_use.empty()) {
    return failed(fmt::format("{}: services of others use it, so nothing was removed: {}",
                              given.stack, join(doom.in_use, "; ")),
                  "Remove or change those first.");
  }
  if (auto removed = Removal(budget, *engine, context.reporter, given.stack).run(doom); !removed) {
    Error error = std::move(removed).error();
    if (error.hint.empty()) error.hint = "Run it again: it goes on with what is left.";
    return error;
  }
  PCA_CHECK(lock->release(Budget::of(farewell_limit)));
  tell(context, given.stack, doom, is_dry, start);
  return 0;
}

}  // namespace pca::swarm_deploy
