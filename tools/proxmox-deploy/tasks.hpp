#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "proxmox-deploy/proxmox_api.hpp"
#include "proxmox-deploy/upid.hpp"

namespace pca::proxmox_deploy {

// How a task ended well. WARNINGS is well, too.
struct TaskEnd {
  std::string warnings;  // "WARNINGS: 1", or empty
  std::string log;       // of one with warnings
};

// The last lines of a task, and what it was.
struct TaskLog {
  std::string title;  // "qmclone of 101 on pve1"
  std::string text;
};

// Waits for tasks, and keeps the logs of those that failed or warned.
class Tasks {
 public:
  explicit Tasks(ProxmoxApi& api) : api_(api) {}

  // Looks after 25 ms first, then half as long again, up to each second. Errors: what the task
  // ended with, as api_error() tells it; those of the API, but that a node does not answer only
  // after 30 s.
  [[nodiscard]] ApiResult<TaskEnd> wait(const Budget& budget, const Upid& task);
  // All of them; those of one node by one call.
  [[nodiscard]] std::vector<ApiResult<TaskEnd>> wait_all(const Budget& budget,
                                                         std::span<const Upid> tasks);
  // Sends a request whose answer is a task, and waits for it. What is busy is tried again, whether
  // the answer or the task says so. `on_start` hears of the task before it is waited for.
  [[nodiscard]] ApiResult<TaskEnd> run(const Budget& budget, const ApiRequest& request,
                                       const std::function<void(const Upid&)>& on_start = {});
  // The same of one that would go on without us: when the time is up, or at a cancel, it is ended.
  [[nodiscard]] ApiResult<> run_or_stop(const Budget& budget, const ApiRequest& request);
  // Ends one that runs; ok also when it had ended.
  [[nodiscard]] ApiResult<> stop(const Budget& budget, const Upid& task);

  [[nodiscard]] const std::vector<TaskLog>& logs() const { return logs_; }

 private:
  [[nodiscard]] ApiResult<TaskEnd> end_of(const Budget& budget, const Upid& task,
                                          const std::string& status);
  [[nodiscard]] std::string fetch_log(const Budget& budget, const Upid& task);

  ProxmoxApi& api_;
  std::vector<TaskLog> logs_;
};

// "qmclone of 101 on pve1".
[[nodiscard]] std::string title_of(const Upid& task);

// The text of a log's answer: hostile, lines are made visible().
[[nodiscard]] std::string text_of_log(const Json& data);

// The pause before look number `look` (from 0).
[[nodiscard]] Milliseconds look_pause(int look);

// For ApiRequest::find_done of one that starts a task of this type about this guest.
[[nodiscard]] std::function<ApiResult<std::optional<Json>>(const Budget&)> find_task(
    ProxmoxApi& api, std::string node, std::string type, std::int64_t vmid);
// The same of one that is about something else, as "100-mp0>101-mp0".
[[nodiscard]] std::function<ApiResult<std::optional<Json>>(const Budget&)> find_task(
    ProxmoxApi& api, std::string node, std::string type, std::string subject);
// Those of this type that run on a node now.
[[nodiscard]] ApiResult<std::vector<Upid>> running_tasks(const Budget& budget, ProxmoxApi& api,
                                                         const std::string& node,
                                                         const std::string& type);

}  // namespace pca::proxmox_deploy
