#include "proxmox-deploy/app_commands.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "deploy/release_records.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_actions.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "runner/text_table.hpp"

namespace pca::proxmox_deploy {

namespace {

std::string example_of(const std::string& command) {
  return fmt::format(
      "proxmox-deploy {} --api pve1.example.com --api-token-file token.txt --name shop-web",
      command);
}

CommandSpec app_command(const std::string& name, std::string summary, std::vector<Option> more = {},
                        std::vector<Output> outputs = {}) {
  return {.name = name,
          .summary = std::move(summary),
          .options = joined({{app_option()},
                             std::move(more),
                             {timeout_option("1m", "How long it may take")},
                             api_options()}),
          .outputs = std::move(outputs),
          .examples = {{"Of the guests of shop-web", example_of(name)}}};
}

// What they are all told.
struct Given {
  ApiWay way;
  std::string app;
  Milliseconds timeout{};
};

Given read_given(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  Given given;
  given.way = read_api_inputs(context, inputs, bad);
  given.app = read_app(inputs, bad);
  given.timeout = inputs.duration("timeout");
  return given;
}

Error no_active(const std::string& app) {
  return failed(fmt::format("{}: no guest is active", app),
                "\"proxmox-deploy deploy\" makes the first one.");
}

// Writes another record into the active guest; once more where somebody else wrote meanwhile.
ApiResult<> change_record(const Budget& budget, ProxmoxApi& api, const std::string& app,
                          const std::function<bool(GuestRecord&)>& change) {
  for (int tries = 1;; ++tries) {
    PCA_TRY(const AppState state, read_app_state(budget, api, app));
    if (!state.active) return {ApiFailure(no_active(app))};
    GuestRecord record = state.active->record;
    if (!change(record)) return {};
    const auto done =
        write_config(budget, api, state.active->guest,
                     {{"description", with_record(state.active->config.description, record)}},
                     state.active->config.digest);
    constexpr int most_tries = 5;
    if (done || done.error().trouble != Trouble::changed || tries == most_tries) return done;
  }
}

Json record_of(const ToolContext& context, const std::string& reason) {
  const Provenance from = read_provenance(context);
  Json record = Json::object();
  record.set("action", "hold").set("actor", from.actor).set("run-url", from.run_url);
  return record.set("reason", reason);
}

// --- status ---

struct StatusLine {
  Guest guest;
  std::string state;   // active, kept, half-made, ...
  std::string status;  // running, stopped
  const ReleaseLine* release = nullptr;
};

const ReleaseLine* release_of(const AppState& state, std::int64_t vmid) {
  if (!state.active) return nullptr;
  const auto& releases = state.active->record.releases;
  for (auto line = releases.rbegin(); line != releases.rend(); ++line) {
    if (line->vmid == vmid) return &*line;
  }
  return nullptr;
}

std::vector<StatusLine> lines_of(const Budget& budget, ProxmoxApi& api, const AppState& state) {
  std::vector<StatusLine> lines;
  const auto add = [&](const Guest& guest, const char* what) {
    auto status = status_of(budget, api, guest);
    lines.push_back(
        {guest, what, status ? visible(*status) : "unknown", release_of(state, guest.vmid)});
  };
  if (state.active) add(state.active->guest, "active");
  for (const Guest& guest : state.others) add(guest, "kept");
  for (const OwnGuest& own : state.half_made) add(own.guest, "half-made");
  return lines;
}

std::vector<std::string> notes_of(const AppState& state, UtcTime now) {
  std::vector<std::string> notes;
  if (!state.active) notes.emplace_back("no guest is active");
  for (const std::string& why : state.left_alone) notes.push_back(why);
  if (state.active && state.active->record.hold) {
    notes.push_back(describe_hold(*state.active->record.hold));
  }
  if (state.active && state.active->record.data_move) {
    notes.push_back(fmt::format(
        "data of guest {} are on their way to guest {}; the next deploy or rollback gives them "
        "back unless a run is at it",
        state.active->guest.text(), state.active->record.data_move->vmid));
  }
  for (const OwnGuest& own : state.left_active) {
    notes.push_back(
        fmt::format("guest {} is active, too: a switch ended half-way; the next deploy "
                    "or rollback settles it",
                    own.guest.text()));
  }
  if (const Json* lock = lock_in_force(state, now)) {
    notes.push_back("locked by " + describe_lock(lock->dump()));
  }
  for (const ClusterNode& node : state.view.nodes) {
    if (!node.is_online) notes.push_back(fmt::format("the node {} is offline", node.name));
  }
  return notes;
}

Json status_json(const std::string& app, const AppState& state,
                 const std::vector<StatusLine>& lines, UtcTime now) {
  Json guests = Json::array();
  for (const StatusLine& line : lines) {
    Json one = Json::object();
    one.set("vmid", line.guest.vmid).set("name", line.guest.name).set("node", line.guest.node);
    one.set("state", line.state).set("status", line.status);
    one.set("release", line.release == nullptr ? std::string() : line.release->id);
    one.set("commit", line.release == nullptr ? std::string() : line.release->commit);
    guests.push(std::move(one));
  }
  Json report = Json::object();
  report.set("command", "status").set(contract::name, app);
  report.set(contract::release, state.active ? state.active->record.release : std::string());
  report.set("guests", std::move(guests));
  report.set("hold", state.active ? state.active->record.hold.value_or(Json()) : Json());
  const Json* lock = lock_in_force(state, now);
  report.set("lock", lock == nullptr ? Json() : *lock);
  Json alone = Json::array();
  for (const std::string& why : state.left_alone) alone.push(why);
  return report.set("left-alone", std::move(alone));
}

}  // namespace

CommandSpec status_command() {
  return app_command("status",
                     "Shows the guests of an application, their releases, and what holds it; ends "
                     "with 1 when none is active and running",
                     {},
                     {{contract::release, "The current release"},
                      {contract::vmid, "The ID of the active guest"},
                      {contract::node, "The node it is on"},
                      {contract::report, "Path of a JSON file with all that was found"}});
}

CommandSpec hold_command() {
  return app_command("hold", "Refuses deploys of an application until unhold",
                     {reason_option("Why, for whoever is refused")});
}

CommandSpec unhold_command() { return app_command("unhold", "Ends a hold"); }

CommandSpec unlock_command() {
  return app_command("unlock", "Ends the lock of a run that is gone");
}

Result<int> run_status(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const Given given = read_given(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(given.timeout, context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, given.way));
  PCA_TRY(const AppState state, read_app_state(budget, *api, given.app));
  const std::vector<StatusLine> lines = lines_of(budget, *api, state);
  TextTable table{{"guest", "name", "node", "state", "status", "release", "commit", "by", "why"},
                  {}};
  for (const StatusLine& line : lines) {
    const Json nothing = Json::object();
    const Json& record = line.release == nullptr ? nothing : line.release->record;
    table.rows.push_back(
        {std::to_string(line.guest.vmid), line.guest.name, line.guest.node, line.state, line.status,
         line.release == nullptr ? std::string() : line.release->id,
         line.release == nullptr ? std::string() : short_commit(line.release->commit),
         record.text_of("actor"), reason_of(record)});
  }
  std::string summary = "### proxmox-deploy status\n";
  show(context, given.app, table, notes_of(state, api->now()), summary);
  context.reporter.summary(summary);
  const Json report = status_json(given.app, state, lines, api->now());
  context.reporter.output(contract::release, report.text_of(contract::release));
  context.reporter.output(contract::vmid,
                          state.active ? std::to_string(state.active->guest.vmid) : "");
  context.reporter.output(contract::node, state.active ? state.active->guest.node : "");
  context.reporter.output(contract::report, write_report(context, report));
  context.reporter.report(report);
  const bool is_well = state.active && !lines.empty() && lines.front().status == "running";
  return is_well ? 0 : 1;
}

Result<int> run_hold(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const bool is_on = inputs.command() == "hold";
  const Given given = read_given(context, inputs, bad);
  const std::string reason = is_on ? read_reason(inputs, bad) : std::string();
  if (!bad.empty()) return bad.to_error();
  const Json record = record_of(context, reason);
  const Budget budget = Budget::of(given.timeout, context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, given.way));
  PCA_CHECK(change_record(budget, *api, given.app, [&](GuestRecord& now) {
    const bool changes = is_on || now.hold.has_value();
    now.hold = is_on ? std::optional(record) : std::nullopt;
    return changes;
  }));
  context.reporter.info(given.app +
                        (is_on ? ": " + visible(describe_hold(record)) : ": no longer on hold"));
  return 0;
}

Result<int> run_unlock(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const Given given = read_given(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(given.timeout, context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, given.way));
  bool was_locked = false;
  PCA_TRY(const AppState state, read_app_state(budget, *api, given.app));
  if (state.active) {
    PCA_CHECK(change_record(budget, *api, given.app, [&](GuestRecord& now) {
      was_locked = now.lock.has_value();
      now.lock.reset();
      return was_locked;
    }));
  }
  // Before there is an active guest, the one that is being made says that somebody does so.
  std::vector<OwnGuest> further = state.left_active;
  further.insert(further.end(), state.half_made.begin(), state.half_made.end());
  for (const OwnGuest& own : further) {
    if (!own.record.lock) continue;
    GuestRecord record = own.record;
    record.lock.reset();
    was_locked = true;
    PCA_CHECK(write_config(budget, *api, own.guest,
                           {{"description", with_record(own.config.description, record)}},
                           own.config.digest));
  }
  context.reporter.info(given.app + (was_locked ? ": unlocked" : ": was not locked"));
  return 0;
}

}  // namespace pca::proxmox_deploy
