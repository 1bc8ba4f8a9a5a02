#include "swarm-deploy/stack_removal.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy/provenance.hpp"
#include "swarm-deploy/service_health.hpp"
#include "swarm-deploy/stack_lock.hpp"
#include "swarm-deploy/stack_preview.hpp"
#include "swarm-deploy/swarm_state.hpp"
#include "swarm-deploy/swarm_watch.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds farewell_limit{2000};
constexpr Milliseconds pause{300};

void add(StackThings& to, const char* kind, const Json& list) {
  if (list.as_array() == nullptr) return;
  for (const Json& object : *list.as_array()) {
    const Json* spec = object.find("Spec");
    const std::string id = spec == nullptr ? object.text_of("Id") : object.text_of("ID");
    const std::string name = (spec == nullptr ? object : *spec).text_of("Name");
    if (id.empty()) continue;
    to.all.push_back({kind, name, id});
    if (!to.preview) to.preview = preview_in(object);
  }
}

// Whether it mounts volumes that are made with the stack's label.
bool mounts_volumes(const Json& spec, const std::string& stack) {
  const Json::Array& mounts = list_at(spec, {"TaskTemplate", "ContainerSpec", "Mounts"});
  return std::any_of(mounts.begin(), mounts.end(), [&](const Json& mount) {
    const Json* options = mount.find("VolumeOptions");
    return options != nullptr && is_of_stack(*options, stack);
  });
}

void find_volumes(StackThings& things, const std::string& stack, const Json& services,
                  const Json& tasks, const Json& nodes) {
  std::set<std::string> with_volumes;
  for (const auto& [name, service] : parse_services(services)) {
    if (mounts_volumes(service.spec, stack)) with_volumes.insert(service.id);
  }
  if (tasks.as_array() != nullptr) {
    for (const Json& task : *tasks.as_array()) {
      const std::string node = task.text_of("NodeID");
      if (!node.empty() && with_volumes.contains(task.text_of("ServiceID")))
        things.nodes.insert(node);
    }
  }
  if (things.preview)
    things.nodes.insert(things.preview->volume_nodes.begin(), things.preview->volume_nodes.end());
  if (nodes.as_array() == nullptr) return;
  things.node_names = names_of_nodes(nodes);
  for (const std::string& id : things.nodes) {
    if (!things.node_names.contains(id)) things.lost_nodes.insert(id);
  }
  for (const std::string& id : things.lost_nodes) things.nodes.erase(id);
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

class Removal {
 public:
  Removal(const Budget& budget, Engine& engine, Reporter& reporter, const std::string& stack,
          const StackLock& lock)
      : budget_(budget), engine_(engine), reporter_(reporter), stack_(stack), lock_(lock) {}

  Result<> run(const StackThings& things, const RemovalRules& rules) {
    PCA_CHECK(lock_.check());
    if (things.preview) PCA_CHECK(note_volumes(things, *things.preview, things.nodes, false));
    PCA_CHECK(remove_all(things.all, "services"));
    PCA_CHECK(wait_for_tasks());
    PCA_CHECK(remove_all(things.all, "networks"));
    PCA_CHECK(remove_all(things.all, "secrets"));
    PCA_CHECK(remove_all(things.all, "configs"));
    PCA_CHECK(lock_.check());
    std::set<std::string> left = things.nodes;
    if (rules.last) {
      PCA_TRY(left, rules.last(budget_, things));
    }
    std::vector<NamedObject> records;
    for (const std::string& id : things.records) records.push_back({"configs", "the history", id});
    PCA_CHECK(remove_all(records, "configs"));
    if (things.preview && !left.empty()) {
      PCA_CHECK(lock_.check());
      return note_volumes(things, *things.preview, left, true);
    }
    return remove_record(things);
  }

 private:
  // Once its tasks are gone nothing else tells where they were.
  Result<> note_volumes(const StackThings& things, Preview preview,
                        const std::set<std::string>& nodes, bool is_gone) {
    const std::set<std::string> noted(preview.volume_nodes.begin(), preview.volume_nodes.end());
    const bool is_noted = nodes == noted && (preview.is_gone || !is_gone);
    if (is_noted || nodes.empty()) return {};
    preview.volume_nodes.assign(nodes.begin(), nodes.end());
    preview.is_gone = is_gone || preview.is_gone;
    if (!history_) history_ = things.history;
    return keep_preview(budget_, engine_, stack_, *history_, record_of(preview), false);
  }

  Result<> remove_record(const StackThings& things) {
    std::string config = things.history.preview_record.config;
    if (history_) {  // it may be made by now
      PCA_TRY(const StackHistory now, read_history(budget_, engine_, stack_));
      config = now.preview_record.config;
    }
    if (config.empty()) return {};
    return remove_all({{"configs", "the preview's record", config}}, "configs");
  }

  Result<> remove_all(const std::vector<NamedObject>& things, std::string_view kind) {
    std::vector<NamedObject> left;
    for (const NamedObject& one : things) {
      if (one.kind == kind) left.push_back(one);
    }
    if (left.empty()) return {};
    PCA_CHECK(lock_.check());  // somebody else may deploy by now
    reporter_.info(fmt::format("{}: removing {} {}", stack_, left.size(), kind));
    PCA_CHECK(remove_objects(budget_, engine_, left));
    return wait_for_networks(budget_, engine_, left);
  }

  // Their containers hold networks and volumes until they are gone.
  Result<> wait_for_tasks() {
    std::string told;
    while (true) {
      const std::vector<EngineRequest> requests{{.path = of_stack("/tasks", stack_)},
                                                {.path = "/nodes"}};
      const auto answers = engine_.json_all(budget_.at_most(answer_limit), requests);
      for (const auto& answer : answers) {
        const bool may_pass =
            answer || answer.error().kind == ErrorKind::unreachable || answer.error().transient;
        if (!may_pass) return answer.error();
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
      PCA_CHECK(wait_a_moment(budget_, pause));
    }
  }

  const Budget& budget_;
  Engine& engine_;
  Reporter& reporter_;
  const std::string& stack_;
  const StackLock& lock_;
  std::optional<StackHistory> history_;  // once something was noted there
};

}  // namespace

std::map<std::string, std::string> names_of_nodes(const Json& nodes) {
  std::map<std::string, std::string> names;
  if (nodes.as_array() == nullptr) return names;
  for (const Json& node : *nodes.as_array()) {
    const Json* description = node.find("Description");
    names[node.text_of("ID")] =
        description == nullptr ? std::string() : description->text_of("Hostname");
  }
  return names;
}

Result<StackThings> read_stack_things(const Budget& budget, Engine& engine,
                                      const std::string& stack) {
  std::vector<EngineRequest> requests;
  for (const char* kind : {"/services", "/networks", "/secrets", "/configs"}) {
    requests.push_back({.path = of_stack(kind, stack)});
  }
  requests.push_back({.path = "/configs?" + history_filter(stack)});
  requests.push_back({.path = "/services"});
  requests.push_back({.path = of_stack("/tasks", stack)});
  requests.push_back({.path = "/nodes"});
  auto answers = engine.json_all(budget.at_most(answer_limit), requests);
  for (auto& answer : answers) {
    if (!answer) return std::move(answer).error().within("reading the stack");
  }
  StackThings things;
  things.history = parse_history(*answers[4], stack);
  const StackHistory& history = things.history;
  if (history.preview) things.preview = preview_of_record(*history.preview);
  add(things, "services", *answers[0]);
  add(things, "networks", *answers[1]);
  add(things, "secrets", *answers[2]);
  add(things, "configs", *answers[3]);
  if (things.preview && !is_stack_of(stack, *things.preview)) things.preview.reset();
  if (things.preview) things.preview->stack = stack;
  for (const StackRelease& release : history.releases) things.records.push_back(release.config);
  if (!history.state.config.empty()) things.records.push_back(history.state.config);
  std::set<std::string> own;
  for (const NamedObject& one : things.all) own.insert(one.id);
  for (const auto& [name, service] : parse_services(*answers[5])) {
    if (own.contains(service.id)) continue;
    const std::set<std::string> used = used_by(service.spec);
    for (const NamedObject& one : things.all) {
      if (used.contains(one.id) || used.contains(one.name))
        things.in_use.push_back(fmt::format("{} uses {}", visible(name), visible(one.name)));
    }
  }
  find_volumes(things, stack, *answers[0], *answers[6], *answers[7]);
  return things;
}

Result<std::optional<StackThings>> remove_stack(ToolContext& context, Engine& engine,
                                                const std::string& stack,
                                                const RemovalRules& rules) {
  const Provenance from = read_provenance(context);
  Json owner = Json::object();
  owner.set("action", rules.action).set("actor", from.actor).set("run-url", from.run_url);
  PCA_TRY(const auto lock,
          StackLock::take(Budget::of(rules.lock_wait + answer_limit, context.stop), engine,
                          context.reporter, stack, owner, rules.lock_wait));
  const Budget budget = Budget::of(rules.timeout, context.stop);
  PCA_TRY(StackThings things, read_stack_things(budget, engine, stack));
  if (rules.is_wanted && !rules.is_wanted(things)) {
    PCA_CHECK(lock->release(Budget::of(farewell_limit)));
    return std::optional<StackThings>();
  }
  if (!things.in_use.empty()) {
    return failed(fmt::format("{}: services of others use it, so nothing was removed: {}", stack,
                              join(things.in_use, "; ")),
                  "Remove or change those first.");
  }
  if (auto removed = Removal(budget, engine, context.reporter, stack, *lock).run(things, rules);
      !removed) {
    Error error = std::move(removed).error();
    if (error.hint.empty()) error.hint = "Run it again: it goes on with what is left.";
    return error;
  }
  if (const auto released = lock->release(Budget::of(farewell_limit)); !released) {
    context.reporter.warning(
        Warning{"Lock", fmt::format("the lock of {} is left, and expires within a minute: {}",
                                    stack, released.error().message)});
  }
  return std::optional(std::move(things));
}

}  // namespace pca::swarm_deploy
