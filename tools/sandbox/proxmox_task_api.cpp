// Workers, as /nodes/{node}/tasks tells of them.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "sandbox/proxmox_api.hpp"

namespace pca::sandbox::proxmox {

namespace {

std::string user_of(const Task& task) { return task.user.substr(0, task.user.find('!')); }

std::string token_of(const Task& task) {
  const auto mark = task.user.find('!');
  return mark == std::string::npos ? "" : task.user.substr(mark + 1);
}

bool may_see(const Cluster& cluster, const Call& call, const Task& task,
             std::string_view privilege) {
  return task.user == call.user || user_of(task) == call.user ||
         cluster.permissions.may(call.user, "/nodes/" + task.node, privilege);
}

Outcome<Task*> task_of(Cluster& cluster, const Call& call, std::string_view privilege) {
  const std::string upid = call.text("upid");
  if (!is_upid(upid)) return bad_parameter("upid", "unable to parse worker upid");
  Task* task = cluster.tasks.find(upid);
  if (task == nullptr || task->node != call.text("node")) {
    return bad_parameter("upid", "no such task");
  }
  if (!may_see(cluster, call, *task, privilege)) {
    return forbidden(fmt::format("/nodes/{}, {}", task->node, privilege));
  }
  return task;
}

Json describe(const Task& task) {
  Json out = Json::object();
  out.set("upid", task.upid).set("node", task.node).set("type", task.type).set("id", task.id);
  out.set("user", user_of(task)).set("pid", task.pid).set("pstart", task.pstart);
  out.set("starttime", task.started);
  if (const std::string token = token_of(task); !token.empty()) out.set("tokenid", token);
  return out;
}

Outcome<> task_status(Cluster& cluster, Call& call) {
  PCA_TRY(Task * task, task_of(cluster, call, "Sys.Audit"));
  Json out = describe(*task);
  out.set("status", task->ended ? "stopped" : "running");
  if (task->ended) out.set("exitstatus", task->status);
  return out;
}

Outcome<> task_log(Cluster& cluster, Call& call) {
  PCA_TRY(Task * task, task_of(cluster, call, "Sys.Audit"));
  const auto start = static_cast<std::size_t>(call.number("start", 0));
  auto limit = static_cast<std::size_t>(call.number("limit", 50));
  if (limit == 0) limit = task->log.size();
  Json lines = Json::array();
  for (std::size_t i = start; i < task->log.size() && i - start < limit; ++i) {
    Json line = Json::object();
    lines.push(line.set("n", static_cast<std::int64_t>(i + 1)).set("t", task->log[i]));
  }
  if (task->log.empty()) {
    Json line = Json::object();
    lines.push(line.set("n", 1).set("t", "no content"));
  }
  call.total = static_cast<std::int64_t>(std::max<std::size_t>(task->log.size(), 1));
  return lines;
}

Outcome<> stop_task(Cluster& cluster, Call& call) {
  PCA_TRY(Task * task, task_of(cluster, call, "Sys.Modify"));
  if (!task->ended) {
    cluster.tasks.kill(cluster, *task);
    call.delay = timing::task_stop.time;
  }
  return Json();
}

// What a list can be asked for.
bool is_wanted(const Task& task, const Call& call) {
  const std::string source = call.text("source", "archive");
  if (source == "archive" && !task.ended) return false;
  if (source == "active" && task.ended) return false;
  if (call.has("typefilter") && task.type != call.text("typefilter")) return false;
  if (call.has("vmid") && task.id != call.text("vmid")) return false;
  if (call.has("since") && task.started < call.number("since")) return false;
  if (call.has("until") && task.started > call.number("until")) return false;
  if (call.has("userfilter") && task.user.find(call.text("userfilter")) == std::string::npos) {
    return false;
  }
  if (call.flag("errors") && task.status == "OK") return false;
  if (!call.has("statusfilter")) return true;
  std::string kind = "error";
  if (task.status == "OK") kind = "ok";
  if (task.status.starts_with("WARNINGS")) kind = "warning";
  if (task.status == "unexpected status") kind = "unknown";
  const auto kinds = split(call.text("statusfilter"), ',');
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

Json list_of(Cluster& cluster, Call& call, const std::vector<Task*>& all, bool is_cluster) {
  const auto start = static_cast<std::size_t>(call.number("start", 0));
  const auto limit = static_cast<std::size_t>(call.number("limit", is_cluster ? 75 : 50));
  Json out = Json::array();
  std::size_t place = 0;
  for (const Task* task : all) {
    if (!is_cluster && !is_wanted(*task, call)) continue;
    if (!may_see(cluster, call, *task, "Sys.Audit")) continue;
    ++place;
    if (place <= start || place > start + limit) continue;
    Json item = describe(*task);
    if (task->ended) {
      item.set("endtime", *task->ended).set("status", task->status);
    } else {
      item.set("user", task->user).set("saved", "0");
      if (!is_cluster) item.set("status", "RUNNING");
    }
    out.push(std::move(item));
  }
  if (!is_cluster) call.total = static_cast<std::int64_t>(place);
  return out;
}

Outcome<> list_tasks(Cluster& cluster, Call& call) {
  return list_of(cluster, call, cluster.tasks.newest_first(call.text("node")), false);
}

Outcome<> cluster_tasks(Cluster& cluster, Call& call) {
  return list_of(cluster, call, cluster.tasks.newest_first(""), true);
}

}  // namespace

std::vector<Endpoint> task_endpoints() {
  const std::string tasks = "/nodes/{node}/tasks";
  return {
      {"GET " + tasks, By::listener, "",
       "errors:boolean limit:integer(0..) since:integer source:{archive|active|all} "
       "start:integer(0..) statusfilter:string typefilter:string until:integer userfilter:string "
       "vmid:vmid(100..999999999)",
       list_tasks},
      {"GET " + tasks + "/{upid}/status", By::root, "", "", task_status},
      {"GET " + tasks + "/{upid}/log", By::root, "",
       "download:boolean limit:integer(0..) start:integer(0..)", task_log},
      {"DELETE " + tasks + "/{upid}", By::root, "", "", stop_task},
      {"GET /cluster/tasks", By::listener, "", "", cluster_tasks},
  };
}

}  // namespace pca::sandbox::proxmox
