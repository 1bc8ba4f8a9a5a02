#include "swarm-deploy/stack_lock.hpp"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "base/digest.hpp"
#include "base/grace_period.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "deploy/release_records.hpp"
#include "net/byte_stream.hpp"
#include "swarm-deploy/release_history.hpp"
#include "swarm-deploy/swarm_state.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::chrono::seconds lease{60};
constexpr std::chrono::seconds margin{5};  // by which we stop before others may steal
constexpr std::chrono::seconds renewal{15};
constexpr Milliseconds lock_poll{2000};
constexpr Milliseconds answer_limit{10'000};
constexpr Milliseconds farewell{2000};
constexpr std::size_t token_bytes = 8;
constexpr int most_tries = 3;  // before it waits

std::string path_of(const std::string& stack) {
  return "/configs/" + percent_encoded(record_name(stack, "lock"));
}

// What a config of a lock says of itself.
Json record_in(const Json& lock, const std::string& stack) {
  Json list = Json::array();
  list.push(lock);
  return parse_history(list, stack).lock.value_or(Json::object());
}

std::string update_path(const Json& lock) {
  return fmt::format("/configs/{}/update?version={}", percent_encoded(lock.text_of("ID")),
                     version_of(lock));
}

// Other than Clock's, this time goes on while a machine sleeps, as that of the lease does.
Milliseconds since_start() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::duration_cast<Milliseconds>(std::chrono::seconds(time.tv_sec) +
                                                  std::chrono::nanoseconds(time.tv_nsec));
}

Result<> remove(const Budget& budget, Engine& engine, const std::string& id) {
  const EngineRequest request{.method = "DELETE", .path = "/configs/" + percent_encoded(id)};
  PCA_TRY(const EngineAnswer answer, engine.ask(budget, request));
  if (answer.is_good() || answer.status == 404) return {};
  return engine_error(request, answer);
}

}  // namespace

StackLock::StackLock(Engine& engine, std::string stack, Json owner)
    : engine_(engine),
      stack_(std::move(stack)),
      owner_(std::move(owner)),
      token_(random_hex(token_bytes)),
      offset_(engine.clock_offset().value_or(Milliseconds{0})),
      knows_clock_(engine.clock_offset().has_value()) {}

StackLock::~StackLock() { (void)release(Budget::of(farewell)); }

Result<std::unique_ptr<StackLock>> StackLock::take(const Budget& budget, Engine& engine,
                                                   Reporter& reporter, const std::string& stack,
                                                   const Json& owner, Milliseconds patience) {
  std::unique_ptr<StackLock> lock(new StackLock(engine, stack, owner));
  const Budget waiting = budget.at_most(patience);
  std::string told;
  while (true) {
    const auto there = lock->try_once(budget);
    if (there && !*there) break;
    // An Engine that restarts answers again in a moment.
    if (!there && (there.error().kind != ErrorKind::unreachable || waiting.is_over()))
      return there.error();
    const std::string who = there ? visible(describe_lock(record_in(**there, stack).dump())) : told;
    if (waiting.is_over()) {
      PCA_CHECK(budget.check("waiting for the lock"));
      return conflict(fmt::format("{}: locked by {}", stack, who),
                      "Wait for it, or end its lock with \"swarm-deploy unlock\" if it is gone.");
    }
    if (told != who) {
      reporter.info(fmt::format("{}: waiting for another deploy, by {}", stack, who));
      told = who;
    }
    const auto next = std::min(waiting.deadline(), Clock::now() + lock_poll);
    PCA_CHECK(
        wait_ready(Budget(next + lock_poll, budget.stop()), {}, next, "waiting for the lock"));
  }
  lock->renewer_ =
      std::jthread([&held = *lock](const std::stop_token& stop) { held.renew_while_held(stop); });
  return lock;
}

// Nothing when it is ours now, else whose it is.
Result<std::optional<Json>> StackLock::try_once(const Budget& budget) {
  for (int tries = 0; tries < most_tries; ++tries) {
    // What the connection began with is good enough at first; who waits looks again.
    if (!std::exchange(knows_clock_, false)) PCA_CHECK(read_clock(budget));
    PCA_TRY(const bool is_ours, make(budget));
    if (is_ours) return std::optional<Json>();
    PCA_TRY(auto there, look(budget));
    if (!there) continue;  // it was given back a moment ago
    if (!is_expired(*there)) return there;
    PCA_TRY(const bool is_gone, steal(budget, *there));
    if (!is_gone) return there;
  }
  return std::optional<Json>(Json::object());  // others are always a moment quicker
}

Result<> StackLock::check() const {
  if (!is_lost_ && since_start() < held_until_.load()) return {};
  return conflict(
      fmt::format("{}: the lock was lost: another run took it, or it could not be renewed in time",
                  stack_),
      "Look who has it now (\"swarm-deploy list\"), and run it again after that.");
}

Result<> StackLock::release(const Budget& budget) {
  renewer_.request_stop();
  if (renewer_.joinable()) renewer_.join();
  if (is_released_) return {};
  is_released_ = true;
  if (id_.empty()) {
    if (!may_be_there_) return {};
    PCA_TRY(const auto there, look(budget));  // a cancel came before the answer
    if (!there || !is_ours(*there)) return {};
    id_ = there->text_of("ID");
  }
  // By its ID: another one's lock has another.
  auto removed = remove(budget, engine_, id_);
  if (!removed && !budget.is_over()) removed = remove(budget, engine_, id_);
  return removed;
}

Json StackLock::config() const {
  Json record = owner_;
  record.set("token", token_);
  record.set("expires", utc_text(swarm_time() + lease));
  return record_config(stack_, "lock", "lock", record);
}

// False when another one has it.
Result<bool> StackLock::make(const Budget& budget) {
  PCA_CHECK(budget.check("taking the lock"));
  const Milliseconds asked = since_start();
  may_be_there_ = true;
  // Who is cancelled now may look before it is there.
  const GracePeriod grace(budget.at_most(answer_limit), writing_grace);
  const auto answer = engine_.json(
      grace.budget(), {.method = "POST", .path = "/configs/create", .body = config().dump()});
  if (answer) {
    id_ = answer->text_of("ID");
  } else {
    const ErrorKind kind = answer.error().kind;
    const bool may_be_there = kind == ErrorKind::conflict || kind == ErrorKind::unreachable;
    if (!may_be_there || budget.is_over()) return answer.error();
    PCA_TRY(const auto there, look(budget));
    if (!there || !is_ours(*there)) return false;
    id_ = there->text_of("ID");  // only the answer was lost
  }
  held_until_ = asked + lease - margin;
  return true;
}

Result<std::optional<Json>> StackLock::look(const Budget& budget) {
  const EngineRequest request{.path = path_of(stack_)};
  PCA_TRY(const EngineAnswer answer, engine_.ask(budget.at_most(answer_limit), request));
  if (answer.status == 404) return std::optional<Json>();
  if (!answer.is_good()) return engine_error(request, answer);
  PCA_TRY(Json json, parse_json(answer.body));
  return std::optional<Json>(std::move(json));
}

// False when it was renewed, stolen by another one or gone meanwhile.
Result<bool> StackLock::steal(const Budget& budget, const Json& lock) {
  Json record = record_in(lock, stack_);
  record.set("stolen-by", token_);
  const auto written = engine_.json(budget.at_most(answer_limit),
                                    {.method = "POST",
                                     .path = update_path(lock),
                                     .body = record_config(stack_, "lock", "lock", record).dump()});
  if (!written) {
    const ErrorKind kind = written.error().kind;
    if (kind == ErrorKind::conflict || kind == ErrorKind::failed) return false;
    return written.error();
  }
  PCA_CHECK(remove(budget.at_most(answer_limit), engine_, lock.text_of("ID")));
  return true;
}

Result<> StackLock::read_clock(const Budget& budget) {
  PCA_TRY(const Json info, engine_.json(budget.at_most(answer_limit), {.path = "/info"}));
  if (const auto now = parse_utc(info.text_of("SystemTime"))) offset_ = *now - utc_now();
  return {};
}

UtcTime StackLock::swarm_time() const { return utc_now() + offset_; }

bool StackLock::is_ours(const Json& lock) const {
  const Json record = record_in(lock, stack_);
  return record.text_of("token") == token_ && record.text_of("stolen-by").empty();
}

bool StackLock::is_expired(const Json& lock) const {
  const auto until = parse_utc(record_in(lock, stack_).text_of("expires"));
  return until && swarm_time() > *until;
}

void StackLock::renew_while_held(const std::stop_token& stop) {
  auto pause = renewal;
  while (true) {
    {
      std::unique_lock guard(mutex_);
      wake_.wait_for(guard, stop, pause, [] { return false; });
    }
    if (stop.stop_requested()) return;
    const bool is_renewed = renew(stop);
    if (is_lost_) return;
    pause = is_renewed ? renewal : std::chrono::seconds{2};
  }
}

bool StackLock::renew(const std::stop_token& stop) {
  const Budget budget = Budget::of(answer_limit, stop);
  const Milliseconds asked = since_start();
  const auto there = look(budget);
  if (!there) return false;
  if (!*there || !is_ours(**there)) {
    is_lost_ = true;
    return false;
  }
  const auto written = engine_.json(
      budget, {.method = "POST", .path = update_path(**there), .body = config().dump()});
  if (!written) return false;
  held_until_ = asked + lease - margin;
  return true;
}

Result<bool> unlock_stack(const Budget& budget, Engine& engine, const std::string& stack) {
  const EngineRequest request{.method = "DELETE", .path = path_of(stack)};
  PCA_TRY(const EngineAnswer answer, engine.ask(budget.at_most(answer_limit), request));
  if (answer.status == 404) return false;
  if (!answer.is_good()) return engine_error(request, answer);
  return true;
}

}  // namespace pca::swarm_deploy
