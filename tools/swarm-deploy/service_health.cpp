#include "swarm-deploy/service_health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/utc_time.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t longest_text = 300;
constexpr std::size_t most_failures = 200;

std::int64_t number_of(const Json* value) {
  return value == nullptr || value->as_int() == nullptr ? 0 : *value->as_int();
}

// Of what the Engine counts in ns.
std::chrono::milliseconds milliseconds_of(const Json* value) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::nanoseconds(number_of(value)));
}

std::string said(const Task& task) {
  const std::string& text = task.error.empty() ? task.message : task.error;
  return visible(cut_utf8(to_valid_utf8(text), longest_text));
}

constexpr const char* port_cure =
    "Another service has this port: publish another one, or remove that service first.";

bool holds(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

bool is_updating(const Json& service) {
  const Json* update = service.find("UpdateStatus");
  const std::string state = update == nullptr ? std::string() : update->text_of("State");
  return state == "updating" || state == "rollback_started";
}

std::int64_t number_in_status(const Json& service, std::string_view key) {
  const Json* status = service.find("ServiceStatus");
  return status == nullptr ? 0 : number_of(status->find(key));
}

// Which run of a job is the present one; -1 = it is none.
std::int64_t job_iteration(const Json& service) {
  const Json* status = service.find("JobStatus");
  const Json* iteration = status == nullptr ? nullptr : status->find("JobIteration");
  return iteration == nullptr ? -1 : number_of(iteration->find("Index"));
}

bool is_on_its_way(const Task& task) {
  return task.desired_state == "running" || task.desired_state == "ready" ||
         task.desired_state == "accepted";
}

// A node also says so of a network that is only just coming to it.
bool lacks_network(const Task& task) { return holds(task.error, "missing network attachments"); }

// The one that says most of why they failed: the last, unless it never came to the container and
// another did.
const Task* most_telling(const std::vector<const Task*>& failures) {
  const auto found = std::find_if(failures.rbegin(), failures.rend(),
                                  [](const Task* task) { return !lacks_network(*task); });
  return found == failures.rend() ? failures.back() : *found;
}

// How many a global service is to have, as far as its tasks tell: those nodes that the constraints
// leave are those that have one.
std::int64_t tasks_of_global(const Json& service, const std::vector<Task>& tasks) {
  std::set<std::string> places;
  for (const Task& task : tasks) {
    // Of a node that is down or drained the others stay, too.
    if (is_on_its_way(task) || task.state == "complete") places.insert(task.place());
  }
  return std::max(number_in_status(service, "DesiredTasks"),
                  static_cast<std::int64_t>(places.size()));
}

}  // namespace

bool Task::is_alive() const {
  constexpr std::array<std::string_view, 6> ended{"complete", "shutdown", "failed",
                                                  "rejected", "remove",   "orphaned"};
  return std::find(ended.begin(), ended.end(), state) == ended.end();
}

std::string Task::place() const { return slot > 0 ? std::to_string(slot) : node_id; }

// All are in UTC, with as many decimals as they need.
bool Task::was_before(const Task& other) const {
  const auto digits = [](const Task& task) {
    std::string_view text = task.time;
    if (text.ends_with('Z')) text.remove_suffix(1);
    return text;
  };
  return digits(*this) < digits(other);
}

std::vector<Task> parse_tasks(const Json& list) {
  std::vector<Task> tasks;
  if (list.as_array() == nullptr) return tasks;
  for (const Json& entry : *list.as_array()) {
    Task task;
    task.id = entry.text_of("ID");
    task.service_id = entry.text_of("ServiceID");
    task.node_id = entry.text_of("NodeID");
    task.slot = number_of(entry.find("Slot"));
    task.desired_state = entry.text_of("DesiredState");
    if (const Json* status = entry.find("Status")) {
      task.state = status->text_of("State");
      task.error = status->text_of("Err");
      task.message = status->text_of("Message");
      task.time = status->text_of("Timestamp");
      if (const Json* container = status->find("ContainerStatus")) {
        task.exit_code = number_of(container->find("ExitCode"));
      }
    }
    if (const Json* iteration = entry.find("JobIteration")) {
      task.job_iteration = number_of(iteration->find("Index"));
    }
    if (!task.id.empty() && !task.state.empty()) tasks.push_back(std::move(task));
  }
  return tasks;
}

WatchedService watched_service(const std::string& name, const std::string& id, const Json& spec) {
  WatchedService service;
  service.name = name;
  service.id = id;
  if (const Json* mode = spec.find("Mode")) {
    for (const char* kind : {"Replicated", "Global", "ReplicatedJob", "GlobalJob"}) {
      const Json* counts = mode->find(kind);
      if (counts == nullptr) continue;
      service.mode = kind;
      for (const char* key : {"Replicas", "TotalCompletions"}) {
        if (counts->find(key) != nullptr) service.replicas = number_of(counts->find(key));
      }
    }
  }
  if (const Json* task = spec.find("TaskTemplate")) {
    if (const Json* policy = task->find("RestartPolicy")) {
      service.restart_condition = policy->text_of("Condition");
      service.max_attempts = number_of(policy->find("MaxAttempts"));
      service.restart_window = milliseconds_of(policy->find("Window"));
    }
    const Json* container = task->find("ContainerSpec");
    const Json* grace = container == nullptr ? nullptr : container->find("StopGracePeriod");
    if (grace != nullptr) service.stop_grace = milliseconds_of(grace);
  }
  return service;
}

bool needs_node_count(const Json& service, const std::vector<Task>& tasks) {
  return tasks_of_global(service, tasks) == 0;
}

FailureKind kind_of_failure(const Task& task) {
  const std::string& error = task.error;
  if (holds(error, "No such image") || holds(error, "manifest unknown") ||
      holds(error, "pull access denied")) {
    return {"image",
            "Check that the image exists and that the nodes may pull it: a private registry wants "
            "credentials."};
  }
  if (holds(error, "unhealthy container")) {
    return {"unhealthy",
            "Its health check fails: look at the log, and at the check's own command and times."};
  }
  if (holds(error, "bind source path does not exist")) {
    return {"mount", "Create the path on every node that may run it, or use a volume."};
  }
  if (holds(error, "invalid mount config")) return {"mount", "Correct the mount."};
  if (holds(error, "exec:") || holds(error, "executable file not found") || task.exit_code == 127) {
    return {"command", "The container has no such program: check command and entrypoint."};
  }
  if (holds(error, "port already in use") || holds(error, "address already in use")) {
    return {"port", "Something else has this port: publish another one."};
  }
  if (task.exit_code == 137) {
    return {"killed",
            "It was killed: by the kernel where it needs more memory than it may have, or because "
            "it did not stop in time."};
  }
  if (lacks_network(task)) {
    return {"network",
            "Its network has no address left (give it a larger subnet), or the node had not heard "
            "of the network yet (deploy again)."};
  }
  if (task.state == "rejected") return {"rejected", "The node refused it: see what it says."};
  return {"crash", "It ended by itself: look at its log."};
}

// A swarm tells all that stands in the way, each with the nodes where it does.
FailureKind kind_of_pending(std::string_view error) {
  const bool is_constrained = holds(error, "scheduling constraints");
  const bool is_short = holds(error, "insufficient resources");
  if (holds(error, "host-mode port already in use") && !is_short) return {"port", port_cure};
  if (is_short && !is_constrained) {
    return {"unschedulable",
            "No node has so much CPU and memory left to reserve: reserve less, or add a node."};
  }
  return {"unschedulable",
          "Check placement constraints, resources, ports, and \"swarm-deploy node list\"."};
}

FailureKind kind_of_refusal(std::string_view error) {
  if (holds(error, "is already in use by service")) return {"port", port_cure};
  return {"refused", {}};
}

ServiceHealth HealthWatch::update_state(const Json& service) const {
  const Json* status = service.find("UpdateStatus");
  if (status == nullptr) return {};
  const std::string state = status->text_of("State");
  const std::string message =
      visible(cut_utf8(to_valid_utf8(status->text_of("Message")), longest_text));
  ServiceHealth out;
  if (state == "paused" || state == "rollback_paused") {
    out.text = fmt::format("its update is paused: {}", message);
    out.reason = "paused";
  } else if (state.starts_with("rollback") && !service_.is_restored) {
    out.text = fmt::format("the swarm takes its update back: {}", message);
    out.reason = "rolled-back";
  } else {
    return out;
  }
  out.health = Health::failed;
  out.cure = "Look at the failed task's log.";
  return out;
}

void HealthWatch::note_failures(const std::vector<Task>& tasks) {
  for (const Task& task : tasks) {
    if (!task.has_failed()) continue;
    const bool is_too_many = known_failures_.size() >= earlier_.size() + most_failures;
    if (is_too_many && !earlier_.contains(task.id)) continue;
    if (known_failures_.insert(task.id).second) failures_.push_back(task);
  }
  std::stable_sort(failures_.begin(), failures_.end(),
                   [](const Task& a, const Task& b) { return a.was_before(b); });
}

std::vector<Task> HealthWatch::take_new_failures() {
  std::vector<Task> fresh;
  for (const Task& task : failures_) {
    if (!earlier_.contains(task.id) && told_.insert(task.id).second) fresh.push_back(task);
  }
  return fresh;
}

// Whether the swarm starts no other task in a place, after these that failed there.
bool HealthWatch::is_given_up(const std::vector<const Task*>& failures,
                              const std::vector<Task>& tasks) const {
  if (service_.is_restored || failures.empty()) return false;
  const bool is_replaced = std::any_of(tasks.begin(), tasks.end(), [&](const Task& task) {
    return task.place() == failures.back()->place() &&
           (task.is_alive() || task.state == "complete");
  });
  if (is_replaced) return false;
  if (service_.restart_condition == "none") return true;
  if (service_.max_attempts == 0) return false;
  const auto end = parse_utc(failures.back()->time);
  const auto counts = [&](const Task* task) {
    if (service_.restart_window.count() == 0) return true;
    const auto at = parse_utc(task->time);
    return at && end && *end - *at < service_.restart_window;
  };
  return std::count_if(failures.begin(), failures.end(), counts) > service_.max_attempts;
}

// Enough of them in one place, or those after which nothing comes.
ServiceHealth HealthWatch::failed_tasks(const std::vector<Task>& tasks) const {
  const auto is_new = [&](const Task* task) { return !earlier_.contains(task->id); };
  std::map<std::string, std::vector<const Task*>> places;
  for (const Task& task : failures_) {
    if (service_.is_unchanged || is_new(&task)) places[task.place()].push_back(&task);
  }
  const Task* last = nullptr;  // of the place that failed first
  const Task* telling = nullptr;
  std::string text;
  for (const auto& [place, failures] : places) {
    const std::int64_t fresh = std::count_if(failures.begin(), failures.end(), is_new);
    const bool is_once = service_.restart_condition == "none";
    const bool has_failed =
        is_given_up(failures, tasks) || fresh >= rules_.max_task_failures || (is_once && fresh > 0);
    if (!has_failed || (last != nullptr && !failures.back()->was_before(*last))) continue;
    last = failures.back();
    telling = most_telling(failures);
    text = is_once ? fmt::format("its task failed: {}", said(*telling))
                   : fmt::format("{} of its tasks failed, {}: {}",
                                 fresh > 0 ? fresh : static_cast<std::int64_t>(failures.size()),
                                 telling == last ? "the last" : "among them", said(*telling));
  }
  if (last == nullptr) return {};
  const FailureKind kind = kind_of_failure(*telling);
  ServiceHealth out;
  out.health = Health::failed;
  out.text = std::move(text);
  out.reason = kind.name;
  out.cure = kind.cure;
  out.task = telling->id;
  out.node = telling->node_id;
  out.exit_code = telling->exit_code;
  return out;
}

ServiceHealth HealthWatch::unschedulable(const std::vector<Task>& tasks,
                                         std::chrono::steady_clock::time_point now) {
  const auto pending = std::find_if(tasks.begin(), tasks.end(), [](const Task& task) {
    return task.state == "pending" && !task.error.empty() && is_on_its_way(task);
  });
  if (pending == tasks.end()) {
    pending_error_.clear();
    return {};
  }
  if (pending_error_ != pending->error) {
    pending_error_ = pending->error;
    pending_since_ = now;
  }
  ServiceHealth out;
  out.text = fmt::format("no node takes its task: {}", said(*pending));
  FailureKind kind = kind_of_pending(pending->error);
  out.reason = std::move(kind.name);
  out.cure = std::move(kind.cure);
  if (now - pending_since_ >= rules_.scheduling_timeout) out.health = Health::failed;
  return out;
}

// A swarm's update waits for a new task also when its node is down by now, and for ever.
ServiceHealth HealthWatch::stuck(const Json& service, const std::vector<Task>& tasks,
                                 std::chrono::steady_clock::time_point now) {
  const auto lost = std::find_if(tasks.begin(), tasks.end(), [](const Task& task) {
    return task.is_alive() && task.desired_state == "shutdown";
  });
  const bool is_moving = std::any_of(tasks.begin(), tasks.end(), [](const Task& task) {
    return task.is_alive() && is_on_its_way(task) && task.state != "running";
  });
  if (lost == tasks.end() || is_moving || !is_updating(service)) {
    stuck_at_.clear();
    return {};
  }
  const auto running = std::count_if(tasks.begin(), tasks.end(),
                                     [](const Task& task) { return task.state == "running"; });
  const std::string at = fmt::format("{} {}", lost->id, running);
  if (at != stuck_at_) {
    stuck_at_ = at;
    stuck_since_ = now;
  }
  if (now - stuck_since_ < rules_.scheduling_timeout) return {};
  ServiceHealth out;
  out.health = Health::failed;
  out.text = "its update waits for a task of a node that does not answer, and does not go on";
  out.reason = "node";
  out.cure =
      "Bring the node back or remove it from the swarm, then run it again: tasks go elsewhere "
      "then.";
  out.task = lost->id;
  out.node = lost->node_id;
  return out;
}

// Whether containers still run of a service that is to have none. Those of a node that does not
// answer are listed for ever: what does not move for longer than a stop takes counts no more.
bool HealthWatch::still_stops(const Json& service, const std::vector<Task>& tasks,
                              std::chrono::steady_clock::time_point now) {
  if (service_.mode != "Replicated" || service_.replicas != 0 || service_.is_restored) return false;
  std::string alive;
  for (const Task& task : tasks) {
    if (task.is_alive()) alive += task.id + " ";
  }
  const std::int64_t running = number_in_status(service, "RunningTasks");
  if (running > 0) alive += std::to_string(running);
  if (alive != stopping_) {
    stopping_ = alive;
    stopping_since_ = now;
  }
  const auto patience = std::max(service_.stop_grace * 2, rules_.scheduling_timeout);
  return !alive.empty() && now - stopping_since_ < patience;
}

ServiceHealth HealthWatch::progress(const Json& service, const std::vector<Task>& tasks,
                                    std::size_t nodes) const {
  std::set<std::string> running;
  std::set<std::string> complete;
  const std::int64_t iteration = job_iteration(service);
  for (const Task& task : tasks) {
    if (task.job_iteration >= 0 && iteration >= 0 && task.job_iteration != iteration) continue;
    if (task.state == "running" && task.desired_state == "running") running.insert(task.place());
    if (task.state == "complete" && task.exit_code == 0) complete.insert(task.place());
  }
  ServiceHealth out;
  const bool is_in_update = is_updating(service);
  const bool is_job = service_.mode.ends_with("Job");
  const bool is_global = service_.mode.starts_with("Global");
  const bool may_complete =
      is_job || service_.restart_condition == "none" || service_.restart_condition == "on-failure";
  std::set<std::string> done = is_job ? std::set<std::string>() : running;
  if (may_complete) done.insert(complete.begin(), complete.end());
  auto wanted = is_global ? static_cast<std::int64_t>(nodes) : service_.replicas;
  if (is_global) {
    wanted = tasks_of_global(service, tasks);
    if (wanted == 0) wanted = static_cast<std::int64_t>(nodes);
  }
  if (service_.least_running >= 0) wanted = std::min(wanted, service_.least_running);
  auto have = static_cast<std::int64_t>(done.size());
  if (is_job) have = std::max(have, number_in_status(service, "CompletedTasks"));
  out.text = fmt::format("{} of {} tasks {}{}", have, wanted, is_job ? "completed" : "run",
                         is_in_update ? ", updating" : "");
  const bool is_enough = service_.least_running >= 0
                             ? have >= wanted
                             : have == wanted || (may_complete && have > wanted);
  if (is_enough && !is_in_update) out.health = Health::well;
  return out;
}

ServiceHealth HealthWatch::look(const Json& service, const std::vector<Task>& tasks,
                                std::size_t nodes, std::chrono::steady_clock::time_point now) {
  note_failures(tasks);
  if (ServiceHealth found = update_state(service); found.health == Health::failed) {
    const auto first = std::find_if(failures_.begin(), failures_.end(),
                                    [&](const Task& task) { return !earlier_.contains(task.id); });
    if (!failures_.empty()) {
      const Task& shown = first == failures_.end() ? failures_.back() : *first;
      const FailureKind kind = kind_of_failure(shown);
      found.text += fmt::format(" ({})", said(shown));
      found.cure = kind.cure;
      found.task = shown.id;
      found.node = shown.node_id;
      found.exit_code = shown.exit_code;
    }
    return found;
  }
  if (ServiceHealth found = failed_tasks(tasks); found.health == Health::failed) return found;
  ServiceHealth pending = unschedulable(tasks, now);
  if (pending.health == Health::failed) return pending;
  if (ServiceHealth found = stuck(service, tasks, now); found.health == Health::failed)
    return found;
  ServiceHealth now_there = progress(service, tasks, nodes);
  if (now_there.health == Health::well && still_stops(service, tasks, now)) {
    now_there.health = Health::waiting;
    now_there.text = "its tasks stop";
  }
  if (now_there.health == Health::waiting && !pending.text.empty()) return pending;
  return now_there;
}

}  // namespace pca::swarm_deploy
