#include "swarm-deploy/service_health.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::size_t longest_text = 300;
constexpr std::size_t most_failures = 200;

std::int64_t number_of(const Json* value) {
  return value == nullptr || value->as_int() == nullptr ? 0 : *value->as_int();
}

std::string said(const Task& task) {
  const std::string& text = task.error.empty() ? task.message : task.error;
  return visible(cut_utf8(to_valid_utf8(text), longest_text));
}

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
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

}  // namespace

std::string Task::place() const { return slot > 0 ? std::to_string(slot) : node_id; }

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
    if (const Json* policy = task->find("RestartPolicy"))
      service.restart_condition = policy->text_of("Condition");
  }
  return service;
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
  if (task.state == "rejected") return {"rejected", "The node refused it: see what it says."};
  return {"crash", "It ended by itself: look at its log."};
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
    if (task.has_failed() && failures_.size() < most_failures) failures_.emplace(task.id, task);
  }
}

std::vector<Task> HealthWatch::take_new_failures() {
  std::vector<Task> fresh;
  for (const auto& [id, task] : failures_) {
    if (told_.insert(id).second) fresh.push_back(task);
  }
  return fresh;
}

// Enough of them in one place, or one of a task that is not started again.
ServiceHealth HealthWatch::failed_tasks() const {
  std::map<std::string, std::int64_t> count;
  for (const auto& [id, task] : failures_) {
    const std::int64_t so_far = ++count[task.place()];
    const bool is_last = service_.restart_condition == "none";
    if (!is_last && so_far < rules_.max_task_failures) continue;
    const FailureKind kind = kind_of_failure(task);
    ServiceHealth out;
    out.health = Health::failed;
    out.reason = kind.name;
    out.cure = kind.cure;
    out.task = task.id;
    out.node = task.node_id;
    out.text = is_last ? fmt::format("its task failed: {}", said(task))
                       : fmt::format("{} of its tasks failed, the last: {}", so_far, said(task));
    return out;
  }
  return {};
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
  out.reason = "unschedulable";
  out.cure = "Check placement constraints, resources, ports, and docker node ls.";
  if (now - pending_since_ >= rules_.scheduling_timeout) out.health = Health::failed;
  return out;
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
  const Json* update = service.find("UpdateStatus");
  const std::string state = update == nullptr ? std::string() : update->text_of("State");
  const bool is_updating = state == "updating" || state == "rollback_started";
  const bool is_job = service_.mode.ends_with("Job");
  const bool is_global = service_.mode.starts_with("Global");
  const bool may_complete =
      is_job || service_.restart_condition == "none" || service_.restart_condition == "on-failure";
  std::set<std::string> done = is_job ? std::set<std::string>() : running;
  if (may_complete) done.insert(complete.begin(), complete.end());
  auto wanted = is_global ? static_cast<std::int64_t>(nodes) : service_.replicas;
  if (is_global) {
    // Those nodes that the constraints leave are those that have a task.
    std::set<std::string> places;
    for (const Task& task : tasks) places.insert(task.place());
    const std::int64_t desired = number_in_status(service, "DesiredTasks");
    wanted = std::max(desired, static_cast<std::int64_t>(places.size()));
    if (wanted == 0) wanted = static_cast<std::int64_t>(nodes);
  }
  if (service_.least_running >= 0) wanted = std::min(wanted, service_.least_running);
  auto have = static_cast<std::int64_t>(done.size());
  if (is_job) have = std::max(have, number_in_status(service, "CompletedTasks"));
  out.text = fmt::format("{} of {} tasks {}{}", have, wanted, is_job ? "completed" : "run",
                         is_updating ? ", updating" : "");
  const bool is_enough = service_.least_running >= 0
                             ? have >= wanted
                             : have == wanted || (may_complete && have > wanted);
  if (is_enough && !is_updating) out.health = Health::well;
  return out;
}

ServiceHealth HealthWatch::look(const Json& service, const std::vector<Task>& tasks,
                                std::size_t nodes, std::chrono::steady_clock::time_point now) {
  note_failures(tasks);
  if (ServiceHealth found = update_state(service); found.health == Health::failed) {
    const auto shown = std::find_if(failures_.begin(), failures_.end(), [](const auto& failure) {
      return failure.second.has_failed();
    });
    if (shown != failures_.end()) {
      const FailureKind kind = kind_of_failure(shown->second);
      found.text += fmt::format(" ({})", said(shown->second));
      found.cure = kind.cure;
      found.task = shown->second.id;
      found.node = shown->second.node_id;
    }
    return found;
  }
  if (ServiceHealth found = failed_tasks(); found.health == Health::failed) return found;
  ServiceHealth pending = unschedulable(tasks, now);
  if (pending.health == Health::failed) return pending;
  ServiceHealth now_there = progress(service, tasks, nodes);
  if (now_there.health == Health::waiting && !pending.text.empty()) return pending;
  return now_there;
}

}  // namespace pca::swarm_deploy
