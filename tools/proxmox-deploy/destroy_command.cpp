#include "proxmox-deploy/destroy_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/digest.hpp"
#include "base/glob.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/provenance.hpp"
#include "deploy/release_records.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/app_lock.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/data_volumes.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/preview_name.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds release_limit{6500};  // a cancelled step has 7 s
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
          {.name = "delete-data",
           .type = OptionType::boolean,
           .default_value = "false",
           .help = "Remove containers with the data in their volumes, too, which are lost then; "
                   "without it they stay",
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
                       Milliseconds patience, bool deletes_data) {
  const auto config = read_config(budget, api, one.guest);
  if (!config) {
    if (config.error().trouble == Trouble::gone) return {};
    return config.error();
  }
  const auto own = check_own(one.guest, *config, one.app);
  if (!own) return {ApiFailure(own.error())};
  if (!deletes_data) {
    if (const auto empty = check_without_data(one.guest, *config, *own); !empty)
      return {ApiFailure(empty.error())};
  }
  PCA_TRY(const std::string status, status_of(budget, api, one.guest));
  if (status == "running") PCA_CHECK(shut_down_guest(budget, api, tasks, one.guest, patience));
  return delete_guest(budget, api, tasks, one.guest, deletes_data);
}

// What is to go of an application: the active guest last, because it knows all others.
std::vector<Removal> removals_of(const AppState& state, const std::string& app,
                                 const std::string& why = {}) {
  const auto reason = [&](const char* what) { return why.empty() ? std::string(what) : why; };
  std::vector<Removal> all;
  for (const OwnGuest& own : state.half_made) all.push_back({own.guest, app, reason("half-made")});
  for (const Guest& guest : state.others) all.push_back({guest, app, reason("old")});
  if (state.active) all.push_back({state.active->guest, app, reason("active")});
  return all;
}

Error locked_by(const std::string& app, const Json& lock) {
  return conflict(fmt::format("{}: locked by {}", app, visible(describe_lock(lock.dump()))),
                  "Wait until that run has ended; \"proxmox-deploy unlock\" ends the lock of one "
                  "that is gone.");
}

// Removes the guests of applications, each under its lock, and tells what became of them.
class Removing {
 public:
  Removing(ToolContext& context, const Inputs& inputs, ProxmoxApi& api, const Budget& budget)
      : context_(context),
        inputs_(inputs),
        api_(api),
        budget_(budget),
        patience_(inputs.duration("shutdown-timeout")),
        is_dry_run_(inputs.flag("dry-run")),
        deletes_data_(inputs.flag("delete-data")),
        tasks_(api) {}

  // All of one application, as its state was read. Errors: that it is locked. What else fails is
  // told at the end.
  ApiResult<> remove(const AppState& state, std::vector<Removal> all) {
    if (all.empty()) return {};
    const std::string& app = all.front().app;
    if (!deletes_data_) PCA_CHECK(check_no_data(state, all));
    if (is_dry_run_) {
      for (Removal& one : all) {
        one.outcome = "would go";
        done_.push_back(std::move(one));
      }
      return {};
    }
    AppLock lock(api_);
    if (state.active) {
      PCA_CHECK(
          lock.take(budget_, *state.active,
                    lock_owner(read_provenance(context_), inputs_.command(), {}, random_hex(8))));
    }
    bool is_active_gone = false;
    for (Removal& one : all) {
      remove_one(one);
      is_active_gone = state.active && one.guest.vmid == state.active->guest.vmid && !one.error;
      done_.push_back(std::move(one));
    }
    if (is_active_gone) {
      lock.forget();
    } else if (const auto released = lock.release(Budget::of(release_limit)); !released) {
      context_.reporter.warning(Warning{
          "Guests", fmt::format("{}: the lock was not given back ({}); it runs out by itself", app,
                                released.error().message)});
    }
    return {};
  }
  void failed(Error error) {
    if (!error_) error_ = std::move(error);
  }

  // The exit code, or the first error.
  Result<int> tell(Clock::time_point start) {
    TextTable table{{"guest", "name", "application", "why", "outcome"}, {}};
    Json list = Json::array();
    std::size_t removed = 0;
    for (const Removal& one : done_) {
      if (one.outcome == "removed") ++removed;
      if (one.error) failed(*one.error);
      table.rows.push_back(
          {std::to_string(one.guest.vmid), one.guest.name, one.app, one.why, one.outcome});
      Json entry = Json::object();
      entry.set("vmid", one.guest.vmid).set("name", one.guest.name).set("application", one.app);
      list.push(entry.set("why", one.why).set("outcome", one.outcome));
    }
    Reporter& reporter = context_.reporter;
    reporter.info(table.rows.empty() ? "nothing to remove" : aligned_table(table));
    Json report = Json::object();
    report.set("command", inputs_.command()).set("guests", std::move(list));
    report.set(contract::duration_ms, std::round(ms_since(start)));
    reporter.output(contract::removed, std::to_string(removed));
    reporter.output(contract::duration_ms, std::to_string(std::llround(ms_since(start))));
    reporter.output(contract::report, write_report(context_, report));
    reporter.report(report);
    reporter.summary(fmt::format("### proxmox-deploy {}\n\n{}", inputs_.command(),
                                 table.rows.empty() ? std::string("Nothing to remove.\n")
                                                    : markdown_table(table, context_.redactor)));
    if (error_) return *std::move(error_);
    return 0;
  }

 private:
  // All of it or nothing: an application is not left with its data and half of its guests.
  ApiResult<> check_no_data(const AppState& state, const std::vector<Removal>& all) {
    std::vector<const OwnGuest*> known;
    if (state.active) known.push_back(&*state.active);
    for (const OwnGuest& own : state.left_active) known.push_back(&own);
    for (const OwnGuest* own : known) {
      if (!own->record.data_move) continue;
      return {ApiFailure(conflict(
          fmt::format("guest {} is not removed: its data are on their way to guest {}, because a "
                      "run died",
                      own->guest.text(), own->record.data_move->vmid),
          "The next deploy or rollback gives them back; delete-data removes them."))};
    }
    for (const Removal& one : all) {
      if (one.guest.type != "lxc") continue;
      const auto config = read_config(budget_, api_, one.guest);
      if (!config && config.error().trouble == Trouble::gone) continue;
      if (!config) return config.error();
      const auto record = check_own(one.guest, *config, one.app);
      if (!record) continue;  // it stays anyway
      if (const auto empty = check_without_data(one.guest, *config, *record); !empty)
        return {ApiFailure(empty.error())};
    }
    return {};
  }

  void remove_one(Removal& one) {
    context_.reporter.info(fmt::format("Removing guest {}", one.guest.text()));
    const auto gone =
        budget_.is_over()
            ? ApiResult<>(ApiFailure(budget_.check("removing guests").error()))
            : proxmox_deploy::remove_one(budget_, api_, tasks_, one, patience_, deletes_data_);
    if (gone) return;
    one.outcome = "failed: " + gone.error().message;
    one.error = gone.error();
  }

  ToolContext& context_;
  const Inputs& inputs_;
  ProxmoxApi& api_;
  const Budget& budget_;
  Milliseconds patience_;
  bool is_dry_run_;
  bool deletes_data_;
  Tasks tasks_;
  std::vector<Removal> done_;
  std::optional<Error> error_;
};

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
  if (const Json* lock = lock_in_force(state, api->now())) return locked_by(app, *lock);
  Removing removing(context, inputs, *api, budget);
  PCA_CHECK(removing.remove(state, removals_of(state, app)));
  return removing.tell(start);
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
  std::set<std::string> apps;
  for (const Guest& guest : view.guests) {
    const std::string app = name_of_app(guest);
    if (!app.empty() && names->match(app, false).value_or(false)) apps.insert(app);
  }
  Removing removing(context, inputs, *api, budget);
  for (const std::string& app : apps) {
    const auto done = [&]() -> ApiResult<> {
      PCA_TRY(const AppState state, read_app_state(budget, *api, app));
      if (!state.active) return {};
      const auto last = last_deploy(state.active->record);
      if (!last || *last + ttl > api->now()) return {};
      if (const Json* lock = lock_in_force(state, api->now())) {
        context.reporter.info(locked_by(app, *lock).message + "; it is left alone");
        return {};
      }
      return removing.remove(state, removals_of(state, app, "last deployed " + utc_text(*last)));
    }();
    if (!done) removing.failed(done.error());
    if (budget.is_over()) break;
  }
  return removing.tell(start);
}

}  // namespace pca::proxmox_deploy
