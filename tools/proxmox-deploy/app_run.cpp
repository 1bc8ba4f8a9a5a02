#include "proxmox-deploy/app_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/backoff.hpp"
#include "base/digest.hpp"
#include "base/text.hpp"
#include "deploy/release_records.hpp"
#include "deploy/runner_command.hpp"
#include "proxmox-deploy/property_string.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds reading_limit{60'000};
constexpr Milliseconds lock_look{2000};
// A cancelled step has 7 s.
constexpr Milliseconds cancelled_limit{6500};
constexpr Milliseconds cancelled_data_limit{4500};  // a move or a shutdown was heard of before

std::vector<std::string> with_tag(std::vector<std::string> tags, std::string_view tag, bool is_on) {
  std::erase(tags, tag);
  if (is_on) tags.emplace_back(tag);
  return tags;
}

std::vector<std::string> commits_of(const GuestRecord& record) {
  std::vector<std::string> commits;
  for (const ReleaseLine& line : record.releases) commits.push_back(line.commit);
  return commits;
}

// People set holds while others deploy.
void keep_news(GuestRecord& record, const GuestRecord& before, const GuestRecord& now) {
  const auto text = [](const std::optional<Json>& hold) {
    return hold ? hold->dump() : std::string();
  };
  if (text(now.hold) == text(before.hold)) return;
  if (now.hold || text(record.hold) == text(before.hold)) record.hold = now.hold;
}

}  // namespace

AppRun::AppRun(ToolContext& context, ProxmoxApi& api, const AppRunInputs& inputs)
    : context_(context),
      api_(api),
      inputs_(inputs),
      tasks_(api),
      lock_(api),
      budget_(Budget::of(inputs.timeout, context.stop)),
      token_(random_hex(8)) {
  out_.command = inputs.command;
  out_.app = inputs.app;
}

Budget AppRun::farewell() {
  const auto limit = Clock::now() + (context_.stop.stop_requested()
                                         ? (data_left_ ? cancelled_data_limit : cancelled_limit)
                                         : inputs_.rollback_timeout);
  if (!farewell_ends_ || limit < *farewell_ends_) farewell_ends_ = limit;
  return {*farewell_ends_, {}};
}

ApiResult<> AppRun::in_phase(const char* name, const std::function<ApiResult<>()>& part) {
  const double begin = ms_since(start_);
  auto done = part();
  out_.phases.push_back({name, begin, ms_since(start_)});
  return done;
}

ApiResult<AppState> AppRun::read_unlocked() {
  const Budget waiting = Budget::of(inputs_.lock_wait, context_.stop);
  bool is_told = false;
  while (true) {
    PCA_TRY(AppState state,
            read_app_state(Budget::of(reading_limit, context_.stop), api_, inputs_.app));
    const Json* locked = lock_in_force(state, api_.now());
    if (locked == nullptr) {
      if (!state.active || !state.active->record.data_move) return state;
      PCA_CHECK(recover_data(*state.active));
      continue;
    }
    const std::string who = visible(describe_lock(locked->dump()));
    if (waiting.is_over() || waiting.left() <= lock_look) {
      return {ApiFailure(
          conflict(fmt::format("{}: locked by {}", inputs_.app, who),
                   "Wait until that run has ended; \"proxmox-deploy unlock\" ends the lock of one "
                   "that is gone."))};
    }
    if (!is_told) {
      context_.reporter.info(fmt::format("{}: locked by {}; waiting", inputs_.app, who));
    }
    is_told = true;
    if (const auto waited = pause_for(waiting, lock_look); !waited) {
      return {ApiFailure(waited.error())};
    }
  }
}

ApiResult<> AppRun::recover_data(const OwnGuest& active) {
  context_.reporter.info(fmt::format(
      "A run that is gone left the data of guest {} on their way to guest {}; they are given back",
      active.guest.text(), active.record.data_move->vmid));
  const Budget limit = Budget::of(inputs_.rollback_timeout, context_.stop);
  auto locked = lock_.take(limit, active, lock_owner(inputs_.from, inputs_.command, {}, token_));
  // Somebody else was faster: he is waited for.
  if (!locked && locked.error().trouble == Trouble::changed) return {};
  PCA_CHECK(std::move(locked));
  auto given = give_data_back(limit, api_, tasks_, active, 0, data_patience());
  auto released = lock_.release(Budget::of(cancelled_limit));
  return given ? std::move(released) : std::move(given);
}

Result<> AppRun::check_hold(const AppState& state) const {
  if (!state.active || !state.active->record.hold) return {};
  const Json& hold = *state.active->record.hold;
  if (!hold_refuses(hold, commits_of(state.active->record), inputs_.from)) return {};
  return conflict(fmt::format("{}: {}", inputs_.app, visible(describe_hold(hold))),
                  "Deploy a newer commit, or end the hold with \"proxmox-deploy unhold\".");
}

ApiResult<> AppRun::lock(const AppState& state, const std::string& release) {
  if (!state.active) return {};
  PCA_CHECK(lock_.take(budget_, *state.active,
                       lock_owner(inputs_.from, inputs_.command, release, token_)));
  for (const OwnGuest& own : state.left_active) {
    context_.reporter.info(
        fmt::format("Guest {} was left active by a switch that ended half-way", own.guest.text()));
    if (auto settled = leave(own); !settled) {
      (void)lock_.release(farewell()).has_value();
      return settled;
    }
  }
  return {};
}

// It stays the application's, but what the application has goes with the active guest.
ApiResult<> AppRun::leave(const OwnGuest& own) {
  GuestRecord rest = own.record;
  rest.releases.clear();
  rest.hold.reset();
  rest.lock.reset();
  rest.data_move.reset();  // they have come to where they were to go
  Parameters down{{"tags", join_tags(with_tag(own.config.tags, active_tag, false))},
                  {"description", with_record(own.config.description, rest)}};
  if (truth_in(own.config.values, "onboot")) down.emplace_back("onboot", "0");
  return write_config(budget_, api_, own.guest, down, own.config.digest);
}

ApiResult<> AppRun::bring_up(const Guest& guest, const WayUp& way) {
  if (!way.is_running) {
    context_.reporter.info(fmt::format("Starting guest {}", guest.text()));
    PCA_CHECK(in_phase("start", [&] { return start_guest(budget_, api_, tasks_, guest); }));
  }
  out_.ip = way.fixed_address;
  const bool tells_it = way.has_agent || guest.type == "lxc";  // a container needs none for that
  if (out_.ip.empty() && (tells_it || inputs_.health.needs_address())) {
    PCA_CHECK(in_phase("address", [&]() -> ApiResult<> {
      PCA_TRY(out_.ip, wait_for_address(budget_, api_, guest, way.macs, inputs_.address));
      return {};
    }));
  }
  if (!out_.ip.empty()) context_.reporter.info("Its address is " + visible(out_.ip));
  if (way.provision) PCA_CHECK(in_phase("provision", way.provision));
  return in_phase("health", [&]() -> ApiResult<> {
    PCA_TRY(out_.health, wait_until_healthy(budget_, api_, guest, out_.ip, inputs_.health));
    context_.reporter.info("Health: " + out_.health);
    return {};
  });
}

ApiResult<> AppRun::bring_data(const AppState& state, const Guest& to, const MountKeys& keys) {
  if (keys.empty()) return {};
  const OwnGuest& active = *state.active;
  context_.reporter.info(fmt::format("Shutting guest {} down: its data volumes ({}) go to guest {}",
                                     active.guest.text(), keys.size(), to.text()));
  PCA_TRY(const OwnGuest own, lock_.check(budget_));
  data_left_ = active;
  data_to_ = to.vmid;
  return in_phase("data",
                  [&] { return move_data(budget_, api_, tasks_, own, to, keys, data_patience()); });
}

// A cancel has no time to ask a container to end.
Milliseconds AppRun::data_patience() const {
  return context_.stop.stop_requested() ? Milliseconds{0} : inputs_.rules.shutdown_timeout;
}

ApiResult<> AppRun::take_back_data(const Budget& budget) {
  if (!data_left_) return {};
  PCA_CHECK(give_data_back(budget, api_, tasks_, *data_left_, data_to_, data_patience()));
  data_left_.reset();
  return {};
}

ApiResult<> AppRun::switch_to(const OwnGuest& to, GuestRecord record, const AppState& state) {
  if (const auto time = budget_.check("switching to guest " + to.guest.text()); !time) {
    return {ApiFailure(time.error())};
  }
  std::optional<OwnGuest> old;
  if (state.active) {
    lock_.hold_still();
    PCA_TRY(old, lock_.check(budget_));
    keep_news(record, state.active->record, old->record);
    const auto& move = old->record.data_move;
    if (data_left_ && (!move || move->vmid != data_to_)) {
      return {ApiFailure(conflict("another run has given the data back meanwhile",
                                  "Look at what the other run makes of the application."))};
    }
  }
  if (!inputs_.rules.hook.empty()) {
    hooked_ = to.guest;
    old_vmid_ = state.active ? std::to_string(state.active->guest.vmid) : std::string();
    PCA_CHECK(run_hook(budget_, to.guest, "forward"));
  }
  switched_ = to;
  Parameters up{{"tags", join_tags(with_tag(to.config.tags, active_tag, true))},
                {"description", with_record(to.config.description, record)}};
  if (inputs_.rules.starts_on_boot) up.emplace_back("onboot", "1");
  PCA_CHECK(write_config(budget_, api_, to.guest, up, to.config.digest));
  if (old) {
    left_ = state.active;
    left_->config.description = description_without_lock(*old, *state.active);
    PCA_CHECK(leave(*old));
    lock_.forget();
  }
  has_switched_ = true;
  return {};
}

ApiResult<> AppRun::record(GuestRecord record, const AppState& state) {
  lock_.hold_still();
  PCA_TRY(const OwnGuest now, lock_.check(budget_));
  keep_news(record, state.active->record, now.record);
  PCA_CHECK(write_config(budget_, api_, now.guest,
                         {{"description", with_record(now.config.description, record)}},
                         now.config.digest));
  lock_.forget();
  has_switched_ = true;
  return {};
}

void AppRun::retire(const AppState& state, const std::vector<Guest>& too_old) {
  // Somebody who cancels now has what he asked for; the next run ends what is left.
  const auto may_go_on = [&] { return !context_.stop.stop_requested(); };
  const auto later = [&](const std::string& what) {
    warn(fmt::format("{}; the next deploy tries it again", what));
  };
  std::vector<Guest> to_stop;
  if (state.active) to_stop.push_back(state.active->guest);
  for (const Guest& guest : state.others) {
    if (guest.status == "running") to_stop.push_back(guest);
  }
  std::erase_if(to_stop,
                [&](const Guest& guest) { return out_.guest && guest.vmid == out_.guest->vmid; });
  if (!to_stop.empty() && inputs_.rules.drain.count() > 0 && may_go_on()) {
    context_.reporter.info(fmt::format("Draining for {}", format_duration(inputs_.rules.drain)));
    (void)in_phase("drain", [&]() -> ApiResult<> {
      (void)pause_for(budget_, inputs_.rules.drain).has_value();
      return {};
    }).has_value();
  }
  // What does not want to end is stopped: that must not end with the deploy's time.
  const Budget limit(
      std::max(budget_.deadline(), Clock::now() + inputs_.rules.shutdown_timeout + reading_limit),
      context_.stop);
  std::optional<std::int64_t> not_stopped;
  for (const Guest& guest : to_stop) {
    if (!may_go_on()) {
      later(fmt::format("guest {} was not shut down", guest.text()));
      continue;
    }
    context_.reporter.info(fmt::format("Shutting guest {} down", guest.text()));
    // Nobody has the lock any more: after a while a rollback may have led to it again.
    const bool was_just_left =
        state.active && guest.vmid == state.active->guest.vmid && inputs_.rules.drain.count() == 0;
    const auto done = in_phase("shutdown", [&] {
      const Milliseconds patience = inputs_.rules.shutdown_timeout;
      return was_just_left ? shut_down_guest(limit, api_, tasks_, guest, patience)
                           : shut_down_own_guest(limit, api_, tasks_, guest, inputs_.app, patience);
    });
    if (!done) {
      not_stopped = guest.vmid;
      later(fmt::format("guest {} was not shut down: {}", guest.text(), done.error().message));
    }
  }
  for (const Guest& guest : too_old) {
    if (!may_go_on()) {
      later(fmt::format("guest {} was not removed", guest.text()));
      continue;
    }
    if (not_stopped == guest.vmid || (out_.guest && guest.vmid == out_.guest->vmid)) continue;
    context_.reporter.info(fmt::format("Removing guest {}", guest.text()));
    const auto done = in_phase("remove", [&] { return remove_old(limit, guest); });
    if (done) {
      out_.removed.push_back(guest.text());
      ++out_.changed;
    } else {
      later(fmt::format("guest {} was not removed: {}", guest.text(), done.error().message));
    }
  }
}

// A container only under the lock of its application: a rollback would give it data meanwhile.
ApiResult<> AppRun::remove_old(const Budget& budget, const Guest& guest) {
  if (guest.type != "lxc") return delete_own_guest(budget, api_, tasks_, guest, inputs_.app);
  PCA_TRY(const AppState now, read_app_state(budget, api_, inputs_.app));
  if (!now.active || lock_in_force(now, api_.now()) != nullptr) {
    return {ApiFailure(conflict("another run is at work by now"))};
  }
  PCA_CHECK(lock_.take(budget, *now.active,
                       lock_owner(inputs_.from, inputs_.command, out_.release, token_)));
  auto removed = delete_own_guest(budget, api_, tasks_, guest, inputs_.app);
  auto released = lock_.release(Budget::of(cancelled_limit));
  return removed ? std::move(released) : std::move(removed);
}

ApiResult<> AppRun::run_hook(const Budget& budget, const Guest& to, const std::string& direction) {
  Environment environment = context_.environment;
  environment["PROXMOX_SWITCH"] = direction;
  environment["PROXMOX_NAME"] = inputs_.app;
  environment["PROXMOX_VMID"] = std::to_string(to.vmid);
  environment["PROXMOX_NODE"] = to.node;
  environment["PROXMOX_GUEST"] = to.name;
  environment["PROXMOX_IP"] = out_.ip;
  environment["PROXMOX_OLD_VMID"] = old_vmid_;
  const auto output = context_.reporter.remote("switch-hook: ");
  auto done = run_on_runner(
      budget, nullptr, [&](std::string_view text) { output->feed(text); }, inputs_.rules.hook,
      environment);
  if (done) return {};
  Error error = std::move(done).error();
  error.message = "switch-hook: " + error.message;
  return {ApiFailure(std::move(error))};
}

ApiResult<> AppRun::take_back() {
  const Budget limit = farewell();
  // A cancel is over before the lock is, and has no time for a renewal that has to wait.
  if (context_.stop.stop_requested()) lock_.hold_still();
  ApiResult<> all;
  // One that fails keeps none of the others from being tried.
  const auto then = [&](ApiResult<> part) {
    if (all && !part) all = std::move(part);
  };
  if (!has_switched_) {
    if (hooked_) then(run_hook(limit, *std::exchange(hooked_, std::nullopt), "back"));
    if (switched_) then(take_back_new(limit));
    // Where the new one may still be the active one, the data stay with it: it is what the next run
    // goes by.
    const bool may_be_active = switched_.has_value();
    if (left_) then(take_back_old(limit));
    if (!may_be_active) then(take_back_data(limit));
  }
  // Whatever keeps the data keeps the container locked, and a cancel does not wait for it: the lock
  // runs out by itself.
  const bool is_stuck = data_left_ && context_.stop.stop_requested();
  if (!is_stuck) then(lock_.release(limit));
  return all;
}

ApiResult<> AppRun::take_back_new(const Budget& budget) {
  PCA_TRY(const GuestConfig now, read_config(budget, api_, switched_->guest));
  if (now.identity == switched_->config.identity) {
    Parameters back{{"tags", join_tags(switched_->config.tags)},
                    {"description", switched_->config.description}};
    const std::string on_boot = switched_->config.text("onboot");
    if (on_boot.empty()) {
      back.emplace_back("delete", "onboot");
    } else {
      back.emplace_back("onboot", on_boot);
    }
    PCA_CHECK(write_config(budget, api_, switched_->guest, back, now.digest));
  }
  switched_.reset();
  return {};
}

// Nobody heard whether it was written.
ApiResult<> AppRun::take_back_old(const Budget& budget) {
  PCA_TRY(const GuestConfig now, read_config(budget, api_, left_->guest));
  const auto record = check_own(left_->guest, now, inputs_.app);
  if (record && !record->lock) {
    Parameters back{{"tags", join_tags(left_->config.tags)},
                    {"description", left_->config.description}};
    if (truth_in(left_->config.values, "onboot")) back.emplace_back("onboot", "1");
    PCA_CHECK(write_config(budget, api_, left_->guest, back, now.digest));
    lock_.forget();
  }
  left_.reset();
  return {};
}

void AppRun::fail(const Error& error, const ApiResult<>& taken_back, bool has_written) {
  out_.error = error;
  if (!taken_back) {
    out_.outcome = "unknown";
    const std::string message = fmt::format("{}; and not everything could be taken back: {}",
                                            error.message, taken_back.error().message);
    out_.error = outcome_unknown(
        message,
        "Look at the guests of the application: \"proxmox-deploy status\" shows them. The "
        "next deploy removes what is half-made.");
  } else if (!has_written) {
    out_.outcome = "failed";
  } else {
    out_.outcome = "rolled-back";
    if (error.kind != ErrorKind::cancelled && error.kind != ErrorKind::conflict) {
      out_.error->kind = ErrorKind::rolled_back;
      out_.error->message += "; what was active serves as before";
    }
  }
}

Json AppRun::provenance() const {
  const Provenance& from = inputs_.from;
  Json record = Json::object();
  const std::pair<const char*, const std::string*> texts[] = {
      {"action", &inputs_.command},       {"branch", &from.branch},
      {"repository", &from.repository},   {"actor", &from.actor},
      {"run-url", &from.run_url},         {"reason", &inputs_.reason},
      {"commit-time", &from.commit_time}, {"revert-of", &from.revert_of}};
  for (const auto& [key, value] : texts) {
    if (!value->empty()) record.set(key, *value);
  }
  return record;
}

}  // namespace pca::proxmox_deploy
