#include "proxmox-deploy/rollback_command.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "deploy/provenance.hpp"
#include "proxmox-deploy/api_inputs.hpp"
#include "proxmox-deploy/app_inputs.hpp"
#include "proxmox-deploy/app_run.hpp"
#include "proxmox-deploy/guest_spec.hpp"

namespace pca::proxmox_deploy {

namespace {

struct RollbackInputs {
  AppRunInputs run;
  std::string to;  // a release; empty = the newest that is not current
  bool sets_hold = true;
  std::string fixed_address;
};

class RollingBack {
 public:
  RollingBack(ToolContext& context, ProxmoxApi& api, const RollbackInputs& inputs)
      : context_(context), api_(api), inputs_(inputs), run_(context, api, inputs.run) {}

  GuestRun run() {
    GuestRun& out = run_.result();
    if (const auto done = forward(); !done) take_back(done.error());
    out.logs = run_.tasks().logs();
    return std::move(out);
  }

 private:
  ApiResult<> forward() {
    PCA_TRY(state_, run_.read_unlocked());
    if (!state_.active) {
      return {ApiFailure(failed(fmt::format("{}: no guest is active", inputs_.run.app),
                                "\"proxmox-deploy deploy\" makes one."))};
    }
    GuestRun& out = run_.result();
    const OwnGuest& active = *state_.active;
    out.previous = active.record.release;
    PCA_CHECK(choose());
    out.release = line_.id;
    out.plan = {fmt::format("~ guest {} of release {} is started, and active once it is healthy",
                            target_->guest.text(), visible(line_.id)),
                fmt::format("~ guest {} of release {} is shut down, and kept", active.guest.text(),
                            visible(active.record.release))};
    PCA_TRY(data_, data_to_bring());
    for (const std::string& line : out.plan) context_.reporter.info(line);
    run_.begin_budget();
    PCA_CHECK(run_.lock(state_, line_.id));
    has_written_ = true;
    PCA_TRY(const std::string status, status_of(run_.budget(), api_, target_->guest));
    was_running_ = status == "running";
    was_started_ = !was_running_;
    if (!data_.empty()) {
      PCA_CHECK(run_.bring_data(state_, target_->guest, data_));
      PCA_TRY(target_->config, read_config(run_.budget(), api_, target_->guest));
      was_running_ = false;  // it was brought down for that
      was_started_ = true;
    }
    PCA_CHECK(run_.bring_up(target_->guest, {target_->config.macs(), inputs_.fixed_address,
                                             target_->config.has_agent, was_running_}));
    PCA_CHECK(run_.in_phase("switch", [&] { return switch_over(); }));
    out.outcome = "deployed";
    out.changed = 2;
    out.guest = target_->guest;
    AppState after = state_;
    std::erase_if(after.others,
                  [&](const Guest& guest) { return guest.vmid == target_->guest.vmid; });
    run_.retire(after, {});
    return {};
  }

  // The active container's data volumes, which the old one is to have again.
  ApiResult<MountKeys> data_to_bring() {
    const Guest& from = state_.active->guest;
    const Guest& to = target_->guest;
    MountKeys keys = free_mounts(state_.active->config, target_->config);
    if (keys.empty()) return keys;
    if (to.type != from.type || to.node != from.node) {
      return {ApiFailure(failed(
          fmt::format("guest {} cannot take the data of guest {} over: they go only to a container "
                      "of the same node",
                      to.text(), from.text()),
          "Migrate it to that node first."))};
    }
    run_.result().plan.push_back(
        fmt::format("~ guest {} is shut down before, so that its data can go to guest {}",
                    from.text(), to.text()));
    return keys;
  }

  // The newest line of the history whose guest is there, is not the active one, and was good.
  ApiResult<> choose() {
    const auto& releases = state_.active->record.releases;
    std::string why = "there is no earlier release whose guest is kept";
    for (auto line = releases.rbegin(); line != releases.rend(); ++line) {
      const bool is_meant = inputs_.to.empty() ? line->result == "deployed" &&
                                                     line->id != state_.active->record.release
                                               : line->id == inputs_.to;
      if (!is_meant || line->vmid == state_.active->guest.vmid) continue;
      const auto guest = std::find_if(state_.others.begin(), state_.others.end(),
                                      [&](const Guest& one) { return one.vmid == line->vmid; });
      if (guest == state_.others.end()) {
        why = fmt::format("the guest {} of release {} is gone", line->vmid, visible(line->id));
        continue;
      }
      OwnGuest own{*guest, {}, {}};
      PCA_TRY(own.config, read_config(run_.budget(), api_, *guest));
      auto record = check_own(*guest, own.config, inputs_.run.app);
      if (!record) {
        why = record.error().message;
        continue;
      }
      own.record = *std::move(record);
      own.guest.name = own.config.name;
      target_ = std::move(own);
      line_ = *line;
      return {};
    }
    return {ApiFailure(failed(
        fmt::format("{}: {}{}", inputs_.run.app, why,
                    inputs_.to.empty() ? "" : " (asked for: " + shown(inputs_.to) + ")"),
        "\"proxmox-deploy status\" shows what is there; keep says how many old guests stay."))};
  }

  ApiResult<> switch_over() {
    GuestRecord record = target_->record;
    record.releases = state_.active->record.releases;
    record.hold = state_.active->record.hold;
    const std::string& left = state_.active->record.release;
    for (ReleaseLine& line : record.releases) {
      if (line.id == left) line.result = "rolled-back";
      if (line.id == line_.id) line.result = "deployed";
    }
    if (inputs_.sets_hold) {
      Json hold = run_.provenance();
      hold.set("held", left).set("commit", state_.active->record.commit);
      const auto line = std::find_if(record.releases.begin(), record.releases.end(),
                                     [&](const ReleaseLine& one) { return one.id == left; });
      hold.set("commit-time",
               line == record.releases.end() ? std::string() : line->record.text_of("commit-time"));
      record.hold = std::move(hold);
    }
    return run_.switch_to(*target_, std::move(record), state_);
  }

  void take_back(const ApiFailure& error) {
    GuestRun& out = run_.result();
    if (!has_written_) {
      out.outcome = "failed";
      out.error = error;
      return;
    }
    context_.reporter.info(
        fmt::format("{}: it failed; what was begun is taken back", inputs_.run.app));
    ApiResult<> back = run_.take_back();
    // As long as it has the data it may be what serves.
    if (was_started_ && (back || data_.empty())) {
      auto stopped = stop_guest(run_.farewell(), api_, run_.tasks(), target_->guest);
      if (back) back = std::move(stopped);
    }
    run_.fail(error, back, true);
  }

  ToolContext& context_;
  ProxmoxApi& api_;
  const RollbackInputs& inputs_;
  AppRun run_;
  AppState state_;
  std::optional<OwnGuest> target_;
  ReleaseLine line_;
  MountKeys data_;  // of the active one, which the target is to have
  bool was_running_ = false;
  bool was_started_ = false;
  bool has_written_ = false;
};

}  // namespace

CommandSpec rollback_command() {
  return {
      .name = "rollback",
      .summary =
          "Makes an old guest that was kept the active one again, once it is started and healthy; "
          "the one that is left is shut down, and refused until a newer commit",
      .options =
          joined({{app_option()},
                  {{.name = "to",
                    .help = "The release to go back to; default: the newest good one that is "
                            "not current",
                    .placeholder = "RELEASE",
                    .group = "Release"},
                   {.name = "hold",
                    .type = OptionType::choice,
                    .default_value = "auto",
                    .help = "auto refuses to deploy what was rolled back, and what is "
                            "older, until a newer commit or unhold; none does not",
                    .choices = {"auto", "none"},
                    .group = "Release"},
                   reason_option("Why, for the history")},
                  address_options(),
                  health_options(),
                  switch_options(),
                  waiting_options(),
                  api_options()}),
      .outputs = run_outputs(false),
      .examples = {{"To the guest before",
                    "proxmox-deploy rollback --api pve1.example.com --api-token-file token.txt "
                    "--name shop-web --health-url http://{ip}:8080/healthz"}},
  };
}

Result<int> run_rollback(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  const auto start = Clock::now();
  const ApiWay way = read_api_inputs(context, inputs, bad);
  RollbackInputs given;
  given.run = read_app_run_inputs(context, inputs, bad);
  given.run.app = read_app(inputs, bad);
  given.run.address = read_address_rules(inputs);
  given.run.health = read_health_rules(inputs, bad);
  given.run.reason = read_reason(inputs, bad);
  given.to = inputs.text("to");
  given.sets_hold = inputs.text("hold") == "auto";
  given.fixed_address = read_fixed_address(inputs, bad);
  if (!given.to.empty() && !is_release_id(given.to)) {
    bad.add("to", fmt::format("{} is no name of a release", shown(given.to)),
            "\"proxmox-deploy status\" shows them.");
  }
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto api, connect_api(Budget::of(given.run.timeout, context.stop), context, way));
  GuestRun done = RollingBack(context, *api, given).run();
  if (!given.run.health.url.empty() && !done.ip.empty()) {
    done.url = health_url(given.run.health.url, done.ip);
  }
  tell_run(context, done, start);
  return end_of(context, done);
}

}  // namespace pca::proxmox_deploy
