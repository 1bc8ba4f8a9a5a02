#include "proxmox-deploy/update_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy/provenance.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/app_run.hpp"
#include "proxmox-deploy/contract.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/property_string.hpp"
#include "proxmox-deploy/provision.hpp"
#include "proxmox-deploy/snapshots.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr std::string_view snapshot_prefix = "deploy-";
constexpr std::string_view snapshot_words = "before the release ";

// People may call theirs so, too.
bool is_of_an_update(const Snapshot& snapshot) {
  return snapshot.name.starts_with(snapshot_prefix) &&
         snapshot.description.starts_with(snapshot_words);
}

struct UpdateInputs {
  AppRunInputs run;
  Provision provision;
  bool takes_snapshot = true;
  std::size_t keep_snapshots = 0;
  std::string fixed_address;
};

// "deploy-1a2b3c4-20261130T120000": at most 40 bytes, and in the order of time.
std::string snapshot_name(const std::string& release) {
  const std::size_t dash = release.rfind('-');
  return fmt::format("{}{}-{}", snapshot_prefix, release.substr(dash + 1),
                     release.substr(0, release.find('Z')));
}

class Updating {
 public:
  Updating(ToolContext& context, ProxmoxApi& api, const UpdateInputs& inputs)
      : context_(context), api_(api), inputs_(inputs), run_(context, api, inputs.run) {}

  GuestRun run() {
    if (const auto done = forward(); !done) take_back(done.error());
    run_.result().logs = run_.tasks().logs();
    return std::move(run_.result());
  }

 private:
  [[nodiscard]] const Guest& guest() const { return state_.active->guest; }
  [[nodiscard]] std::string digest() const { return inputs_.provision.digest(); }

  ApiResult<> forward() {
    PCA_TRY(state_, run_.read_unlocked());
    GuestRun& out = run_.result();
    if (!state_.active) {
      return {ApiFailure(failed(fmt::format("{}: no guest is active", inputs_.run.app),
                                "\"proxmox-deploy deploy\" makes one, \"proxmox-deploy adopt\" "
                                "takes one that is there."))};
    }
    if (guest().type != "qemu") {
      return {ApiFailure(failed(
          fmt::format("guest {} is a container, and these have no agent", guest().text()),
          "\"proxmox-deploy lxc deploy\" makes a new one with the same data; or use \"tunnel-ssh "
          "exec\" with its own sshd."))};
    }
    const GuestRecord& record = state_.active->record;
    out.previous = record.release;
    out.guest = guest();
    if (is_same_revision()) {
      PCA_CHECK(look_after());
      out.outcome = "unchanged";
      out.release = record.release;
      return {};
    }
    if (const auto held = run_.check_hold(state_); !held) {
      out.outcome = "held";
      return {ApiFailure(held.error())};
    }
    run_.begin_budget();
    out.release = make_release_id(inputs_.run.from.commit, digest());
    out.plan = {fmt::format("~ guest {} is changed in place{}", guest().text(),
                            inputs_.takes_snapshot ? ", with a snapshot to go back to" : "")};
    for (const std::string& line : out.plan) context_.reporter.info(line);
    if (inputs_.takes_snapshot) PCA_CHECK(check_snapshots(run_.budget(), api_, guest()));
    PCA_CHECK(run_.lock(state_, out.release));
    has_written_ = true;
    if (inputs_.takes_snapshot) PCA_CHECK(run_.in_phase("snapshot", [&] { return snapshot(); }));
    is_changed_ = true;
    PCA_CHECK(run_.in_phase("provision", [&] {
      return provision_guest(run_.budget(), context_, api_, guest(), inputs_.provision);
    }));
    PCA_CHECK(look_after());
    PCA_CHECK(run_.in_phase("record", [&] { return keep(); }));
    out.outcome = "deployed";
    out.changed = 1;
    remove_snapshots();
    return {};
  }

  [[nodiscard]] bool is_same_revision() const {
    const GuestRecord& record = state_.active->record;
    if (record.releases.empty() || inputs_.run.from.commit.empty()) return false;
    const ReleaseLine& last = record.releases.back();
    return last.commit == inputs_.run.from.commit && last.result == "deployed" &&
           last.record.text_of("update") == digest();
  }

  // It runs, has its address and is healthy.
  ApiResult<> look_after() {
    PCA_TRY(const std::string status, status_of(run_.budget(), api_, guest()));
    return run_.bring_up(guest(), {state_.active->config.macs(), inputs_.fixed_address,
                                   state_.active->config.has_agent, status == "running"});
  }

  ApiResult<> snapshot() {
    snapshot_ = snapshot_name(run_.result().release);
    context_.reporter.info(fmt::format("Taking the snapshot {}", snapshot_));
    return make_snapshot(run_.budget(), api_, run_.tasks(), guest(), snapshot_,
                         std::string(snapshot_words) + run_.result().release);
  }

  ApiResult<> keep() {
    GuestRecord record = state_.active->record;
    record.release = run_.result().release;
    record.commit = inputs_.run.from.commit;
    record.hold.reset();
    record.lock.reset();
    ReleaseLine line{.id = record.release,
                     .commit = record.commit,
                     .result = "deployed",
                     .vmid = guest().vmid,
                     .record = run_.provenance()};
    line.record.set("update", digest());
    line.record.set("ended", utc_text(std::chrono::floor<std::chrono::seconds>(api_.now())));
    record.releases.push_back(std::move(line));
    while (record.releases.size() > releases_kept) record.releases.erase(record.releases.begin());
    return run_.record(std::move(record), state_);
  }

  // Up to this run's own, which is the newest that it may look at: another update may have begun.
  // What stays is found again by the next one.
  void remove_snapshots() {
    if (snapshot_.empty()) return;
    const auto all = read_snapshots(run_.budget(), api_, guest());
    if (!all) return;
    std::vector<std::string> own;
    for (const Snapshot& one : *all) {
      if (is_of_an_update(one)) own.push_back(one.name);
      if (one.name == snapshot_) break;
    }
    for (std::size_t i = 0; i + inputs_.keep_snapshots < own.size(); ++i) {
      const auto gone = delete_snapshot(run_.budget(), api_, run_.tasks(), guest(), own[i]);
      if (gone) continue;
      run_.result().warnings.push_back(
          fmt::format("the snapshot {} was not removed: {}", own[i], gone.error().message));
    }
  }

  void take_back(const ApiFailure& error) {
    GuestRun& out = run_.result();
    if (!has_written_) {
      if (out.outcome.empty()) out.outcome = "failed";
      out.error = error;
      return;
    }
    context_.reporter.info(
        fmt::format("{}: it failed; what was begun is taken back", inputs_.run.app));
    ApiResult<> back = run_.in_phase("take back", [&] { return go_back(); });
    ApiResult<> released = run_.take_back();
    run_.fail(error, back ? released : back, true);
  }

  ApiResult<> go_back() {
    const Budget limit = run_.farewell();
    if (!is_changed_ || snapshot_.empty()) {
      if (!snapshot_.empty()) {
        return delete_snapshot(limit, api_, run_.tasks(), guest(), snapshot_);
      }
      if (!is_changed_) return {};
      return {ApiFailure(failed("no snapshot was taken, so the guest stays as it was left",
                                "Look into the guest."))};
    }
    PCA_CHECK(roll_back_to(limit, api_, run_.tasks(), guest(), snapshot_, true));
    PCA_TRY(const std::string status, status_of(limit, api_, guest()));
    if (status != "running") PCA_CHECK(start_guest(limit, api_, run_.tasks(), guest()));
    if (!context_.stop.stop_requested()) {
      std::string address = inputs_.fixed_address;
      if (address.empty() && inputs_.run.health.needs_address()) {
        PCA_TRY(address, wait_for_address(limit, api_, guest(), state_.active->config.macs(),
                                          inputs_.run.address));
      }
      PCA_TRY(const std::string health,
              wait_until_healthy(limit, api_, guest(), address, inputs_.run.health));
      context_.reporter.info("As it was before, and healthy: " + health);
    }
    return delete_snapshot(limit, api_, run_.tasks(), guest(), snapshot_);
  }

  ToolContext& context_;
  ProxmoxApi& api_;
  const UpdateInputs& inputs_;
  AppRun run_;
  AppState state_;
  std::string snapshot_;
  bool has_written_ = false;
  bool is_changed_ = false;  // or may be
};

std::string connection_example() { return " --api pve1.example.com --api-token-file token.txt"; }

}  // namespace

CommandSpec update_command() {
  return {
      .name = "update",
      .summary =
          "Changes the active guest of an application in place: "
          "snapshot, files and a script in the guest by its agent, health; on a failure the "
          "snapshot comes back and is checked",
      .options = joined({{app_option()},
                         provision_options("Update"),
                         {{.name = "no-snapshot",
                           .type = OptionType::boolean,
                           .default_value = "false",
                           .help = "Go on where the storage can take none: then nothing is "
                                   "taken back",
                           .group = "Update"},
                          {.name = "keep-snapshots",
                           .type = OptionType::integer,
                           .default_value = "0",
                           .help = "How many snapshots of updates stay after a good one",
                           .least = 0,
                           .most = 20,
                           .group = "Update"}},
                         address_options(),
                         health_options(),
                         commit_options("Release"),
                         waiting_options(),
                         api_options()}),
      .outputs = run_outputs(true),
      .examples = {{"A new version of a package",
                    "proxmox-deploy update" + connection_example() +
                        " --name shop-db --command 'apt-get install -y "
                        "shop=1.2.3' --health-port "
                        "5432"}},
  };
}

CommandSpec adopt_command() {
  return {
      .name = "adopt",
      .summary =
          "Makes a guest that is there the active one of an "
          "application: it gets the tags and the "
          "record by which update and rollback know it",
      .options = joined({{app_option(),
                          {.name = "guest",
                           .help = "The guest: its ID, or its name",
                           .placeholder = "ID|NAME",
                           .required = true,
                           .group = "Guest"}},
                         {timeout_option("1m", "How long it may take")},
                         api_options()}),
      .outputs = {{contract::vmid, "The guest's ID"}, {contract::node, "The node it is on"}},
      .examples = {{"A database that was set up by hand", "proxmox-deploy adopt" +
                                                              connection_example() +
                                                              " --name shop-db --guest legacy-db"}},
  };
}

Result<int> run_update(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  UpdateInputs given;
  given.run.command = inputs.command();
  given.run.app = read_app(inputs, bad);
  given.run.from = read_provenance(context);
  given.run.timeout = inputs.duration("timeout");
  given.run.lock_wait = inputs.duration("lock-wait");
  given.run.rollback_timeout = inputs.duration("rollback-timeout");
  given.run.address = read_address_rules(inputs);
  given.run.health = read_health_rules(inputs, bad);
  given.provision = read_provision(context, inputs, true, bad);
  given.takes_snapshot = !inputs.flag("no-snapshot");
  given.keep_snapshots = static_cast<std::size_t>(inputs.integer("keep-snapshots"));
  given.fixed_address = read_fixed_address(inputs, bad);
  read_commit(context, inputs, given.run.from, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto api, connect_api(Budget::of(given.run.timeout, context.stop), context, way));
  const GuestRun done = Updating(context, *api, given).run();
  tell_run(context, done, start);
  return end_of(context, done);
}

Result<int> run_adopt(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const ApiWay way = read_api_inputs(context, inputs, bad);
  const std::string app = read_app(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const Budget budget = Budget::of(inputs.duration("timeout"), context.stop);
  PCA_TRY(const auto api, connect_api(budget, context, way));
  PCA_TRY(const AppState state, read_app_state(budget, *api, app));
  if (state.active) {
    return conflict(fmt::format("{}: guest {} is active already", app, state.active->guest.text()),
                    "Give the guest another name.");
  }
  PCA_TRY(const Guest guest, find_guest(state.view, inputs.text("guest")));
  PCA_TRY(const GuestConfig config, read_config(budget, *api, guest));
  if (config.is_template || config.identity.empty()) {
    return failed(fmt::format("guest {} {}", guest.text(),
                              config.is_template ? "is a template"
                                                 : "has no net, by whose MAC address a container "
                                                   "is known again"),
                  "Name a VM, or a container with a net.");
  }
  if (const auto record = parse_record(config.description)) {
    return conflict(fmt::format("guest {} is one of {} already", guest.text(), shown(record->app)),
                    "\"proxmox-deploy status\" shows its guests.");
  }
  const std::string release = make_release_id({}, config.identity);
  GuestRecord record{
      .app = app, .identity = config.identity, .name = config.name, .release = release};
  record.releases.push_back({.id = release,
                             .commit = {},
                             .result = "deployed",
                             .vmid = guest.vmid,
                             .record = Json::object().set("action", "adopt")});
  std::vector<std::string> tags = config.tags;
  tags.push_back(app_tag(app));
  tags.emplace_back(active_tag);
  PCA_CHECK(write_config(
      budget, *api, guest,
      {{"tags", join_tags(tags)}, {"description", with_record(config.description, record)}},
      config.digest));
  context.reporter.output(contract::vmid, std::to_string(guest.vmid));
  context.reporter.output(contract::node, guest.node);
  context.reporter.info(fmt::format("{}: guest {} is active", app, guest.text()));
  return 0;
}

}  // namespace pca::proxmox_deploy
