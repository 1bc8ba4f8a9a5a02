#include "proxmox-deploy/tasks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/backoff.hpp"
#include "base/percent.hpp"
#include "base/text.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr double first_pause_ms = 25;
constexpr double pause_growth = 1.5;
constexpr double longest_pause_ms = 1000;
constexpr std::size_t most_log_lines = 100;  // the last ones
constexpr std::size_t longest_line = 1000;
constexpr Milliseconds log_limit{10'000};
constexpr Milliseconds stopping_limit{3'000};
constexpr int unseen_looks = 5;  // then a task is asked for by itself
constexpr const char* list_limit = "500";
// A node that is busy, restarts its API or is cut off for a moment has not ended the task.
constexpr Milliseconds longest_silence{30'000};

std::string task_path(const Upid& task, const char* what) {
  return fmt::format("/nodes/{}/tasks/{}{}", percent_encoded(task.node), percent_encoded(task.text),
                     what);
}

bool may_pass(const ApiFailure& failure) {
  return failure.trouble == Trouble::node_away || failure.kind == ErrorKind::unreachable;
}

// Nothing while it runs.
ApiResult<std::optional<std::string>> ask_status(const Budget& budget, ProxmoxApi& api,
                                                 const Upid& task) {
  PCA_TRY(const Json status,
          api.ask(budget, {.path = task_path(task, "/status"), .node = task.node}));
  const std::string exit = status.text_of("exitstatus");
  // Right after its end there may be none yet.
  if (status.text_of("status") != "stopped" || exit.empty()) return std::optional<std::string>();
  return std::optional(exit);
}

}  // namespace

std::string title_of(const Upid& task) {
  return fmt::format("{}{} on {}", task.type, task.id.empty() ? "" : " of " + task.id, task.node);
}

Milliseconds look_pause(int look) {
  const double ms =
      std::min(first_pause_ms * std::pow(pause_growth, std::min(look, 20)), longest_pause_ms);
  return Milliseconds{std::lround(ms)};
}

std::string text_of_log(const Json& data) {
  if (data.as_array() == nullptr) return {};
  std::vector<std::string> lines;
  for (const Json& line : *data.as_array()) {
    lines.push_back(visible(cut_utf8(to_valid_utf8(line.text_of("t")), longest_line)));
  }
  if (lines.size() > most_log_lines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(most_log_lines));
  }
  return join(lines, "\n");
}

std::string Tasks::fetch_log(const Budget& budget, const Upid& task) {
  // Also when the time for all else is up.
  const Budget limit(std::max(budget.deadline(), Clock::now() + log_limit), budget.stop());
  const auto log =
      api_.ask(limit.at_most(log_limit), {.path = task_path(task, "/log"),
                                          .parameters = {{"start", "0"}, {"limit", "5000"}},
                                          .node = task.node});
  return log ? text_of_log(*log) : std::string();
}

ApiResult<TaskEnd> Tasks::end_of(const Budget& budget, const Upid& task,
                                 const std::string& status) {
  if (status == "OK") return TaskEnd{};
  const bool is_warning = status.starts_with("WARNINGS");
  const Trouble trouble = trouble_of(0, status);
  std::string log;
  // A lock that is tried again is no news.
  if (is_warning || trouble != Trouble::busy) {
    log = fetch_log(budget, task);
    if (!log.empty()) logs_.push_back({title_of(task), log});
  }
  if (is_warning) return TaskEnd{visible(status), std::move(log)};
  return {ApiFailure(api_error(fmt::format("the task {}", title_of(task)), 0, status), trouble)};
}

ApiResult<TaskEnd> Tasks::wait(const Budget& budget, const Upid& task) {
  const Upid one[] = {task};
  return std::move(wait_all(budget, one).front());
}

std::vector<ApiResult<TaskEnd>> Tasks::wait_all(const Budget& budget, std::span<const Upid> tasks) {
  std::vector<std::optional<ApiResult<TaskEnd>>> ends(tasks.size());
  std::vector<Clock::time_point> heard(tasks.size(), Clock::now());
  const auto not_heard = [&](std::size_t i, const ApiFailure& failure) {
    if (may_pass(failure) && ms_since(heard[i]) < static_cast<double>(longest_silence.count()))
      return;
    ends[i] = ApiResult<TaskEnd>(failure);
  };
  const auto look_alone = [&](std::size_t i) {
    auto status = ask_status(budget, api_, tasks[i]);
    if (!status) return not_heard(i, status.error());
    heard[i] = Clock::now();
    if (*status) {
      ends[i] = end_of(budget, tasks[i], **status);
    }
  };
  for (int look = 0;; ++look) {
    std::map<std::string, std::vector<std::size_t>> waiting;  // by node
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (!ends[i]) waiting[tasks[i].node].push_back(i);
    }
    if (waiting.empty()) break;
    if (const auto waited = pause_for(budget, look_pause(look)); !waited) {
      Error error =
          budget.check("waiting for the task " + title_of(tasks[waiting.begin()->second.front()]))
              .error();
      for (const auto& [node, places] : waiting) {
        for (const std::size_t i : places) ends[i] = ApiResult<TaskEnd>(ApiFailure(error));
      }
      break;
    }
    for (const auto& [node, places] : waiting) {
      if (places.size() == 1) {
        look_alone(places.front());
        continue;
      }
      std::int64_t since = tasks[places.front()].start_time;
      for (const std::size_t i : places) since = std::min(since, tasks[i].start_time);
      auto list = api_.ask(budget, {.path = fmt::format("/nodes/{}/tasks", percent_encoded(node)),
                                    .parameters = {{"source", "all"},
                                                   {"limit", list_limit},
                                                   {"since", std::to_string(since)}},
                                    .node = node});
      if (!list) {
        for (const std::size_t i : places) not_heard(i, list.error());
        continue;
      }
      std::map<std::string, std::string> states;
      if (list->as_array() != nullptr) {
        for (const Json& one : *list->as_array()) {
          states[one.text_of("upid")] = one.text_of("status");
        }
      }
      for (const std::size_t i : places) {
        heard[i] = Clock::now();
        const auto state = states.find(tasks[i].text);
        if (state == states.end()) {
          if (look >= unseen_looks) look_alone(i);
        } else if (!state->second.empty() && state->second != "RUNNING") {
          ends[i] = end_of(budget, tasks[i], state->second);
        }
      }
    }
  }
  std::vector<ApiResult<TaskEnd>> out;
  for (auto& end : ends) out.push_back(*std::move(end));
  return out;
}

ApiResult<TaskEnd> Tasks::run(const Budget& budget, const ApiRequest& request,
                              const std::function<void(const Upid&)>& on_start) {
  for (int tries = 0;; ++tries) {
    PCA_TRY(const Json answer, api_.ask_patiently(budget, request));
    // What some releases do at once has no task.
    if (answer.as_string() == nullptr || answer.as_string()->empty()) return TaskEnd{};
    auto task = parse_upid(*answer.as_string());
    if (!task) {
      return {ApiFailure(failed(fmt::format("{}: {}", describe(request), task.error().message)))};
    }
    if (on_start) on_start(*task);
    auto end = wait(budget, *task);
    if (end || end.error().trouble != Trouble::busy) return end;
    const Milliseconds pause = look_pause(8 + tries);
    if (pause >= budget.left()) return end;
    if (tries == 0) api_.say(end.error().message + "; waiting for it");
    if (!pause_for(budget,
                   std::chrono::duration_cast<Milliseconds>(pause * (0.5 + random_fraction())))) {
      return end;
    }
  }
}

ApiResult<> Tasks::run_or_stop(const Budget& budget, const ApiRequest& request) {
  std::optional<Upid> running;
  auto end = run(budget, request, [&](const Upid& task) { running = task; });
  if (end) return {};
  if (running && budget.is_over()) (void)stop(Budget::of(stopping_limit), *running).has_value();
  return std::move(end).error();
}

ApiResult<> Tasks::stop(const Budget& budget, const Upid& task) {
  auto stopped =
      api_.ask(budget, {.method = "DELETE",
                        .path = task_path(task, ""),
                        .node = task.node,
                        .find_done = [](const Budget&) -> ApiResult<std::optional<Json>> {
                          return std::optional<Json>(Json());
                        }});
  if (!stopped) return std::move(stopped).error();
  return {};
}

namespace {

ApiResult<Json> list_tasks(const Budget& budget, ProxmoxApi& api, const std::string& node,
                           Parameters which) {
  return api.ask(budget, {.path = fmt::format("/nodes/{}/tasks", percent_encoded(node)),
                          .parameters = std::move(which),
                          .node = node});
}

std::function<ApiResult<std::optional<Json>>(const Budget&)> find_task_of(
    ProxmoxApi& api, std::string node, std::string type, std::string subject, Parameters which) {
  const std::int64_t since =
      std::chrono::duration_cast<std::chrono::seconds>(api.now().time_since_epoch()).count() - 2;
  which.insert(which.end(),
               {{"source", "all"}, {"typefilter", type}, {"since", std::to_string(since)}});
  return [&api, node = std::move(node), type = std::move(type), subject = std::move(subject),
          which = std::move(which), since](const Budget& budget) -> ApiResult<std::optional<Json>> {
    PCA_TRY(const Json list, list_tasks(budget, api, node, which));
    if (list.as_array() == nullptr) return std::optional<Json>();
    for (const Json& one : *list.as_array()) {
      if (one.text_of("type") == type && text_in(one, "id") == subject &&
          number_in(one, "starttime").value_or(0) >= since) {
        return std::optional<Json>(one.text_of("upid"));
      }
    }
    return std::optional<Json>();
  };
}

}  // namespace

std::function<ApiResult<std::optional<Json>>(const Budget&)> find_task(ProxmoxApi& api,
                                                                       std::string node,
                                                                       std::string type,
                                                                       std::int64_t vmid) {
  const std::string id = std::to_string(vmid);
  return find_task_of(api, std::move(node), std::move(type), id, {{"vmid", id}});
}

std::function<ApiResult<std::optional<Json>>(const Budget&)> find_task(ProxmoxApi& api,
                                                                       std::string node,
                                                                       std::string type,
                                                                       std::string subject) {
  return find_task_of(api, std::move(node), std::move(type), std::move(subject), {});
}

ApiResult<std::vector<Upid>> running_tasks(const Budget& budget, ProxmoxApi& api,
                                           const std::string& node, const std::string& type) {
  PCA_TRY(const Json list,
          list_tasks(budget, api, node, {{"source", "active"}, {"typefilter", type}}));
  std::vector<Upid> running;
  const Json::Array none;
  for (const Json& one : list.as_array() == nullptr ? none : *list.as_array()) {
    const auto task = parse_upid(one.text_of("upid"));
    const std::string status = one.text_of("status");
    if (task && task->type == type && (status.empty() || status == "RUNNING"))
      running.push_back(*task);
  }
  return running;
}

}  // namespace pca::proxmox_deploy
