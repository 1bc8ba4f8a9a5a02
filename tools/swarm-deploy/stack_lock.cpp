#include "swarm-deploy/stack_lock.hpp"

#include <fmt/format.h>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "base/utc_time.hpp"
#include "deploy/release_records.hpp"
#include "net/byte_stream.hpp"
#include "swarm-deploy/release_history.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr std::chrono::seconds lease{60};
constexpr std::chrono::seconds margin{5};  // by which we stop before others may steal
constexpr std::chrono::seconds renewal{15};
constexpr Milliseconds lock_poll{2000};
constexpr Milliseconds answer_limit{10'000};
constexpr Milliseconds farewell{2000};
constexpr std::size_t token_bytes = 8;

std::string path_of(const std::string& stack) {
  return "/configs/" + percent_encoded(record_name(stack, "lock"));
}

// What a config of a lock says of itself.
Json record_in(const Json& lock, const std::string& stack) {
  Json list = Json::array();
  list.push(lock);
  return parse_history(list, stack).lock.value_or(Json::object());
}

std::int64_t version_of(const Json& config) {
  const Json* version = config.find("Version");
  const Json* index = version == nullptr ? nullptr : version->find("Index");
  return index == nullptr || index->as_int() == nullptr ? 0 : *index->as_int();
}

std::string update_path(const Json& lock) {
  return fmt::format("/configs/{}/update?version={}", percent_encoded(lock.text_of("ID")),
                     version_of(lock));
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
      token_(random_hex(token_bytes)) {}

StackLock::~StackLock() { (void)release(Budget::of(farewell)); }

Result<std::unique_ptr<StackLock>> StackLock::take(const Budget& budget, Engine& engine,
                                                   Reporter& reporter, const std::string& stack,
                                                   const Json& owner, Milliseconds patience) {
  std::unique_ptr<StackLock> lock(new StackLock(engine, stack, owner));
  PCA_CHECK(lock->read_clock(budget));
  const Budget waiting = budget.at_most(patience);
  std::string told;
  while (true) {
    PCA_TRY(const bool is_ours, lock->make(budget));
    if (is_ours) break;
    PCA_TRY(const auto there, lock->look(budget));
    if (there && lock->is_expired(*there)) {
      PCA_TRY(const bool is_gone, lock->steal(budget, *there));
      if (is_gone) continue;
    }
    const std::string who =
        there ? visible(describe_lock(record_in(*there, stack).dump())) : std::string("nobody");
    if (waiting.is_over()) {
      PCA_CHECK(budget.check("waiting for the lock"));
      return conflict(fmt::format("{}: locked by {}", stack, who),
                      "Wait for it, or end its lock with \"swarm-deploy unlock\" if it is gone.");
    }
    if (there && told != who) {
      reporter.info(fmt::format("{}: waiting for another deploy, by {}", stack, who));
      told = who;
    }
    const auto next = std::min(waiting.deadline(), Clock::now() + lock_poll);
    PCA_CHECK(
        wait_ready(Budget(next + lock_poll, budget.stop()), {}, next, "waiting for the lock"));
    PCA_CHECK(lock->read_clock(budget));
  }
  lock->renewer_ =
      std::jthread([&held = *lock](const std::stop_token& stop) { held.renew_while_held(stop); });
  return lock;
}

Result<> StackLock::check() const {
  if (!is_lost_ && Clock::now() < held_until_.load()) return {};
  return conflict(
      fmt::format("{}: the lock was lost: another run took it, or it could not be renewed in time",
                  stack_),
      "Look who has it now (\"swarm-deploy list\"), and run it again after that.");
}

Result<> StackLock::release(const Budget& budget) {
  renewer_.request_stop();
  if (renewer_.joinable()) renewer_.join();
  if (is_released_ || id_.empty()) return {};
  is_released_ = true;
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
  const auto asked = Clock::now();
  const auto answer =
      engine_.json(budget.at_most(answer_limit),
                   {.method = "POST", .path = "/configs/create", .body = config().dump()});
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
  const auto asked = Clock::now();
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
