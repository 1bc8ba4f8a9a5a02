#include "proxmox-deploy/destroy_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/glob.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/preview_name.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds longest_ttl{std::chrono::hours(24 * 3650)};

std::vector<Output> removal_outputs() {
  return {{contract::removed, "How many guests were removed"},
          {contract::duration_ms, "How long it took"},
          {contract::report, "Path of a JSON file with all that was removed"}};
}

std::vector<Option> removal_options() {
  return {{.name = "dry-run",
           .type = OptionType::boolean,
           .default_value = "false",
           .help = "Only list what would be removed",
           .group = "Guest"},
          {.name = "shutdown-timeout",
           .type = OptionType::duration,
           .default_value = "60s",
           .help = "How long each guest may take to shut down; then it is stopped",
           .group = "Guest"},
          timeout_option("15m", "How long it may take")};
}

// A guest that is to go, and what became of it.
struct Removal {
  Guest guest;
  std::string app;
  std::string why;
  std::string outcome = "removed";
  std::optional<Error> error = {};
};

// It is shut down first, so that what it does comes to an end.
ApiResult<> remove_one(const Budget& budget, ProxmoxApi& api, Tasks& tasks, const Removal& one,
                       Milliseconds patience) {
  const auto config = read_config(budget, api, one.guest);
  if (!config) {
    if (config.error().trouble == Trouble::gone) return {};
    return config.error();
  }
  if (const auto own = check_own(one.guest, *config, one.app); !own) {
    return {ApiFailure(own.error())};
  }
  PCA_TRY(const std::string status, status_of(budget, api, one.guest));
  if (status == "running") PCA_CHECK(shut_down_guest(budget, api, tasks, one.guest, patience));
  return delete_guest(budget, api, tasks, one.guest);
}

void remove_all(ToolContext& context, const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                std::vector<Removal>& all, Milliseconds patience, bool dry_run) {
  for (Removal& one : all) {
    if (dry_run) {
      one.outcome = "would go";
      continue;
    }
    context.reporter.info(fmt::format("Removing guest {}", one.guest.text()));
    const auto done = budget.is_over()
                          ? ApiResult<>(ApiFailure(budget.check("removing guests").error()))
                          : remove_one(budget, api, tasks, one, patience);
    if (done) continue;
    one.outcome = "failed: " + done.error().message;
    one.error = done.error();
  }
}

Result<int> tell(ToolContext& context, const std::string& command, const std::vector<Removal>& all,
                 Clock::time_point start) {
  TextTable table{{"guest", "name", "application", "why", "outcome"}, {}};
  Json list = Json::array();
  std::size_t removed = 0;
  std::optional<Error> first;
  for (const Removal& one : all) {
    if (one.outcome == "removed") ++removed;
    if (one.error && !first) first = one.error;
    table.rows.push_back(
        {std::to_string(one.guest.vmid), one.guest.name, one.app, one.why, one.outcome});
    Json entry = Json::object();
    entry.set("vmid", one.guest.vmid).set("name", one.guest.name).set("application", one.app);
    list.push(entry.set("why", one.why).set("outcome", one.outcome));
  }
  context.reporter.info(table.rows.empty() ? "nothing to remove" : aligned_table(table));
  Json report = Json::object();
  report.set("command", command).set("guests", std::move(list));
  report.set(contract::duration_ms, std::round(ms_since(start)));
  context.reporter.output(contract::removed, std::to_string(removed));
  context.reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  context.reporter.summary(fmt::format("### proxmox-deploy {}\n\n{}", command,
                                       table.rows.empty()
                                           ? std::string("Nothing to remove.\n")
                                           : markdown_table(table, context.redactor)));
  if (first) return *std::move(first);
  return 0;
}

// --- gc ---

std::string name_of_app(const Guest& guest) {
  for (const std::string& tag : guest.tags) {
    if (tag.starts_with("app-")) return tag.substr(4);
  }
  return {};
}

// When the application was deployed last: the end of its newest release.
std::optional<UtcTime> last_deploy(const GuestRecord& record) {
  if (record.releases.empty()) return std::nullopt;
  const auto ended = parse_utc(record.releases.back().record.text_of("ended"));
  return ended ? std::optional(*ended) : std::nullopt;
}

}  // namespace

CommandSpec destroy_command() {
  return {.name = "destroy",
          .summary =
              "Removes all guests of an application: the active one, old and half-made ones; "
              "what proxmox-deploy did not make, or somebody protected, stays",
          .options = joined({{app_option()}, removal_options(), api_options()}),
          .outputs = removal_outputs(),
          .examples = {{"All of a preview",
                        "proxmox-deploy destroy --api pve1.example.com --api-token-file token.txt "
                        "--name shop-feature-x-1a2b3c4d"}}};
}

CommandSpec preview_down_command() {
  return {.name = "preview down",
          .summary = "Removes all guests of a branch's preview",
          .options = joined({preview_options(), removal_options(), api_options()}),
          .outputs = removal_outputs(),
          .examples = {{"Of a branch that was closed",
                        "proxmox-deploy preview down --api pve1.example.com --api-token-file "
                        "token.txt --customer acme --project shop --component web --branch "
                        "feature/x"}}};
}

CommandSpec gc_command() {
  return {.name = "gc",
          .summary =
              "Removes all guests of applications that were not deployed for a while: previews of "
              "branches that are forgotten",
          .options = joined({{{.name = "names",
                               .help = "Which applications: a pattern with * for any text, as "
                                       "shop-preview-*",
                               .placeholder = "PATTERN",
                               .required = true,
                               .group = "Guest"},
                              {.name = "ttl",
                               .type = OptionType::duration,
                               .help = "Those whose last deploy is longer ago",
                               .required = true,
                               .group = "Guest"}},
                             removal_options(),
                             api_options()}),
          .outputs = removal_outputs(),
          .examples = {{"Each night",
                        "proxmox-deploy gc --api pve1.example.com --api-token-file token.txt "
                        "--names 'shop-preview-*' --ttl 7d"}}};
}

Result<int> run_destroy(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string app = inputs.command() == "preview down"
                              ? read_preview_name(context, inputs, bad)
                              : read_app(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, way));
  PCA_TRY(const AppState state, read_app_state(budget, *api, app));
  for (const std::string& why : state.left_alone) context.reporter.warning(Warning{"Guests", why});
  if (state.active && is_locked(state.active->record, api->now())) {
    return conflict(
        fmt::format("{}: locked by {}", app,
                    visible(describe_lock(state.active->record.lock->dump()))),
        "Wait until that run has ended; \"proxmox-deploy unlock\" ends the lock of one that is "
        "gone.");
  }
  std::vector<Removal> all;
  for (const OwnGuest& own : state.half_made) all.push_back({own.guest, app, "half-made"});
  for (const Guest& guest : state.others) all.push_back({guest, app, "old"});
  // The last one, because it knows all others.
  if (state.active) all.push_back({state.active->guest, app, "active"});
  Tasks tasks(*api);
  remove_all(context, budget, *api, tasks, all, inputs.duration("shutdown-timeout"),
             inputs.flag("dry-run"));
  return tell(context, inputs.command(), all, start);
}

Result<int> run_gc(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string& pattern = inputs.text("names");
  const Milliseconds ttl = inputs.duration("ttl");
  if (!pattern.empty() && pattern.find_first_not_of("*") == std::string::npos) {
    bad.add("names", "is every application",
            "Name a part that only previews have, as shop-preview-*.");
  }
  const std::string lines[] = {pattern};
  const auto names = PathPatterns::parse(lines);
  if (!names) bad.add("names", names.error());
  if (inputs.has("ttl") && (ttl <= Milliseconds{0} || ttl > longest_ttl)) {
    bad.add("ttl", "is no time that a preview may live", "Write 7d, or 36h.");
  }
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, way));
  PCA_TRY(const ClusterView view, read_cluster(budget, *api));
  std::map<std::string, bool> apps;
  for (const Guest& guest : view.guests) {
    const std::string app = name_of_app(guest);
    if (!app.empty() && names->match(app, false).value_or(false)) apps[app] = true;
  }
  std::vector<Removal> all;
  for (const auto& [app, ignored] : apps) {
    PCA_TRY(const AppState state, read_app_state(budget, *api, app));
    if (!state.active || is_locked(state.active->record, api->now())) continue;
    const auto last = last_deploy(state.active->record);
    if (!last || *last + ttl > api->now()) continue;
    const std::string why = "last deployed " + utc_text(*last);
    for (const OwnGuest& own : state.half_made) all.push_back({own.guest, app, why});
    for (const Guest& guest : state.others) all.push_back({guest, app, why});
    all.push_back({state.active->guest, app, why});
  }
  Tasks tasks(*api);
  remove_all(context, budget, *api, tasks, all, inputs.duration("shutdown-timeout"),
             inputs.flag("dry-run"));
  return tell(context, "gc", all, start);
}

}  // namespace pca::proxmox_deploy
