#include "proxmox-deploy/api_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/percent.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/tasks.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

std::string example_of(const std::string& rest) {
  return "proxmox-deploy " + rest + " --api pve1.example.com --api-token-file token.txt";
}

std::string time_of(const Json& task, std::string_view key) {
  const auto seconds = number_in(task, key);
  if (!seconds || *seconds < 0 || *seconds > 100'000'000'000) return {};
  return utc_text(UtcTime(std::chrono::seconds(*seconds)));
}

// "/nodes/pve1/qemu": nothing that would lead elsewhere.
bool is_path(std::string_view text) {
  return text.starts_with('/') && text.find("..") == std::string_view::npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7F && c != '?' && c != '#' && c != '\\' && c != '"';
         });
}

// The node in a path, so that it is asked directly.
std::string node_in(const std::string& path) {
  const std::vector<std::string> parts = split(path, '/');
  return parts.size() > 2 && parts[1] == "nodes" ? parts[2] : std::string();
}

}  // namespace

CommandSpec api_command() {
  return {
      .name = "api",
      .summary =
          "Calls the API with a method, a path and parameters, waits for the task where there "
          "is one, and prints the answer",
      .options = joined({{{.name = "method",
                           .type = OptionType::choice,
                           .help = "get asks, the others change something",
                           .choices = {"get", "post", "put", "delete"},
                           .required = true,
                           .group = "Call"},
                          {.name = "path",
                           .help = "Behind /api2/json: /nodes/pve1/qemu",
                           .placeholder = "PATH",
                           .required = true,
                           .group = "Call"},
                          {.name = "parameters",
                           .type = OptionType::list,
                           .help = "NAME=VALUE, one a line; a name several times is a list",
                           .placeholder = "NAME=VALUE",
                           .group = "Call"},
                          {.name = "wait",
                           .type = OptionType::boolean,
                           .default_value = "true",
                           .help = "Wait for the task that it starts, and fail when that does",
                           .group = "Call"}},
                         {timeout_option("15m", "How long it may take")},
                         api_options()}),
      .positionals = {"method", "path", "parameters"},
      .stdout_use = StdoutUse::result,
      .examples = {{"All guests", example_of("api get /cluster/resources type=vm")},
                   {"Move a guest",
                    example_of("api post /nodes/pve1/qemu/101/migrate target=pve2 online=1")}},
  };
}

CommandSpec tasks_command() {
  return {
      .name = "tasks",
      .summary = "Lists the newest tasks of the cluster or of a node, and how they ended",
      .options = joined({{{.name = "node",
                           .help = "Only of this node, which has more of them",
                           .placeholder = "NODE",
                           .group = "Tasks"},
                          {.name = "vmid",
                           .type = OptionType::integer,
                           .help = "Only about this guest",
                           .least = 100,
                           .most = 999999999,
                           .group = "Tasks"},
                          {.name = "failed",
                           .type = OptionType::boolean,
                           .default_value = "false",
                           .help = "Only those that failed",
                           .group = "Tasks"},
                          {.name = "limit",
                           .type = OptionType::integer,
                           .default_value = "20",
                           .help = "How many",
                           .least = 1,
                           .most = 500,
                           .group = "Tasks"}},
                         {timeout_option("1m", "How long it may take")},
                         api_options()}),
      .outputs = {{contract::report, "Path of a JSON file with all that was found"}},
      .examples = {{"What went wrong", example_of("tasks --failed")}},
  };
}

Result<int> run_api(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  ApiRequest request{.method = to_upper(inputs.text("method")), .path = inputs.text("path")};
  if (request.path.starts_with("/api2/json/")) request.path.erase(0, 10);
  if (!request.path.empty() && !is_path(request.path)) {
    bad.add(
        "path", fmt::format("{} is no path of the API", shown(request.path)),
        "Write it from the slash behind /api2/json on, as /nodes/pve1/qemu; parameters stand by "
        "themselves.");
  }
  for (const std::string& line : inputs.list("parameters")) {
    const std::size_t equals = line.find('=');
    if (equals == 0 || equals == std::string::npos) {
      bad.add("parameters", fmt::format("{} is no NAME=VALUE", shown(line)), "Write target=pve2.");
      continue;
    }
    std::string value = line.substr(equals + 1);
    const std::string name = line.substr(0, equals);
    // It is encoded text, which nobody writes by hand.
    if (name == "sshkeys" && value.find(' ') != std::string::npos) value = ssh_keys_value(value);
    request.parameters.emplace_back(name, std::move(value));
  }
  if (!bad.empty()) return bad.to_error();
  request.node = node_in(request.path);
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, way));
  if (!request.node.empty()) api->learn_nodes(budget);
  PCA_TRY(const Json answer, api->ask_patiently(budget, request));
  Reporter& reporter = context.reporter;
  const auto task = answer.as_string() == nullptr ? Result<Upid>(failed("no task"))
                                                  : parse_upid(*answer.as_string());
  if (task && inputs.flag("wait")) {
    Tasks tasks(*api);
    const auto end = tasks.wait(budget, *task);
    for (const TaskLog& log : tasks.logs()) {
      reporter.group("Log of the task " + log.title);
      reporter.remote("")->feed(log.text);
      reporter.end_group();
    }
    if (!end) return end.error();
    if (!end->warnings.empty()) reporter.warning("the task ended with " + end->warnings);
  }
  Json report = Json::object();
  report.set("data", answer);
  reporter.report(report);
  reporter.remote("")->feed(answer.dump_pretty() + "\n");
  return 0;
}

Result<int> run_tasks(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string& node = inputs.text("node");
  if (node.find_first_of("/.? ") != std::string::npos) {
    bad.add("node", fmt::format("{} is no name of a node", shown(node)), "Write pve1.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, way));
  ApiRequest request{.path = "/cluster/tasks"};
  if (!node.empty()) {
    PCA_TRY(const ClusterView view, read_cluster(budget, *api));
    if (view.find_node(node) == nullptr) {
      return failed(fmt::format("there is no node {}", shown(node)),
                    "The nodes are " + join(view.node_names(), ", ") + ".");
    }
    request.path = fmt::format("/nodes/{}/tasks", percent_encoded(node));
    request.parameters = {{"source", "all"}, {"limit", std::to_string(inputs.integer("limit"))}};
    if (inputs.has("vmid")) {
      request.parameters.emplace_back("vmid", std::to_string(inputs.integer("vmid")));
    }
    if (inputs.flag("failed")) request.parameters.emplace_back("errors", "1");
  }
  PCA_TRY(const Json answer, api->ask(budget, request));
  TextTable table{{"started", "node", "type", "id", "user", "state"}, {}};
  Json list = Json::array();
  const auto limit = static_cast<std::size_t>(inputs.integer("limit"));
  const std::string vmid = inputs.has("vmid") ? std::to_string(inputs.integer("vmid")) : "";
  if (answer.as_array() != nullptr) {
    for (const Json& task : *answer.as_array()) {
      const std::string status = task.text_of("status");
      const bool is_failed = !status.empty() && status != "OK" && status != "RUNNING" &&
                             !status.starts_with("WARNINGS");
      if (table.rows.size() == limit || (inputs.flag("failed") && !is_failed)) continue;
      if (!vmid.empty() && text_in(task, "id") != vmid) continue;
      const std::string token = task.text_of("tokenid");
      table.rows.push_back({time_of(task, "starttime"), task.text_of("node"), task.text_of("type"),
                            text_in(task, "id"),
                            task.text_of("user") + (token.empty() ? "" : "!" + token),
                            status.empty() ? "running" : status});
      list.push(task);
    }
  }
  context.reporter.info(table.rows.empty() ? "no tasks" : aligned_table(table));
  Json report = Json::object();
  report.set("command", "tasks").set("tasks", std::move(list));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  return 0;
}

}  // namespace pca::proxmox_deploy
