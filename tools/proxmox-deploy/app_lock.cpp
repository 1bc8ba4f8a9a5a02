#include "proxmox-deploy/app_lock.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "deploy/release_records.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds renewal_limit{15'000};

Parameters description_of(const OwnGuest& own, const GuestRecord& record) {
  return {{"description", with_record(own.config.description, record)}};
}

}  // namespace

Json lock_owner(const Provenance& from, const std::string& action, const std::string& release,
                const std::string& run) {
  Json owner = Json::object();
  owner.set("run", run).set("action", action);
  if (!release.empty()) owner.set("release", release);
  if (!from.actor.empty()) owner.set("actor", from.actor);
  if (!from.run_url.empty()) owner.set("run-url", from.run_url);
  return owner;
}

Json lock_until(Json owner, UtcTime now, Milliseconds lease) {
  return owner.set("until", utc_text(std::chrono::floor<std::chrono::seconds>(now + lease)));
}

std::string description_without_lock(const OwnGuest& now, const OwnGuest& before) {
  GuestRecord record = now.record;
  record.lock.reset();
  const std::string text = text_without_record(now.config.description);
  const auto record_before = parse_record(before.config.description);
  const bool is_as_before = record_before &&
                            text == text_without_record(before.config.description) &&
                            with_record("", record) == with_record("", *record_before);
  return is_as_before ? before.config.description : with_record(text, record);
}

AppLock::~AppLock() { forget(); }

void AppLock::forget() {
  if (guest_) api_.set_heartbeat({}, {});
  guest_.reset();
}

ApiResult<> AppLock::take(const Budget& budget, const OwnGuest& active, Json owner) {
  owner_ = std::move(owner);
  token_ = owner_.text_of("run");
  GuestRecord locked = active.record;
  locked.lock = lock_until(owner_, api_.now());
  PCA_CHECK(write_config(budget, api_, active.guest, description_of(active, locked),
                         active.config.digest));
  guest_ = active;
  guest_->record.lock.reset();  // one that ran out is not put back
  api_.set_heartbeat(lock_renewal, [this] { renew(); });
  return {};
}

ApiResult<OwnGuest> AppLock::check(const Budget& budget) {
  if (!guest_) return {ApiFailure(tool_bug("a lock that is not held is asked for"))};
  OwnGuest now = *guest_;
  PCA_TRY(now.config, read_config(budget, api_, now.guest));
  auto record = check_own(now.guest, now.config, now.record.app);
  if (!record) return {ApiFailure(std::move(record).error())};
  now.record = *std::move(record);
  if (now.record.lock && now.record.lock->text_of("run") == token_) return now;
  return {ApiFailure(conflict(
      fmt::format("the lock of {} is somebody else's by now{}", now.record.app,
                  now.record.lock ? ": " + visible(describe_lock(now.record.lock->dump())) : ""),
      "Look at what the other run makes of the application, then run it again."))};
}

void AppLock::renew() {
  const Budget limit = Budget::of(renewal_limit);
  const auto now = check(limit);
  if (!now) return;  // the next check() tells it
  GuestRecord record = now->record;
  record.lock = lock_until(owner_, api_.now());
  (void)write_config(limit, api_, now->guest, description_of(*now, record), now->config.digest)
      .has_value();
}

ApiResult<> AppLock::release(const Budget& budget) {
  constexpr int most_tries = 5;  // somebody may set a hold just now
  for (int tries = 1;; ++tries) {
    auto released = release_once(budget);
    const bool is_changed = !released && released.error().trouble == Trouble::changed;
    if (!is_changed || tries == most_tries) return released;
  }
}

ApiResult<> AppLock::release_once(const Budget& budget) {
  if (!guest_) return {};
  const auto now = check(budget);
  if (!now) {
    const bool is_others = now.error().kind == ErrorKind::conflict;
    if (is_others) forget();
    if (is_others || now.error().trouble == Trouble::gone) return {};
    return now.error();
  }
  PCA_CHECK(write_config(budget, api_, now->guest,
                         {{"description", description_without_lock(*now, *guest_)}},
                         now->config.digest));
  forget();
  return {};
}

}  // namespace pca::proxmox_deploy
