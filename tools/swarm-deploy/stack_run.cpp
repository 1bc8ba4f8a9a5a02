#include "swarm-deploy/stack_run.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <span>
#include <utility>

#include "base/text.hpp"
#include "net/file_descriptor.hpp"
#include "swarm-deploy/log_frames.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds first_pause{300};
constexpr Milliseconds longest_pause{2000};
// A cancelled step has 7 s; what is taken back is written by then, not waited for.
constexpr Milliseconds cancelled_limit{5000};
constexpr int most_misses = 20;  // looks in a row that an Engine did not answer
constexpr int most_tries = 5;    // of a write that somebody else's came before
constexpr std::size_t most_log_bytes = std::size_t{256} * 1024;
constexpr int log_lines = 50;
constexpr std::size_t most_logs = 5;

// Waits, or until the budget is over.
void pause(const Budget& budget, Milliseconds length) {
  const FileDescriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_cancel(budget.stop(), [&] { ::eventfd_write(wake.get(), 1); });
  pollfd set{wake.get(), POLLIN, 0};
  ::poll(&set, 1, static_cast<int>(std::min(length, budget.left()).count()));
}

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
        rules_(rules) {
    for (const auto* objects : {&state.secrets, &state.configs}) {
      for (const auto& [name, object] : *objects) ids_[name] = object.id;
    }
    constexpr double fresh_ms = 2000;
    may_use_plans_look_ = plan.changes_nothing() && ms_since(state.look.at) < fresh_ms;
    for (const ServicePlan& service : plan.services)
      needs_nodes_ = needs_nodes_ || is_global(service.spec);
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
  // One thing that was made, in the order of making.
  struct Made {
    std::string kind;  // "networks", "secrets", "configs", "services"
    std::string name;
    std::string id;
  };

  Result<> forward() {
    const auto writing = Clock::now();
    PCA_CHECK(rules_.may_write());
    PCA_CHECK(create_objects());
    PCA_CHECK(write_waves());
    out_.phases_ms["write"] = ms_since(writing);
    const auto waiting = Clock::now();
    if (rules_.wait) PCA_CHECK(wait_until_well());
    out_.phases_ms["wait"] = ms_since(waiting);
    return remove_services();
  }

  // --- writing ---

  Result<> create_objects() {
    std::vector<EngineRequest> requests;
    std::vector<Made> made;
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
  Result<> create(std::span<const EngineRequest> requests, std::vector<Made>& made) {
    const Budget budget = budget_.at_most(answer_limit);
    const auto answers = engine_.json_all(budget, requests);
    std::optional<Error> first;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) {
        made[i].id = answers[i]->text_of("ID").empty() ? answers[i]->text_of("Id")
                                                       : answers[i]->text_of("ID");
        ids_[made[i].name] = made[i].id;
        made_.push_back(made[i]);
        continue;
      }
      Error error = answers[i].error();
      // Asked for twice, because the first answer was lost?
      if (error.kind == ErrorKind::conflict && adopt(budget, requests[i], made[i])) continue;
      // Whether it was made is not known: then it is found by its name when it is taken back.
      if (error.kind == ErrorKind::unreachable || error.kind == ErrorKind::cancelled)
        made_.push_back(made[i]);
      error.message = fmt::format("{} could not be created: {}", made[i].name, error.message);
      if (!first) first = std::move(error);
    }
    if (first) return *std::move(first);
    return {};
  }

  // Takes what is there for ours when it is as we asked for.
  bool adopt(const Budget& budget, const EngineRequest& request, Made& made) {
    const auto there = engine_.json(
        budget, {.path = fmt::format("/{}/{}", made.kind, percent_encoded(made.name))});
    const auto asked = parse_json(request.body);
    if (!there || !asked || !is_of_stack(*there)) return false;
    const Json* spec = there->find("Spec");
    if (made.kind == "services" && (spec == nullptr || !is_alike(*spec, *asked))) return false;
    made.id = there->text_of(made.kind == "networks" ? "Id" : "ID");
    ids_[made.name] = made.id;
    made_.push_back(made);
    return true;
  }

  // What somebody else made under the same name is neither used nor removed.
  [[nodiscard]] bool is_of_stack(const Json& there) const {
    const Json* spec = there.find("Spec");  // a network has none
    const Json* labels = spec == nullptr ? there.find("Labels") : spec->find("Labels");
    return labels != nullptr && labels->text_of(stack_label) == stack_;
  }

  [[nodiscard]] bool is_alike(const Json& there, const Json& asked) const {
    std::map<std::string, std::string> names;
    for (const auto& [name, network] : state_.networks) names[network.id] = name;
    for (const Made& made : made_) {
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
    std::vector<Made> made;
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
    reporter_.info(fmt::format("Updating {} services", services.size()));
    std::vector<EngineRequest> requests;
    for (const ServicePlan* service : services) {
      updated_.push_back(service);  // from here on it may be written
      requests.push_back({.method = "POST",
                          .path = update_path(service->before.id, service->before.version, false),
                          .body = with_ids(service->spec).dump(),
                          .secret_registry_auth = service->registry_auth});
    }
    auto answers = engine_.json_all(budget_.at_most(answer_limit), requests);
    std::optional<Error> first;
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (answers[i]) continue;
      Error error = std::move(answers[i]).error();
      if (error.kind == ErrorKind::conflict) {
        const auto again = update_again(*services[i]);
        if (again) continue;
        error = again.error();
      }
      error.message = fmt::format("{} could not be updated: {}", services[i]->name, error.message);
      if (!first) first = std::move(error);
    }
    if (first) return *std::move(first);
    return {};
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
    std::vector<EngineRequest> requests;
    std::vector<std::string> names;
    for (const ServicePlan& service : plan_.services) {
      if (service.action != Action::remove) continue;
      requests.push_back(
          {.method = "DELETE", .path = "/services/" + percent_encoded(service.before.id)});
      names.push_back(service.name);
    }
    if (requests.empty()) return {};
    PCA_CHECK(rules_.may_write());
    reporter_.info(
        fmt::format("Removing {} services that the files no longer have", requests.size()));
    const auto answers = engine_.ask_all(budget_.at_most(answer_limit), requests);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const bool is_gone = answers[i] && (answers[i]->is_good() || answers[i]->status == 404);
      if (is_gone) continue;
      is_well_without_removals_ = true;
      Error error = answers[i] ? engine_error(requests[i], *answers[i]) : answers[i].error();
      return std::move(error).within("removing " + names[i]);
    }
    return {};
  }

  // --- waiting ---

  Result<> wait_until_well() {
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
      const auto made = std::find_if(made_.begin(), made_.end(), [&](const Made& one) {
        return one.kind == "services" && one.name == service.name;
      });
      const std::string id = made == made_.end() ? service.before.id : made->id;
      watches.emplace_back(watched_service(service.name, id, service.spec), rules_.health);
    }
    return watch(budget_, watches, settle);
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
      std::vector<EngineRequest> requests{{.path = of_stack("/services", stack_) + "&status=true"},
                                          {.path = of_stack("/tasks", stack_, true)}};
      if (nodes_ == 0 && needs_nodes_) requests.push_back({.path = "/nodes"});
      auto answers = engine_.json_all(budget.at_most(answer_limit), requests);
      for (auto& answer : answers) {
        if (!answer) return std::move(answer).error();
      }
      now.services = *std::move(answers[0]);
      now.tasks = *std::move(answers[1]);
      if (answers.size() > 2) now.nodes = *std::move(answers[2]);
    }
    count_nodes(now.nodes);
    Look out;
    out.services = std::move(now.services);
    for (Task& task : parse_tasks(now.tasks)) out.tasks[task.service_id].push_back(std::move(task));
    out.nodes = nodes_;
    return out;
  }

  // Where a service failed, for people.
  std::string host_name(const std::string& node) {
    if (node.empty()) return {};
    if (host_names_.empty()) {
      if (const auto nodes = engine_.json(budget_.at_most(answer_limit), {.path = "/nodes"}))
        count_nodes(*nodes);
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
    Clock::time_point well_since{};  // while `is_well`
    bool is_well = false;
    Milliseconds wait = first_pause;
    int misses = 0;
    while (true) {
      auto now = look(budget);
      if (!now) {
        // An Engine that restarts answers again in a moment.
        const Error& error = now.error();
        const bool may_pass = error.transient || error.kind == ErrorKind::unreachable;
        if (error.kind == ErrorKind::cancelled || !may_pass || ++misses > most_misses) return error;
      } else {
        misses = 0;
        PCA_TRY(const bool all_well, judge(*now, watches, told));
        if (all_well && !is_well) well_since = Clock::now();
        is_well = all_well;
        if (is_well && Clock::now() - well_since >= settle) return {};
      }
      if (budget.is_over()) return timed_out(budget, told);
      const auto until_settled =
          is_well ? std::chrono::ceil<Milliseconds>(well_since + settle - Clock::now()) : wait;
      pause(budget, std::min(wait, std::max(until_settled, Milliseconds{1})));
      wait = std::min(wait * 5 / 4, longest_pause);
    }
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
      out_.failed =
          FailedService{name, "timeout", told.contains(name) ? told.at(name) : "", "", ""};
    }
    return unreachable("timed out while waiting for the services: " + waiting,
                       "Give more time by timeout where they only need it.");
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
      const ServiceHealth health =
          watch.look(*found->second, tasks == now.tasks.end() ? std::vector<Task>() : tasks->second,
                     now.nodes, Clock::now());
      for (const Task& task : watch.take_new_failures()) keep_log(task);
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
    if (logs_.size() >= most_logs || task.state == "rejected") return;
    const EngineRequest request{.path = fmt::format("/tasks/{}/logs?stdout=1&stderr=1&tail={}",
                                                    percent_encoded(task.id), log_lines),
                                .answer_limit = most_log_bytes};
    const auto answer = engine_.ask(budget_.at_most(Milliseconds{5000}), request);
    if (answer && answer->is_good()) logs_[task.id] = text_of_log(answer->body);
  }

  Error failure_of(const WatchedService& service, const ServiceHealth& health) {
    FailedService failed_one{service.name, health.reason, health.text, host_name(health.node), {}};
    if (const auto log = logs_.find(health.task); log != logs_.end()) failed_one.log = log->second;
    if (failed_one.log.empty() && !logs_.empty()) failed_one.log = logs_.begin()->second;
    std::string message = fmt::format("{}: {}", service.name, health.text);
    if (!failed_one.node.empty()) message += fmt::format(" (on {})", failed_one.node);
    out_.failed = std::move(failed_one);
    return failed(std::move(message), health.cure);
  }

  // --- taking back ---

  void fail(Error error) {
    out_.has_written = !made_.empty() || !updated_.empty() || is_well_without_removals_;
    if (const auto may = rules_.may_write(); !may && out_.has_written) {
      out_.outcome = "unknown";
      out_.error = outcome_unknown(fmt::format("{}. {}", error.message, may.error().message),
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

  Result<> take_back(const Budget& budget, bool is_waited_for) {
    std::optional<Error> first;
    const auto note = [&](const Result<>& result) {
      if (!result && !first) first = result.error();
    };
    note(restore_all(budget));
    // Services first: the rest is in use until they are gone.
    note(remove_made(budget, true));
    if (is_waited_for && !first) {
      // A cancel ends the wait: all that matters is written by now.
      const auto well = wait_until_restored(Budget(budget.deadline(), budget_.stop()));
      is_waited_for = well || well.error().kind != ErrorKind::cancelled;
      if (is_waited_for) note(well);
    }
    const auto removed =
        remove_made(is_waited_for ? budget : budget.at_most(cancelled_limit), false);
    if (is_waited_for || removed) {
      note(removed);
    } else {
      // Nothing uses it: the stack runs as before.
      reporter_.warning(
          fmt::format("There was no time to clean up all of it: {}.", removed.error().message));
    }
    if (first) return *std::move(first);
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
    std::optional<Error> first;
    for (const ServicePlan* service : others) {
      const auto restored = restore(budget, *service);
      if (!restored && !first) first = restored.error();
    }
    if (first) return *std::move(first);
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
      if (answer.error().kind != ErrorKind::conflict)
        return Error(answer.error()).within("restoring " + service.name);
    }
    return conflict(fmt::format("{} changes all the time", service.name));
  }

  Result<> remove_made(const Budget& budget, bool services) {
    std::optional<Error> first;
    Milliseconds wait = first_pause;
    std::vector<EngineRequest> requests;
    for (const Made& made : made_) {
      if ((made.kind == "services") != services) continue;
      auto id = made.id.empty() ? id_of(budget, made) : Result<std::string>(made.id);
      if (!id) {
        if (!first) first = std::move(id).error().within("removing " + made.name);
      } else if (!id->empty()) {
        requests.push_back(
            {.method = "DELETE", .path = fmt::format("/{}/{}", made.kind, percent_encoded(*id))});
      }
    }
    const auto answers = engine_.ask_all(budget.at_most(answer_limit), requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (answers[i] && (answers[i]->is_good() || answers[i]->status == 404)) continue;
      while (true) {
        const EngineRequest& request = requests[i];
        const auto answer = engine_.ask(budget.at_most(answer_limit), request);
        if (answer && (answer->is_good() || answer->status == 404)) break;
        const bool is_in_use = answer && answer->body.find("in use") != std::string::npos;
        if (is_in_use && !budget.is_over()) {
          pause(budget, wait);  // tasks that stop still hold it
          continue;
        }
        Error error = answer ? engine_error(request, *answer) : answer.error();
        if (!first) first = std::move(error).within("removing what was made");
        break;
      }
    }
    if (first) return *std::move(first);
    return {};
  }

  // Of what may have been made although no answer came; empty when it was not, or is another's.
  Result<std::string> id_of(const Budget& budget, const Made& made) {
    const EngineRequest request{.path =
                                    fmt::format("/{}/{}", made.kind, percent_encoded(made.name))};
    PCA_TRY(const EngineAnswer answer, engine_.ask(budget.at_most(answer_limit), request));
    if (answer.status == 404) return std::string();
    if (!answer.is_good()) return engine_error(request, answer);
    PCA_TRY(const Json there, parse_json(answer.body));
    if (!is_of_stack(there)) return std::string();
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
  std::map<std::string, std::string> ids_;  // of secrets and configs, by name
  std::vector<Made> made_;
  std::vector<const ServicePlan*> updated_;
  std::map<std::string, std::string> logs_;  // by task
  std::map<std::string, std::string> host_names_;
  std::set<std::string> not_well_;
  std::size_t nodes_ = 0;
  bool needs_nodes_ = false;
  // What was read for the plan tells how the services are, as long as nothing is written.
  bool may_use_plans_look_ = false;
  bool is_well_without_removals_ = false;
  StackRun out_;
};

}  // namespace

StackRun execute_plan(const Budget& budget, Engine& engine, Reporter& reporter,
                      const std::string& stack, const StackPlan& plan, const SwarmState& state,
                      const RunRules& rules) {
  return Run(budget, engine, reporter, stack, plan, state, rules).run();
}

}  // namespace pca::swarm_deploy
