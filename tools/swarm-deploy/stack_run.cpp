#include "swarm-deploy/stack_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <span>
#include <utility>

#include "base/grace_period.hpp"
#include "base/text.hpp"
#include "swarm-deploy/log_frames.hpp"
#include "swarm-deploy/object_removal.hpp"
#include "swarm-deploy/swarm_events.hpp"
#include "swarm-deploy/swarm_watch.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
// A cancelled step has 7 s; what is taken back is written by then, not waited for.
constexpr Milliseconds cancelled_limit{5000};
constexpr int most_tries = 5;  // of a write that somebody else's came before
constexpr std::size_t most_log_bytes = std::size_t{256} * 1024;
constexpr Milliseconds log_limit{5000};
constexpr int log_lines = 50;
constexpr const char* timeout_cure = "Give more time by timeout where they only need it.";
constexpr std::size_t most_logs = 2;  // of one service
constexpr std::size_t most_services_with_logs = 20;

std::string update_path(const std::string& id, std::int64_t version, bool previous_auth) {
  return fmt::format("/services/{}/update?version={}{}", percent_encoded(id), version,
                     previous_auth ? "&registryAuthFrom=previous-spec" : "");
}

class Run {
 public:
  Run(const Budget& budget, Engine& engine, Reporter& reporter, const std::string& stack,
      const StackPlan& plan, const SwarmState& state, const RunRules& rules)
      : budget_(budget),
        engine_(engine),
        reporter_(reporter),
        stack_(stack),
        plan_(plan),
        state_(state),
        rules_(rules),
        events_(engine, reporter, stack) {
    for (const auto* objects : {&state.secrets, &state.configs}) {
      for (const auto& [name, object] : *objects) ids_[name] = object.id;
    }
    note_earlier(parse_tasks(state.look.tasks));
    constexpr double fresh_ms = 2000;
    may_use_plans_look_ = plan.changes_nothing() && ms_since(state.look.at) < fresh_ms;
  }

  StackRun run() {
    if (const auto done = forward(); !done) {
      fail(done.error());
    } else {
      out_.outcome = plan_.changes_nothing() ? "unchanged" : "deployed";
    }
    return std::move(out_);
  }

 private:
  Result<> forward() {
    const auto writing = Clock::now();
    PCA_CHECK(rules_.may_write());
    PCA_CHECK(create_objects());
    PCA_CHECK(write_waves());
    out_.phases_ms["write"] = ms_since(writing);
    const auto waiting = Clock::now();
    if (rules_.wait) PCA_CHECK(wait_for_all());
    out_.phases_ms["wait"] = ms_since(waiting);
    return remove_services();
  }

  // --- writing ---

  Result<> create_objects() {
    std::vector<EngineRequest> requests;
    std::vector<NamedObject> made;
    const auto add = [&](const char* kind, const std::string& name, const Json& body) {
      requests.push_back(
          {.method = "POST", .path = fmt::format("/{}/create", kind), .body = body.dump()});
      made.push_back({kind, name, {}});
    };
    for (const StackNetwork& network : plan_.networks) add("networks", network.name, network.body);
    for (const StackObject& secret : plan_.secrets) add("secrets", secret.name, secret.body);
    for (const StackObject& config : plan_.configs) add("configs", config.name, config.body);
    if (requests.empty()) return {};
    reporter_.info(fmt::format("Creating {} networks, secrets and configs", requests.size()));
    return create(requests, made);
  }

  // Notes all that were made before it tells of one that was not.
  Result<> create(std::span<const EngineRequest> requests, std::vector<NamedObject>& made) {
    PCA_CHECK(budget_.check("creating what is new"));
    const GracePeriod grace(budget_.at_most(answer_limit), writing_grace);
    const Budget& budget = grace.budget();
    auto answers = engine_.ask_all(budget, requests);
    std::optional<Error> first;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      // It cannot be made twice: what is there already is a conflict.
      if (is_cut(answers[i])) answers[i] = engine_.ask(budget, requests[i]);
      if (answers[i] && answers[i]->is_good()) {
        const Json json = parse_json(answers[i]->body).value_or(Json());
        made[i].id = json.text_of(made[i].kind == "networks" ? "Id" : "ID");
        note_made(made[i]);
        continue;
      }
      Error error = answers[i] ? engine_error(requests[i], *answers[i]) : answers[i].error();
      // Asked for twice, because the first answer was lost?
      if (error.kind == ErrorKind::conflict && adopt(budget, requests[i], made[i])) continue;
      // Unless the Engine refused it, it may be there: then it is found by its name.
      constexpr int server_fault = 500;
      if (!answers[i] || answers[i]->status >= server_fault) made_.push_back(made[i]);
      error.message = fmt::format("{} could not be created: {}", made[i].name, error.message);
      if (made[i].kind == "services") note_refusal(made[i].name, error);
      if (!first) first = std::move(error);
    }
    if (first) return *std::move(first);
    return {};
  }

  // Of a service that a manager did not take, in the words of one that failed.
  void note_refusal(const std::string& name, Error& error) {
    if (out_.failed || error.kind != ErrorKind::failed) return;
    FailureKind kind = kind_of_refusal(error.message);
    if (error.hint.empty()) error.hint = std::move(kind.cure);
    out_.failed = FailedService{
        .name = name, .reason = std::move(kind.name), .text = error.message, .cure = error.hint};
  }

  // Takes what is there for ours when it is as we asked for. What somebody else made under the same
  // name is neither used nor removed.
  bool adopt(const Budget& budget, const EngineRequest& request, NamedObject& made) {
    const auto there = engine_.json(
        budget, {.path = fmt::format("/{}/{}", made.kind, percent_encoded(made.name))});
    const auto asked = parse_json(request.body);
    if (!there || !asked || !is_of_stack(*there, stack_)) return false;
    const Json* spec = there->find("Spec");
    if (made.kind == "services" && (spec == nullptr || !is_alike(*spec, *asked))) return false;
    made.id = there->text_of(made.kind == "networks" ? "Id" : "ID");
    note_made(made);
    return true;
  }

  void note_made(const NamedObject& made) {
    ids_[made.name] = made.id;
    if (made.kind == "networks") out_.networks[made.name] = made.id;
    made_.push_back(made);
  }

  [[nodiscard]] bool is_alike(const Json& there, const Json& asked) const {
    std::map<std::string, std::string> names;
    for (const auto& [name, network] : state_.networks) names[network.id] = name;
    for (const NamedObject& made : made_) {
      if (made.kind == "networks") names[made.id] = made.name;
    }
    return differences(canonical_spec(there, names, state_.minor_version),
                       canonical_spec(asked, names, state_.minor_version))
        .empty();
  }

  // IDs of objects that were made a moment ago, in place of their names.
  [[nodiscard]] Json with_ids(const Json& value) const {
    if (const auto* list = value.as_array()) {
      Json out = Json::array();
      for (const Json& item : *list) out.push(with_ids(item));
      return out;
    }
    if (value.as_object() == nullptr) return value;
    Json out = Json::object();
    for (const auto& [key, member] : *value.as_object()) out.set(key, with_ids(member));
    for (const char* kind : {"Secret", "Config"}) {
      const std::string name = value.text_of(fmt::format("{}Name", kind));
      const auto known = ids_.find(name);
      if (!name.empty() && known != ids_.end()) out.set(fmt::format("{}ID", kind), known->second);
    }
    const std::string config = value.text_of("Config");
    if (const auto known = ids_.find(config); !config.empty() && known != ids_.end())
      out.set("Config", known->second);
    return out;
  }

  // The services of each wave once all that were written before are well: a job that has ended, a
  // database that is healthy. Without waiting all are written at once.
  Result<> write_waves() {
    std::set<std::size_t> waves;
    for (const ServicePlan& service : plan_.services) {
      const bool is_written = service.action == Action::create || service.action == Action::update;
      if (is_written) waves.insert(rules_.wait ? service.wave : 0);
    }
    for (auto wave = waves.begin(); wave != waves.end(); ++wave) {
      PCA_CHECK(rules_.may_write());
      PCA_CHECK(write_services(*wave));
      if (std::next(wave) != waves.end()) PCA_CHECK(wait_for_wave(*wave));
    }
    return {};
  }

  Result<> write_services(std::size_t wave) {
    std::vector<EngineRequest> creations;
    std::vector<NamedObject> made;
    std::vector<const ServicePlan*> updates;
    for (const ServicePlan& service : plan_.services) {
      if (rules_.wait && service.wave != wave) continue;
      if (service.action == Action::update) updates.push_back(&service);
      if (service.action != Action::create) continue;
      creations.push_back({.method = "POST",
                           .path = "/services/create",
                           .body = with_ids(service.spec).dump(),
                           .secret_registry_auth = service.registry_auth});
      made.push_back({"services", service.name, {}});
    }
    if (!creations.empty()) {
      reporter_.info(fmt::format("Creating {} services", creations.size()));
      PCA_CHECK(create(creations, made));
    }
    return update(updates);
  }

  Result<> update(std::span<const ServicePlan* const> services) {
    if (services.empty()) return {};
    PCA_CHECK(budget_.check("updating the services"));
    reporter_.info(fmt::format("Updating {} services", services.size()));
    std::vector<EngineRequest> requests;
    for (const ServicePlan* service : services) {
      updated_.push_back(service);  // from here on it may be written
      requests.push_back({.method = "POST",
                          .path = update_path(service->before.id, service->before.version, false),
                          .body = with_ids(service->spec).dump(),
                          .secret_registry_auth = service->registry_auth});
    }
    const GracePeriod grace(budget_.at_most(answer_limit), writing_grace);
    auto answers = engine_.json_all(grace.budget(), requests);
    std::optional<Error> first;
    bool is_away = false;  // also when asked again: one wait for that is enough
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) continue;
      const bool is_worth_it =
          is_cut(answers[i]) ? !is_away : answers[i].error().kind == ErrorKind::conflict;
      Error error = std::move(answers[i]).error();
      if (is_worth_it) {
        const auto again = update_again(*services[i]);
        if (again) continue;
        is_away = is_cut(again);
        error = again.error();
      }
      error.message = fmt::format("{} could not be updated: {}", services[i]->name, error.message);
      note_refusal(services[i]->name, error);
      if (!first) first = std::move(error);
    }
    if (first) return *std::move(first);
    return {};
  }

  // Nobody knows whether it was done: the connection ended before the answer came.
  template <typename Answer>
  static bool is_cut(const Result<Answer>& answer) {
    return !answer && answer.error().kind == ErrorKind::unreachable;
  }

  // Somebody wrote the service meanwhile: that is no matter as long as it says what it said.
  Result<> update_again(const ServicePlan& service) {
    for (int tries = 1; tries < most_tries; ++tries) {
      PCA_TRY(const auto now, read_service(budget_.at_most(answer_limit), service.before.id));
      if (is_alike(now.spec, with_ids(service.spec))) return {};  // only the answer was lost
      if (now.spec.dump() != service.before.spec.dump()) {
        std::erase(updated_, &service);  // not ours any more
        return conflict("somebody else changed it meanwhile",
                        "Look who deploys this stack too, then run it again.");
      }
      const auto answer = engine_.json(budget_.at_most(answer_limit),
                                       {.method = "POST",
                                        .path = update_path(now.id, now.version, false),
                                        .body = with_ids(service.spec).dump(),
                                        .secret_registry_auth = service.registry_auth});
      if (answer) return {};
      if (answer.error().kind != ErrorKind::conflict) return answer.error();
    }
    return conflict("it changes all the time",
                    "Look who deploys this stack too, then run it again.");
  }

  Result<SwarmService> read_service(const Budget& budget, const std::string& id) {
    PCA_TRY(const Json json, engine_.json(budget, {.path = "/services/" + percent_encoded(id)}));
    return parse_service(json);
  }

  static Result<SwarmService> parse_service(const Json& json) {
    Json list = Json::array();
    list.push(json);
    const auto parsed = parse_services(list);
    if (parsed.empty()) return failed("the Engine's answer is no service");
    return parsed.begin()->second;
  }

  Result<> remove_services() {
    std::vector<NamedObject> objects;
    for (const ServicePlan& service : plan_.services) {
      if (service.action == Action::remove)
        objects.push_back({"services", service.name, service.before.id});
    }
    if (objects.empty()) return {};
    PCA_CHECK(rules_.may_write());
    reporter_.info(
        fmt::format("Removing {} services that the files no longer have", objects.size()));
    PCA_CHECK(budget_.check("removing services"));
    const GracePeriod grace(budget_.at_most(answer_limit), writing_grace);
    auto removed = remove_objects(grace.budget(), engine_, std::move(objects));
    is_well_without_removals_ = !removed;
    return removed;
  }

  // --- waiting ---

  Result<> wait_for_all() {
    return watch_services(
        rules_.settle, [](const ServicePlan& service) { return service.action != Action::remove; });
  }

  // They settle with all the others at the end.
  Result<> wait_for_wave(std::size_t last) {
    return watch_services(Milliseconds{0}, [last](const ServicePlan& service) {
      return service.wave <= last &&
             (service.action == Action::create || service.action == Action::update);
    });
  }

  Result<> watch_services(Milliseconds settle,
                          const std::function<bool(const ServicePlan&)>& is_watched) {
    std::vector<HealthWatch> watches;
    for (const ServicePlan& service : plan_.services) {
      if (!is_watched(service)) continue;
      const auto made = std::find_if(made_.begin(), made_.end(), [&](const NamedObject& one) {
        return one.kind == "services" && one.name == service.name;
      });
      const std::string id = made == made_.end() ? service.before.id : made->id;
      WatchedService watched = watched_service(service.name, id, service.spec);
      watched.is_unchanged = service.action == Action::unchanged;
      watches.emplace_back(std::move(watched), rules_.health);
      watches.back().note_earlier(earlier_failures_[id]);
    }
    return watch(budget_, watches, settle);
  }

  // What failed before a service is written, or before this run where it is not, is not this run's.
  void note_earlier(const std::vector<Task>& tasks) {
    std::set<std::string> waiting;  // to be written
    for (const ServicePlan& service : plan_.services) {
      const bool is_written =
          std::find(updated_.begin(), updated_.end(), &service) != updated_.end();
      if (service.action == Action::update && !is_written) waiting.insert(service.before.id);
    }
    for (const Task& task : tasks) {
      if (task.has_failed() && (!has_looked_ || waiting.contains(task.service_id)))
        earlier_failures_[task.service_id].insert(task.id);
    }
    has_looked_ = true;
  }

  struct Look {
    Json services;
    std::map<std::string, std::vector<Task>> tasks;  // by service
    std::size_t nodes = 0;
  };

  Result<Look> look(const Budget& budget) {
    SwarmLook now;
    if (std::exchange(may_use_plans_look_, false)) {
      now = state_.look;
    } else {
      const std::vector<EngineRequest> requests{
          {.path = of_stack("/services", stack_) + "&status=true"},
          {.path = of_stack("/tasks", stack_, true)}};
      auto answers = engine_.json_all(budget.at_most(answer_limit), requests);
      for (auto& answer : answers) {
        if (!answer) return std::move(answer).error();
      }
      now.services = *std::move(answers[0]);
      now.tasks = *std::move(answers[1]);
    }
    Look out;
    out.services = std::move(now.services);
    std::vector<Task> tasks = parse_tasks(now.tasks);
    note_earlier(tasks);
    for (Task& task : tasks) out.tasks[task.service_id].push_back(std::move(task));
    if (nodes_ == 0 && needs_nodes(out)) {
      PCA_TRY(const Json nodes, engine_.json(budget.at_most(answer_limit), {.path = "/nodes"}));
      count_nodes(nodes);
    }
    out.nodes = nodes_;
    return out;
  }

  static bool needs_nodes(const Look& now) {
    const std::vector<Task> none;
    const Json::Array& services = list_at(now.services, {});
    return std::any_of(services.begin(), services.end(), [&](const Json& service) {
      const Json* spec = service.find("Spec");
      const auto tasks = now.tasks.find(service.text_of("ID"));
      return spec != nullptr && is_global(*spec) &&
             needs_node_count(service, tasks == now.tasks.end() ? none : tasks->second);
    });
  }

  // Where a service failed, for people.
  std::string host_name(const std::string& node) {
    if (node.empty()) return {};
    if (host_names_.empty()) {
      const Budget budget = Budget::of(log_limit, budget_.stop());  // also when all time is over
      if (const auto nodes = engine_.json(budget, {.path = "/nodes"})) count_nodes(*nodes);
    }
    const auto host = host_names_.find(node);
    return host == host_names_.end() ? std::string() : visible(host->second);
  }

  void count_nodes(const Json& nodes) {
    if (nodes.as_array() == nullptr) return;
    for (const Json& node : *nodes.as_array()) {
      const Json* status = node.find("Status");
      const Json* spec = node.find("Spec");
      const Json* description = node.find("Description");
      if (description != nullptr)
        host_names_[node.text_of("ID")] = description->text_of("Hostname");
      if (status != nullptr && status->text_of("State") == "ready" && spec != nullptr &&
          spec->text_of("Availability") == "active")
        ++nodes_;
    }
  }

  Result<> watch(const Budget& budget, std::vector<HealthWatch>& watches, Milliseconds settle) {
    std::map<std::string, std::string> told;
    return wait_until_well(
        budget, settle,
        [&]() -> Result<bool> {
          auto now = look(budget);
          missed_ = now ? std::nullopt : std::optional(now.error());
          if (!now) return now.error();
          auto is_well = judge(*now, watches, told);
          if (is_well && *is_well) out_.services = std::move(now->services);
          return is_well;
        },
        [&] { return timed_out(budget, told); },
        [this](const Budget& left, Milliseconds length) { return events_.pause(left, length); });
  }

  Error timed_out(const Budget& budget, const std::map<std::string, std::string>& told) {
    if (budget.is_cancelled()) return budget.check("waiting for the services").error();
    std::string waiting;
    for (const auto& [name, text] : told) {
      if (not_well_.contains(name))
        waiting += fmt::format("{}{}: {}", waiting.empty() ? "" : "; ", name, text);
    }
    if (!not_well_.empty()) {
      const std::string& name = *not_well_.begin();
      FailedService failed_one{.name = name,
                               .reason = "timeout",
                               .text = told.contains(name) ? told.at(name) : "",
                               .cure = timeout_cure};
      if (const auto newest = newest_.find(name); newest != newest_.end()) {
        const Task& task = newest->second;
        // The time is over, and what says why is worth some more.
        failed_one.log = log_of(task.service_id, task.id);
        failed_one.node = host_name(task.node_id);
        failed_one.exit_code = task.exit_code;
      }
      out_.failed = std::move(failed_one);
    }
    if (missed_) {
      return unreachable(fmt::format("timed out while waiting for the services: {}. The swarm did "
                                     "not say how they are: {}",
                                     waiting, missed_->message),
                         missed_->hint);
    }
    return unreachable("timed out while waiting for the services: " + waiting, timeout_cure);
  }

  Result<bool> judge(const Look& now, std::vector<HealthWatch>& watches,
                     std::map<std::string, std::string>& told) {
    bool all_well = true;
    not_well_.clear();
    std::map<std::string, const Json*> by_id;
    if (now.services.as_array() != nullptr) {
      for (const Json& service : *now.services.as_array()) by_id[service.text_of("ID")] = &service;
    }
    for (HealthWatch& watch : watches) {
      const WatchedService& service = watch.service();
      const auto found = by_id.find(service.id);
      if (found == by_id.end()) {
        return failed(fmt::format("{} is gone: somebody else removed it", service.name),
                      "Look who removes services of this stack.");
      }
      const auto tasks = now.tasks.find(service.id);
      const std::vector<Task> none;
      const std::vector<Task>& of_service = tasks == now.tasks.end() ? none : tasks->second;
      const ServiceHealth health = watch.look(*found->second, of_service, now.nodes, Clock::now());
      for (const Task& task : watch.take_new_failures()) keep_log(task);
      const auto newest =
          std::max_element(of_service.begin(), of_service.end(),
                           [](const Task& a, const Task& b) { return a.was_before(b); });
      if (newest != of_service.end()) newest_[service.name] = *newest;
      if (told[service.name] != health.text)
        reporter_.info(fmt::format("{}: {}", service.name, health.text));
      told[service.name] = health.text;
      if (health.health == Health::failed) return failure_of(service, health);
      if (health.health == Health::waiting) not_well_.insert(service.name);
      all_well = all_well && health.health == Health::well;
    }
    return all_well;
  }

  // A failed task is soon gone, and its log with it.
  void keep_log(const Task& task) {
    if (task.state == "rejected") return;
    if (!logs_.contains(task.service_id) && logs_.size() >= most_services_with_logs) return;
    if (logs_[task.service_id].size() < most_logs) read_log(task.service_id, task.id);
  }

  void read_log(const std::string& service, const std::string& task) {
    const EngineRequest request{.path = fmt::format("/tasks/{}/logs?stdout=1&stderr=1&tail={}",
                                                    percent_encoded(task), log_lines),
                                .answer_limit = most_log_bytes};
    const auto answer = engine_.ask(Budget::of(log_limit, budget_.stop()), request);
    if (answer && answer->is_good())
      logs_[service].emplace_back(task, last_lines(text_of_log(answer->body)));
  }

  // Whatever the Engine makes of what it was asked for.
  static std::string last_lines(std::string text) {
    int lines = 0;
    for (std::size_t at = text.size(); at > 0; --at) {
      const bool is_end = text[at - 1] == '\n' && at < text.size();
      if (is_end && ++lines == log_lines) return text.substr(at);
    }
    return text;
  }

  // Of that task, or of one that failed before it where nothing is left of it.
  std::string log_of(const std::string& service, const std::string& task) {
    const auto& kept = logs_[service];
    const auto is_of_task = [&](const auto& log) { return log.first == task; };
    if (!task.empty() && std::none_of(kept.begin(), kept.end(), is_of_task))
      read_log(service, task);
    for (auto log = kept.rbegin(); log != kept.rend(); ++log) {
      if (is_of_task(*log) && !log->second.empty()) return log->second;
    }
    for (auto log = kept.rbegin(); log != kept.rend(); ++log) {
      if (!log->second.empty()) return log->second;
    }
    return {};
  }

  Error failure_of(const WatchedService& service, const ServiceHealth& health) {
    FailedService failed_one{.name = service.name,
                             .reason = health.reason,
                             .text = health.text,
                             .cure = health.cure,
                             .node = host_name(health.node),
                             .exit_code = health.exit_code,
                             .log = log_of(service.id, health.task)};
    std::string message = fmt::format("{}: {} ({}", service.name, health.text, health.reason);
    if (failed_one.exit_code != 0) message += fmt::format(", exit code {}", failed_one.exit_code);
    if (!failed_one.node.empty()) message += fmt::format(", on {}", failed_one.node);
    out_.failed = std::move(failed_one);
    return failed(message + ")", health.cure);
  }

  // --- taking back ---

  void fail(Error error) {
    out_.has_written = !made_.empty() || !updated_.empty() || is_well_without_removals_;
    if (const auto may = rules_.may_write(); !may && out_.has_written) {
      out_.outcome = "unknown";
      out_.error = outcome_unknown(
          fmt::format("{}. {}. Written by then: {}", error.message, may.error().message, written()),
          "What was written stays: whoever has the lock now finds it.");
      return;
    }
    if (!out_.has_written || is_well_without_removals_) {
      out_.outcome = "failed";
      out_.error = std::move(error);
      return;
    }
    if (!rules_.roll_back && error.kind != ErrorKind::cancelled) {
      out_.outcome = "failed";
      out_.error = std::move(error);
      return;
    }
    const bool is_cancelled = error.kind == ErrorKind::cancelled;
    reporter_.info(is_cancelled ? "Cancelled: taking back what was written"
                                : "It failed: taking back what was written");
    const auto taking_back = Clock::now();
    const Budget budget = Budget::of(is_cancelled ? cancelled_limit : rules_.rollback_timeout);
    const auto done = take_back(budget, !is_cancelled);
    out_.phases_ms["rollback"] = ms_since(taking_back);
    if (!done) {
      out_.outcome = "unknown";
      out_.error = outcome_unknown(
          fmt::format("{}. Then the stack could not be brought back: {}", error.message,
                      done.error().message),
          fmt::format("Bring back what was before by \"swarm-deploy rollback --stack {}\", or "
                      "deploy what you want.",
                      stack_));
      return;
    }
    out_.outcome = "rolled-back";
    out_.has_written = false;
    error.message += ". The stack is as it was before";
    if (!is_cancelled) {
      error.kind = budget_.is_cancelled() ? ErrorKind::cancelled : ErrorKind::rolled_back;
    }
    out_.error = std::move(error);
  }

  // What may be written, by name.
  [[nodiscard]] std::string written() const {
    std::vector<std::string> names;
    for (const ServicePlan* service : updated_) names.push_back(service->name);
    for (const NamedObject& made : made_) names.push_back(made.name);
    return visible(join(names, ", "));
  }

  // The error names all that is not as it was.
  Result<> take_back(const Budget& budget, bool is_waited_for) {
    std::vector<Error> errors;
    const auto note = [&](const Result<>& result) {
      if (!result) errors.push_back(result.error());
    };
    note(restore_all(budget));
    // Services first: the rest is in use until they are gone.
    note(remove_made(budget, [](const NamedObject& made) { return made.kind == "services"; }));
    if (is_waited_for && errors.empty()) {
      // A cancel ends the wait: all that matters is written by now.
      const auto well = wait_until_restored(Budget(budget.deadline(), budget_.stop()));
      is_waited_for = well || well.error().kind != ErrorKind::cancelled;
      if (is_waited_for) note(well);
    }
    const Budget rest = is_waited_for ? budget : budget.at_most(cancelled_limit);
    // What was never answered may be there only by now.
    note(remove_made(
        rest, [](const NamedObject& made) { return made.kind == "services" && made.id.empty(); }));
    const auto removed =
        remove_made(rest, [](const NamedObject& made) { return made.kind != "services"; });
    if (is_waited_for) {
      note(removed);
      // So that the next deploy can make them again; the stack is as it was whatever this says.
      if (removed) (void)wait_for_networks(budget.at_most(answer_limit), engine_, made_);
    } else if (!removed) {
      // Nothing uses it: the stack runs as before.
      reporter_.warning(
          fmt::format("There was no time to clean up all of it: {}.", removed.error().message));
    }
    if (!errors.empty()) return joined(std::move(errors));
    return {};
  }

  // All at once, as they were written: a cancelled step has little time.
  Result<> restore_all(const Budget& budget) {
    std::vector<EngineRequest> reads;
    for (const ServicePlan* service : updated_)
      reads.push_back({.path = "/services/" + percent_encoded(service->before.id)});
    const auto there = engine_.json_all(budget.at_most(answer_limit), reads);
    std::vector<EngineRequest> writes;
    std::vector<const ServicePlan*> written;
    std::vector<const ServicePlan*> others;
    for (std::size_t i = 0; i < there.size(); ++i) {
      const ServicePlan* service = updated_[i];
      const auto now = there[i] ? parse_service(*there[i]) : Result<SwarmService>(there[i].error());
      if (!now) {
        others.push_back(service);
      } else if (now->spec.dump() != service->before.spec.dump()) {
        writes.push_back(restoring(*service, *now));
        written.push_back(service);
      }
    }
    const auto answers = engine_.json_all(budget.at_most(answer_limit), writes);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) {
        reporter_.info(fmt::format("{}: its old spec is back", written[i]->name));
      } else {
        others.push_back(written[i]);
      }
    }
    std::vector<Error> errors;
    for (const ServicePlan* service : others) {
      if (auto restored = restore(budget, *service); !restored)
        errors.push_back(std::move(restored).error().within("restoring " + service->name));
    }
    if (!errors.empty()) return joined(std::move(errors));
    return {};
  }

  static EngineRequest restoring(const ServicePlan& service, const SwarmService& now) {
    return {.method = "POST",
            .path = update_path(now.id, now.version, true),
            .body = service.before.spec.dump()};
  }

  // Safe to do twice: a service that is as it was is not written.
  Result<> restore(const Budget& budget, const ServicePlan& service) {
    for (int tries = 0; tries < most_tries; ++tries) {
      PCA_TRY(const auto now, read_service(budget.at_most(answer_limit), service.before.id));
      if (now.spec.dump() == service.before.spec.dump()) return {};
      const auto answer = engine_.json(budget.at_most(answer_limit), restoring(service, now));
      if (answer) {
        reporter_.info(fmt::format("{}: its old spec is back", service.name));
        return {};
      }
      if (answer.error().kind != ErrorKind::conflict) return answer.error();
    }
    return conflict("it changes all the time");
  }

  Result<> remove_made(const Budget& budget,
                       const std::function<bool(const NamedObject&)>& is_wanted) {
    std::vector<Error> errors;
    std::vector<NamedObject> objects;
    for (NamedObject made : made_) {
      if (!is_wanted(made)) continue;
      auto id = made.id.empty() ? id_of(budget, made) : Result<std::string>(made.id);
      if (!id) {
        errors.push_back(std::move(id).error().within("removing " + made.name));
      } else if (!id->empty()) {
        made.id = *std::move(id);
        objects.push_back(std::move(made));
      }
    }
    if (auto removed = remove_objects(budget, engine_, std::move(objects)); !removed)
      errors.push_back(std::move(removed).error());
    if (!errors.empty()) return joined(std::move(errors));
    return {};
  }

  // Of what may have been made although no answer came; empty when it was not, or is another's.
  Result<std::string> id_of(const Budget& budget, const NamedObject& made) {
    const EngineRequest request{.path =
                                    fmt::format("/{}/{}", made.kind, percent_encoded(made.name))};
    PCA_TRY(const EngineAnswer answer, engine_.ask(budget.at_most(answer_limit), request));
    if (answer.status == 404) return std::string();
    if (!answer.is_good()) return engine_error(request, answer);
    PCA_TRY(const Json there, parse_json(answer.body));
    if (!is_of_stack(there, stack_)) return std::string();
    return there.text_of(made.kind == "networks" ? "Id" : "ID");
  }

  Result<> wait_until_restored(const Budget& budget) {
    std::vector<HealthWatch> watches;
    for (const ServicePlan* service : updated_) {
      WatchedService watched =
          watched_service(service->name, service->before.id, service->before.spec);
      watched.is_restored = true;
      // It need not be better than it was.
      watched.least_running = std::min(service->before.running, service->before.desired);
      HealthRules patient = rules_.health;
      patient.max_task_failures = 1000;
      patient.scheduling_timeout = rules_.rollback_timeout;
      watches.emplace_back(std::move(watched), patient);
      watches.back().note_earlier(earlier_failures_[service->before.id]);
    }
    const auto failed_before = out_.failed;
    const auto done = watches.empty() ? Result<>() : watch(budget, watches, Milliseconds{0});
    out_.failed = failed_before;
    return done;
  }

  const Budget& budget_;
  Engine& engine_;
  Reporter& reporter_;
  const std::string& stack_;
  const StackPlan& plan_;
  const SwarmState& state_;
  const RunRules& rules_;
  SwarmEvents events_;
  std::map<std::string, std::string> ids_;  // of secrets and configs, by name
  std::vector<NamedObject> made_;           // in that order
  std::vector<const ServicePlan*> updated_;
  // Of tasks by their ID, by service.
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> logs_;
  std::map<std::string, Task> newest_;  // task of each service that was watched, by name
  std::map<std::string, std::string> host_names_;
  std::set<std::string> not_well_;
  std::optional<Error> missed_;  // of the last look, when it told nothing
  std::size_t nodes_ = 0;
  // What was read for the plan tells how the services are, as long as nothing is written.
  bool may_use_plans_look_ = false;
  bool is_well_without_removals_ = false;
  bool has_looked_ = false;
  std::map<std::string, std::set<std::string>> earlier_failures_;  // tasks by service, all by ID
  StackRun out_;
};

}  // namespace

StackRun execute_plan(const Budget& budget, Engine& engine, Reporter& reporter,
                      const std::string& stack, const StackPlan& plan, const SwarmState& state,
                      const RunRules& rules) {
  return Run(budget, engine, reporter, stack, plan, state, rules).run();
}

}  // namespace pca::swarm_deploy
