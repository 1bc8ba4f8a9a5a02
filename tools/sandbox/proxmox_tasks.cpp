#include "sandbox/proxmox_tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "base/text.hpp"
#include "sandbox/proxmox_cluster.hpp"

namespace pca::sandbox::proxmox {

namespace {

constexpr Milliseconds look_again{20};  // for a lock that somebody else holds

int guest_number(const std::string& id) {
  return static_cast<int>(parse_integer(id, 1, 999'999'999).value_or(0));
}

// Somebody may have taken its guest away meanwhile.
Outcome<void> check_guest(const Cluster& cluster, const Work& work) {
  const int vmid = work.needs != 0 ? work.needs : work.locks;
  if (vmid == 0 || cluster.guests.contains(vmid)) return {};
  return server_error(fmt::format(
      "Configuration file 'nodes/{}/qemu-server/{}.conf' does not exist", work.node, vmid));
}

// The lock file of the guest that `work` changes, or of the storage; nothing while others hold it.
Outcome<void> take_locks(Cluster& cluster, const Work& work, const std::string& upid) {
  const auto guest = cluster.guests.find(work.locks);
  if (work.locks != 0 && guest != cluster.guests.end()) {
    const bool is_held = !guest->second.lock_holder.empty() ||
                         cluster.faults.due("lock-held", "*", work.locks) != nullptr;
    if (is_held) return lock_timeout(work.locks, guest->second.is_container);
    guest->second.lock_holder = upid;
  }
  const auto storage = cluster.storages.find(work.storage_lock);
  if (storage != cluster.storages.end()) {
    if (!storage->second.busy_with.empty()) {
      Failure failure = server_error(fmt::format(
          "can't lock file '/var/lock/pve-manager/pve-storage-{}' - got timeout", storage->first));
      failure.patience = timing::storage_lock.time;
      return failure;
    }
    storage->second.busy_with = upid;
  }
  return {};
}

void release_locks(Cluster& cluster, const std::string& upid) {
  for (auto& [vmid, guest] : cluster.guests) {
    if (guest.lock_holder == upid) guest.lock_holder.clear();
  }
  for (auto& [name, storage] : cluster.storages) {
    if (storage.busy_with == upid) storage.busy_with.clear();
  }
}

}  // namespace

std::string Tasks::start(Cluster& cluster, const std::string& user, Work work) {
  Task task;
  task.node = work.node;
  task.type = work.type;
  task.id = work.id;
  task.user = user;
  task.pid = 20'000 + static_cast<std::int64_t>(order_.size() * 7);
  task.pstart = cluster.schedule.now().count() / 10 % 0x7FFFFFFF;
  task.started = cluster.seconds();
  task.log = work.log;
  task.upid = fmt::format("UPID:{}:{:08X}:{:08X}:{:08X}:{}:{}:{}:", task.node, task.pid,
                          task.pstart, task.started, task.type, task.id, user);
  task.work = std::move(work);
  for (const char* kind :
       {"task-fails", "task-fails-late", "task-warns", "task-dies", "task-hangs"}) {
    // All are asked, because all count.
    const InjectedFault* fault = cluster.faults.due(kind, task.type, guest_number(task.id));
    if (fault != nullptr && !task.fault) task.fault = *fault;
  }
  const std::string upid = task.upid;
  tasks_[upid] = std::move(task);
  order_.push_back(upid);
  attempt(cluster, upid);
  return upid;
}

void Tasks::attempt(Cluster& cluster, const std::string& upid) {
  Task& task = tasks_.at(upid);
  Outcome<void> begun = check_guest(cluster, task.work);
  if (begun) begun = take_locks(cluster, task.work, upid);
  if (begun && task.work.begin) begun = task.work.begin();
  if (!begun) {
    release_locks(cluster, upid);
    if (task.waited < begun.error().patience) {
      task.waited += look_again;
      task.event =
          cluster.schedule.after(look_again, [this, &cluster, upid] { attempt(cluster, upid); });
      return;
    }
    if (task.work.is_made_early && task.work.abandon) task.work.abandon();
    return end(cluster, task, begun.error().message);
  }
  if (task.fault && task.fault->kind == "task-hangs") return;
  task.event =
      cluster.schedule.after(task.work.time, [this, &cluster, upid] { complete(cluster, upid); });
}

void Tasks::complete(Cluster& cluster, const std::string& upid) {
  Task& task = tasks_.at(upid);
  const std::string fault = task.fault ? task.fault->kind : "";
  if (fault == "task-fails") {
    if (task.work.abandon) task.work.abandon();
    return end(cluster, task, task.fault->text);
  }
  if (fault == "task-dies") return kill(cluster, task);
  Outcome<void> finished = check_guest(cluster, task.work);
  if (finished && task.work.finish) finished = task.work.finish();
  if (!finished) {
    if (task.work.abandon) task.work.abandon();
    return end(cluster, task, finished.error().message);
  }
  if (fault == "task-fails-late") return end(cluster, task, task.fault->text);
  if (fault != "task-warns") return end(cluster, task, "OK");
  task.log.push_back("WARN: " + task.fault->text);
  end(cluster, task, "WARNINGS: 1");
}

void Tasks::end(Cluster& cluster, Task& task, const std::string& status) {
  if (task.ended) return;
  cluster.schedule.cancel(task.event);
  release_locks(cluster, task.upid);
  task.ended = cluster.seconds();
  task.status = status;
  if (status == "OK") {
    task.log.emplace_back("TASK OK");
  } else if (status.starts_with("WARNINGS: ")) {
    task.log.push_back("TASK " + status);
  } else if (status != "unexpected status") {
    task.log.push_back("TASK ERROR: " + status);
  }
  task.work = {};
}

void Tasks::kill(Cluster& cluster, Task& task) {
  if (task.ended) return;
  if (task.work.abandon) task.work.abandon();
  end(cluster, task, "unexpected status");
}

Task* Tasks::find(const std::string& upid) {
  const auto found = tasks_.find(upid);
  return found == tasks_.end() ? nullptr : &found->second;
}

std::vector<Task*> Tasks::newest_first(const std::string& node) {
  std::vector<Task*> found;
  for (auto upid = order_.rbegin(); upid != order_.rend(); ++upid) {
    Task& task = tasks_.at(*upid);
    if (node.empty() || task.node == node) found.push_back(&task);
  }
  return found;
}

bool is_upid(std::string_view text) {
  static const std::regex upid(
      "UPID:[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?:[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:"
      "[0-9A-Fa-f]{8}:[^:\\s]+:[^:\\s]*:[^:\\s]+:");
  return std::regex_match(text.begin(), text.end(), upid);
}

Outcome<> start_task(Cluster& cluster, const Call& call, Work work) {
  if (work.node.empty()) work.node = call.text("node");
  return Json(cluster.tasks.start(cluster, call.user, std::move(work)));
}

}  // namespace pca::sandbox::proxmox
