#include "swarm-deploy/node_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "swarm-deploy/swarm_state.hpp"
#include "swarm-deploy/swarm_watch.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds answer_limit{30'000};
constexpr Milliseconds undo_limit{30'000};
constexpr Milliseconds cancelled_limit{5000};  // a cancelled step has 7 s
constexpr int most_tries = 5;                  // of a write that somebody else's came before

std::string filtered(const std::string& path, const char* kind,
                     const std::vector<std::string>& ids) {
  std::vector<std::pair<std::string, std::string>> terms;
  for (const std::string& id : ids) terms.emplace_back(kind, id);
  return path + "?" + engine_filter(terms);
}

std::string tasks_text(std::size_t count) {
  return fmt::format("{} {} still there", count, count == 1 ? "task is" : "tasks are");
}

// Writes one node, over whatever others write there meanwhile as long as it is something else.
Result<> write_node(const Budget& budget, Engine& engine, const SwarmNode& node,
                    const NodeChange& change) {
  Json spec = node.spec;
  std::int64_t version = node.version;
  for (int tries = 0; tries < most_tries; ++tries) {
    const auto answer = engine.json(
        budget.at_most(answer_limit),
        {.method = "POST",
         .path = fmt::format("/nodes/{}/update?version={}", percent_encoded(node.id), version),
         .body = changed_spec(spec, change).dump()});
    if (answer) return {};
    const Error& error = answer.error();
    // Where only the answer was lost it may be written.
    if (error.kind != ErrorKind::conflict && error.kind != ErrorKind::unreachable) return error;
    if (budget.is_over()) return error;
    PCA_TRY(const Json there, engine.json(budget.at_most(answer_limit),
                                          {.path = "/nodes/" + percent_encoded(node.id)}));
    const auto now = parse_nodes(Json::array().push(there));
    if (now.empty()) return failed("the Engine's answer is no node");
    if (is_empty(missing_of(change, now.front().spec))) return {};
    if (is_overtaken(change, node.spec, now.front().spec)) {
      return conflict("somebody else changes the same of it",
                      "Look who works on this node, then run it again.");
    }
    spec = now.front().spec;
    version = now.front().version;
  }
  return conflict("it changes all the time", "Look who works on this node, then run it again.");
}

class Run {
 public:
  Run(const Budget& budget, Engine& engine, Reporter& reporter, const NodeWork& work)
      : budget_(budget), engine_(engine), reporter_(reporter), work_(work) {
    for (const SwarmNode& node : work.nodes) ids_.push_back(node.id);
    for (const Task& task : work.tasks) {
      if (task.has_failed()) failed_before_.insert(task.id);
    }
    for (const DrainPlan::Leaving& one : work.drain.services) add_watch(one);
  }

  NodeRun run() {
    if (const auto done = forward(); !done) {
      fail(done.error());
    } else {
      out_.changed = written_.size();
      out_.outcome = written_.empty() ? "unchanged" : "changed";
    }
    return std::move(out_);
  }

 private:
  Result<> forward() {
    PCA_CHECK(write());
    if (is_drain()) return wait_until_drained();
    if (work_.change.availability == "active") return wait_until_ready();
    if (!services_.empty()) PCA_CHECK(wait_until_moved());
    return confirm();
  }

  Result<> write() {
    for (const SwarmNode& node : work_.nodes) {
      const NodeChange missing = missing_of(work_.change, node.spec);
      if (is_empty(missing)) continue;
      written_.push_back(&node);  // from here on it may be written
      if (const auto done = write_node(budget_, engine_, node, missing); !done) {
        Error error = done.error();
        const bool is_unknown =
            error.kind == ErrorKind::unreachable || error.kind == ErrorKind::cancelled;
        if (!is_unknown) written_.pop_back();
        error.message =
            fmt::format("{} could not be changed: {}", visible(node.name()), error.message);
        return error;
      }
      reporter_.info(fmt::format("{}: {}", visible(node.name()), describe(missing, node.spec)));
    }
    return {};
  }

  // What was answered as written may be overtaken by now.
  Result<> confirm() {
    if (written_.empty()) return {};
    return watch(Milliseconds{0}, [this]() -> Result<bool> {
      PCA_TRY(const Json list, engine_.json(budget_.at_most(answer_limit), {.path = "/nodes"}));
      PCA_TRY(const auto now, ours_of(list));
      for (const SwarmNode& node : now) reporter_.info(visible(describe(node)));
      return true;
    });
  }

  // --- waiting

  [[nodiscard]] bool is_drain() const { return work_.change.availability == "drain"; }

  // It need not be better than it was; what has nowhere to go is not waited for.
  void add_watch(const DrainPlan::Leaving& one) {
    services_.push_back(one.id);
    if (one.is_global) return;
    WatchedService watched{.name = one.service, .id = one.id, .replicas = 1'000'000};
    std::set<std::string> places;
    for (const Task& task : work_.tasks) {
      if (task.service_id != one.id) continue;
      if (task.state == "running" && task.desired_state == "running") places.insert(task.place());
    }
    watched.least_running = static_cast<std::int64_t>(places.size()) - one.stranded;
    if (watched.least_running <= 0) return;
    HealthRules rules = work_.health;
    if (one.stranded > 0) rules.scheduling_timeout = std::chrono::hours(24 * 365);
    watches_.emplace_back(std::move(watched), rules);
  }

  Result<> wait_until_drained() {
    if (!services_.empty()) return wait_until_moved();
    reporter_.info("Nothing runs there");
    return watch(Milliseconds{0}, [this] { return look_at_moves(); });
  }

  Result<> wait_until_moved() {
    reporter_.info(
        fmt::format("Waiting until the tasks of {} services have left", services_.size()));
    return watch(work_.settle, [this] { return look_at_moves(); });
  }

  Result<> wait_until_ready() {
    return watch(Milliseconds{0}, [this]() -> Result<bool> {
      PCA_TRY(const Json list, engine_.json(budget_.at_most(answer_limit), {.path = "/nodes"}));
      PCA_TRY(const auto now, ours_of(list));
      bool is_ready = true;
      for (const SwarmNode& node : now) {
        is_ready = is_ready && node.state == "ready";
        tell(node.name(),
             node.message.empty() ? node.state : fmt::format("{}: {}", node.state, node.message),
             node.state == "ready");
      }
      return is_ready;
    });
  }

  // The nodes of this run as they are now.
  Result<std::vector<SwarmNode>> ours_of(const Json& list) const {
    std::vector<SwarmNode> all = parse_nodes(list);
    std::erase_if(all, [&](const SwarmNode& node) {
      return std::find(ids_.begin(), ids_.end(), node.id) == ids_.end();
    });
    if (all.size() < ids_.size()) {
      return failed("a node is gone: somebody else removed it from the swarm",
                    "Look at the swarm by \"swarm-deploy node list\".");
    }
    for (const SwarmNode& node : all) {
      const NodeChange missing = missing_of(work_.change, node.spec);
      if (is_empty(missing)) continue;
      const std::string what =
          missing.availability.empty()
              ? "changed meanwhile: " + describe(undo_of(missing, node.spec), node.spec)
              : fmt::format("made {} meanwhile", visible(node.availability));
      return conflict(fmt::format("{} was {}", visible(node.name()), what),
                      "Look who works on this node, then run it again.");
    }
    return all;
  }

  Result<> watch(Milliseconds settle, const std::function<Result<bool>()>& look) {
    return wait_until_well(budget_, settle, look, [this] { return timed_out(); });
  }

  Result<bool> look_at_moves() {
    std::vector<EngineRequest> requests{{.path = "/nodes"},
                                        {.path = filtered("/tasks", "node", ids_)}};
    if (!services_.empty()) {
      requests.push_back({.path = filtered("/services", "id", services_)});
      requests.push_back({.path = filtered("/tasks", "service", services_)});
    }
    const auto answers = engine_.json_all(budget_.at_most(answer_limit), requests);
    for (const auto& answer : answers) {
      if (!answer) return answer.error();
    }
    PCA_TRY(const auto now, ours_of(*answers[0]));
    if (is_drain()) PCA_CHECK(check_others(*answers[0]));
    // Other labels send away only some tasks.
    const bool is_well = !is_drain() || have_left(now, parse_tasks(*answers[1]));
    if (services_.empty()) return is_well;
    PCA_TRY(const bool all_run, run_elsewhere(*answers[2], parse_tasks(*answers[3])));
    return is_well && all_run;
  }

  Result<> check_others(const Json& list) const {
    const std::vector<SwarmNode> all = parse_nodes(list);
    const bool is_last = std::none_of(all.begin(), all.end(),
                                      [](const SwarmNode& node) { return node.takes_tasks(); });
    if (!is_last || work_.may_be_last) return {};
    return failed("no node takes tasks any more: somebody else changed the others meanwhile",
                  "Drain them one after another.");
  }

  // Tasks of a node that is down never say that they ended.
  bool have_left(const std::vector<SwarmNode>& nodes, const std::vector<Task>& tasks) {
    std::size_t all = 0;
    for (const SwarmNode& node : nodes) {
      const auto left =
          static_cast<std::size_t>(std::count_if(tasks.begin(), tasks.end(), [&](const Task& task) {
            return task.node_id == node.id && !task.service_id.empty() && task.is_alive();
          }));
      const bool is_down = node.state == "down";
      tell(node.name(),
           left == 0 ? "no task is left"
           : is_down ? "down: whatever ran there is gone"
                     : tasks_text(left),
           left == 0 || is_down);
      if (!is_down) all += left;
    }
    return all == 0;
  }

  Result<bool> run_elsewhere(const Json& services, const std::vector<Task>& tasks) {
    std::map<std::string, Json> there;  // without the state of an update, which is none of ours
    std::map<std::string, std::int64_t> replicas;
    if (services.as_array() != nullptr) {
      for (const Json& service : *services.as_array()) {
        Json quiet = Json::object();
        for (const char* key : {"JobStatus", "ServiceStatus"}) {
          if (const Json* found = service.find(key)) quiet.set(key, *found);
        }
        there[service.text_of("ID")] = std::move(quiet);
        const Json* wanted = member(service, {"Spec", "Mode", "Replicated", "Replicas"});
        if (wanted != nullptr && wanted->as_int() != nullptr)
          replicas[service.text_of("ID")] = *wanted->as_int();
      }
    }
    bool all_run = true;
    for (HealthWatch& watch : watches_) {
      const auto found = there.find(watch.service().id);
      if (found == there.end()) continue;  // somebody removed it
      if (const auto now = replicas.find(found->first); now != replicas.end())
        watch.want_at_most(now->second);  // somebody may scale it down meanwhile
      std::vector<Task> own;
      for (const Task& task : tasks) {
        const bool is_there = std::find(ids_.begin(), ids_.end(), task.node_id) != ids_.end();
        if (task.service_id != watch.service().id || failed_before_.contains(task.id)) continue;
        // What ends there ends because of the drain, and is no failure elsewhere.
        if (!is_there || task.state == "complete") own.push_back(task);
      }
      const ServiceHealth health = watch.look(found->second, own, 0, Clock::now());
      tell(watch.service().name, health.text, health.health == Health::well);
      if (health.health == Health::failed) return failure_of(watch.service(), health);
      all_run = all_run && health.health == Health::well;
    }
    return all_run;
  }

  // A line whenever it changes.
  void tell(const std::string& name, const std::string& text, bool is_well) {
    if (told_[name] != text) reporter_.info(visible(fmt::format("{}: {}", name, text)));
    told_[name] = text;
    if (is_well) {
      not_well_.erase(name);
    } else {
      not_well_.insert(name);
    }
  }

  Error failure_of(const WatchedService& service, const ServiceHealth& health) {
    out_.failed = FailedService{.name = service.name,
                                .reason = health.reason,
                                .text = health.text,
                                .cure = health.cure,
                                .node = health.node,
                                .exit_code = health.exit_code};
    return failed(visible(fmt::format("{}: {}", service.name, health.text)), health.cure);
  }

  Error timed_out() {
    if (budget_.is_cancelled()) return budget_.check("waiting for the nodes").error();
    std::vector<std::string> waiting;
    for (const std::string& name : not_well_) {
      waiting.push_back(fmt::format("{}: {}", name, told_.at(name)));
    }
    for (const HealthWatch& watch : watches_) {
      const std::string& name = watch.service().name;
      if (out_.failed || !not_well_.contains(name)) continue;
      out_.failed = FailedService{.name = name, .reason = "timeout", .text = told_.at(name)};
    }
    return unreachable("timed out while waiting: " + visible(join(waiting, "; ")),
                       "Give more time by timeout where it only needs that.");
  }

  // --- undoing

  void fail(Error error) {
    const bool is_cancelled = error.kind == ErrorKind::cancelled;
    out_.error = std::move(error);
    out_.outcome = "failed";
    if (written_.empty()) return;
    if (!work_.roll_back && !is_cancelled) {
      out_.changed = written_.size();
      out_.error->message += ". The nodes stay as asked for";
      return;
    }
    reporter_.info(fmt::format("{}: bringing back what the nodes were before",
                               is_cancelled ? "Cancelled" : "It failed"));
    const auto done = undo(Budget::of(is_cancelled ? cancelled_limit : undo_limit));
    if (!done) {
      out_.outcome = "unknown";
      out_.changed = written_.size();
      out_.error = outcome_unknown(
          fmt::format("{}. Then a node could not be brought back: {}", out_.error->message,
                      done.error().message),
          "Look at the nodes by \"swarm-deploy node list\", and make them what they are to be.");
      return;
    }
    out_.outcome = "rolled-back";
    out_.error->message += theirs_.empty()
                               ? std::string(". The nodes are as they were before")
                               : fmt::format(
                                     ". {} stays as somebody else made it meanwhile; what else "
                                     "was changed is as before",
                                     visible(join(theirs_, ", ")));
    if (is_drain() || !services_.empty())
      out_.error->message += "; tasks that left them stay where they are";
    if (!is_cancelled) {
      out_.error->kind = budget_.is_cancelled() ? ErrorKind::cancelled : ErrorKind::rolled_back;
    }
  }

  // Safe to do twice: a node that is as it was is not written.
  Result<> undo(const Budget& budget) {
    PCA_TRY(const Json list, engine_.json(budget.at_most(answer_limit), {.path = "/nodes"}));
    const std::vector<SwarmNode> now = parse_nodes(list);
    std::optional<Error> first;
    for (const SwarmNode* node : written_) {
      const auto there = std::find_if(now.begin(), now.end(),
                                      [&](const SwarmNode& one) { return one.id == node->id; });
      if (there == now.end()) continue;  // nobody's any more
      const NodeChange back = undo_of(missing_of(work_.change, node->spec), node->spec);
      const NodeChange missing = missing_of(back, there->spec);
      if (is_empty(missing)) continue;
      if (is_overtaken(back, changed_spec(node->spec, work_.change), there->spec)) {
        theirs_.push_back(node->name());
        continue;
      }
      if (const auto done = write_node(budget, engine_, *there, missing); !done) {
        if (!first) first = Error(done.error()).within("restoring " + visible(node->name()));
        continue;
      }
      reporter_.info(fmt::format("{}: {}", visible(node->name()), describe(missing, there->spec)));
    }
    if (first) return *std::move(first);
    return {};
  }

  const Budget& budget_;
  Engine& engine_;
  Reporter& reporter_;
  const NodeWork& work_;
  std::vector<std::string> ids_;       // of the nodes
  std::vector<std::string> services_;  // whose tasks leave them
  std::set<std::string> failed_before_;
  std::vector<HealthWatch> watches_;
  std::vector<const SwarmNode*> written_;
  std::vector<std::string> theirs_;          // names of written ones that others changed since
  std::map<std::string, std::string> told_;  // by name
  std::set<std::string> not_well_;
  NodeRun out_;
};

}  // namespace

NodeRun change_nodes(const Budget& budget, Engine& engine, Reporter& reporter,
                     const NodeWork& work) {
  return Run(budget, engine, reporter, work).run();
}

}  // namespace pca::swarm_deploy
