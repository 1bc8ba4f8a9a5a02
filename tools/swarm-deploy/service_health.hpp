#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace pca::swarm_deploy {

// One task, as /tasks has it.
struct Task {
  std::string id;
  std::string service_id;
  std::string node_id;
  std::int64_t slot = 0;      // of a replicated service
  std::string state;          // "running", "failed", ...
  std::string desired_state;  // "running", "shutdown", ...
  std::string error;
  std::string message;
  std::string time;  // of its state
  std::int64_t exit_code = 0;
  std::int64_t job_iteration = -1;

  [[nodiscard]] bool has_failed() const { return state == "failed" || state == "rejected"; }
  // Whether its container is, or is still to come; also of one that is to end.
  [[nodiscard]] bool is_alive() const;
  // What it is one of: the slot, or the node of a global service.
  [[nodiscard]] std::string place() const;
  [[nodiscard]] bool was_before(const Task& other) const;  // by the time of their states
};
// Hostile JSON: what is no task is left out.
[[nodiscard]] std::vector<Task> parse_tasks(const Json& list);

// What is waited for.
struct WatchedService {
  std::string name;
  std::string id;
  std::string mode = "Replicated";
  std::int64_t replicas = 1;                   // of a job: completions
  std::string restart_condition = {};          // "none", "on-failure", "any"; empty is any
  std::int64_t max_attempts = 0;               // of starting one again; 0 = without end,
  std::chrono::milliseconds restart_window{};  // within this time; 0 = in all
  std::chrono::milliseconds stop_grace{10'000};
  bool is_unchanged = false;        // nobody writes it now
  bool is_restored = false;         // what the swarm itself took back is as wanted
  std::int64_t least_running = -1;  // well with fewer than `replicas`; -1 = all are wanted
};
[[nodiscard]] WatchedService watched_service(const std::string& name, const std::string& id,
                                             const Json& spec);

// Whether only the number of nodes tells how many tasks a global service is to have.
[[nodiscard]] bool needs_node_count(const Json& service, const std::vector<Task>& tasks);

struct HealthRules {
  std::int64_t max_task_failures = 3;
  std::chrono::milliseconds scheduling_timeout{30'000};
};

enum class Health : std::uint8_t { waiting, well, failed };

struct ServiceHealth {
  Health health = Health::waiting;
  std::string text;    // "1 of 3 tasks run", "is paused: ..."
  std::string reason;  // of a failure: "image", "crash", "unschedulable", ...
  std::string cure;
  std::string task;  // the task that shows it, or empty
  std::string node;
  std::int64_t exit_code = 0;  // of that task's container
};

// What a failed task died of, in a word, and what to do about it.
struct FailureKind {
  std::string name;
  std::string cure;
};
[[nodiscard]] FailureKind kind_of_failure(const Task& task);
// The same of why no node takes a task, and of why a manager takes no service.
[[nodiscard]] FailureKind kind_of_pending(std::string_view error);
[[nodiscard]] FailureKind kind_of_refusal(std::string_view error);

// Looks at one service again and again; keeps which of its tasks failed. `service` and `tasks` (of
// the current spec, of this service alone) are what the Engine says now. Not thread safe.
class HealthWatch {
 public:
  HealthWatch(WatchedService service, HealthRules rules)
      : service_(std::move(service)), rules_(rules) {}

  [[nodiscard]] ServiceHealth look(const Json& service, const std::vector<Task>& tasks,
                                   std::size_t nodes, std::chrono::steady_clock::time_point now);
  [[nodiscard]] const WatchedService& service() const { return service_; }
  // Of what is well with fewer than `replicas`.
  void want_at_most(std::int64_t tasks) {
    if (service_.least_running > tasks) service_.least_running = tasks;
  }
  // Tasks that failed before what is watched began. They count only for a service that nobody
  // writes, and only where nothing comes after them.
  void note_earlier(const std::set<std::string>& ids) { earlier_ = ids; }
  // Tasks that failed since the last call, from the oldest; without the earlier ones.
  [[nodiscard]] std::vector<Task> take_new_failures();

 private:
  [[nodiscard]] ServiceHealth update_state(const Json& service) const;
  void note_failures(const std::vector<Task>& tasks);
  [[nodiscard]] ServiceHealth failed_tasks(const std::vector<Task>& tasks) const;
  [[nodiscard]] bool is_given_up(const std::vector<const Task*>& failures,
                                 const std::vector<Task>& tasks) const;
  [[nodiscard]] ServiceHealth unschedulable(const std::vector<Task>& tasks,
                                            std::chrono::steady_clock::time_point now);
  [[nodiscard]] ServiceHealth stuck(const Json& service, const std::vector<Task>& tasks,
                                    std::chrono::steady_clock::time_point now);
  [[nodiscard]] ServiceHealth progress(const Json& service, const std::vector<Task>& tasks,
                                       std::size_t nodes) const;
  [[nodiscard]] bool still_stops(const Json& service, const std::vector<Task>& tasks,
                                 std::chrono::steady_clock::time_point now);

  WatchedService service_;
  HealthRules rules_;
  std::vector<Task> failures_;  // from the oldest
  std::set<std::string> known_failures_;
  std::set<std::string> earlier_;
  std::set<std::string> told_;
  std::string pending_error_;
  std::chrono::steady_clock::time_point pending_since_;
  std::string stuck_at_;  // which task an update waits for, and how many run
  std::chrono::steady_clock::time_point stuck_since_;
  std::string stopping_;  // which tasks are to end
  std::chrono::steady_clock::time_point stopping_since_;
};

}  // namespace pca::swarm_deploy
