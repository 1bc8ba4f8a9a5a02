#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/utc_time.hpp"
#include "net/engine.hpp"
#include "runner/reporter.hpp"

namespace pca::swarm_deploy {

// The lock of a stack: a config in the swarm, because two of one name cannot be made. It is a lease
// of 60 s by the swarm's clock, renewed every 15 s while the object lives. One that was not renewed
// is stolen: its thief writes into that very version of it (only one can), removes it, and makes
// its own; so nobody ever removes a lock that another one holds. Thread safe.
class StackLock {
 public:
  // Waits for it for `patience` at most, and tells who has it. `owner` says who wants it.
  // conflict when it is not had in time.
  [[nodiscard]] static Result<std::unique_ptr<StackLock>> take(const Budget& budget, Engine& engine,
                                                               Reporter& reporter,
                                                               const std::string& stack,
                                                               const Json& owner,
                                                               Milliseconds patience);
  ~StackLock();  // gives it back, unless that was done
  StackLock(const StackLock&) = delete;
  StackLock& operator=(const StackLock&) = delete;

  // conflict when the lease is over or another one has it; asks nobody.
  [[nodiscard]] Result<> check() const;
  // Gives it back. Safe to call twice; what cannot be removed expires.
  Result<> release(const Budget& budget);

 private:
  StackLock(Engine& engine, std::string stack, Json owner);
  [[nodiscard]] Result<std::optional<Json>> try_once(const Budget& budget);
  [[nodiscard]] Result<bool> make(const Budget& budget);
  [[nodiscard]] Result<std::optional<Json>> look(const Budget& budget);
  [[nodiscard]] Result<bool> steal(const Budget& budget, const Json& lock);
  [[nodiscard]] Result<> read_clock(const Budget& budget);
  [[nodiscard]] UtcTime swarm_time() const;
  [[nodiscard]] bool is_ours(const Json& lock) const;
  [[nodiscard]] bool is_expired(const Json& lock) const;
  [[nodiscard]] Json config() const;
  void renew_while_held(const std::stop_token& stop);
  [[nodiscard]] bool renew(const std::stop_token& stop);

  Engine& engine_;
  const std::string stack_;
  const Json owner_;
  const std::string token_;
  Milliseconds offset_{};  // of the swarm's clock from ours
  bool knows_clock_ = false;
  std::string id_;  // of the config, once it is ours
  std::atomic<bool> is_lost_ = false;
  std::atomic<Milliseconds> held_until_{Milliseconds::min()};  // since the machine started
  bool may_be_there_ = false;                                  // it was asked for
  bool is_released_ = false;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread renewer_;
};

// Removes the lock of a stack, whoever has it. False when there was none.
[[nodiscard]] Result<bool> unlock_stack(const Budget& budget, Engine& engine,
                                        const std::string& stack);

}  // namespace pca::swarm_deploy
