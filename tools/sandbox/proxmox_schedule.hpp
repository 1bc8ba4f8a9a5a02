#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "sandbox/proxmox_timing.hpp"

namespace pca::sandbox::proxmox {

// A time of the model, since 1970.
using Time = Milliseconds;

// What happens later in the model. It has no clock of its own: whoever owns it says what time it
// is.
class Schedule {
 public:
  [[nodiscard]] Time now() const { return now_; }
  // Runs everything that is due by `now`, in its order, each at the time it was due.
  void advance(Time now) {
    while (!events_.empty() && events_.begin()->first.first <= now) {
      auto event = events_.extract(events_.begin());
      now_ = std::max(now_, event.key().first);
      event.mapped()();
    }
    now_ = std::max(now_, now);
  }
  std::uint64_t after(Milliseconds delay, std::function<void()> event) {
    const std::uint64_t id = ++last_id_;
    events_.emplace(Key{now_ + delay, id}, std::move(event));
    return id;
  }
  void cancel(std::uint64_t id) {
    for (auto event = events_.begin(); event != events_.end(); ++event) {
      if (event->first.second != id) continue;
      events_.erase(event);
      return;
    }
  }
  [[nodiscard]] std::optional<Time> next() const {
    if (events_.empty()) return std::nullopt;
    return events_.begin()->first.first;
  }

 private:
  using Key = std::pair<Time, std::uint64_t>;
  std::map<Key, std::function<void()>> events_;
  Time now_{0};
  std::uint64_t last_id_ = 0;
};

// The model's time runs `speed` times as fast as ours.
class ModelClock {
 public:
  explicit ModelClock(int speed) : speed_(speed) {}
  [[nodiscard]] Time now() const {
    const auto passed = std::chrono::steady_clock::now() - begin_;
    return begin_time_ + std::chrono::duration_cast<Milliseconds>(passed * speed_);
  }
  // So long takes `time` of the model.
  [[nodiscard]] std::chrono::microseconds real(Milliseconds time) const {
    return std::chrono::duration_cast<std::chrono::microseconds>(time) / speed_;
  }

 private:
  int speed_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  Time begin_time_ =
      std::chrono::duration_cast<Time>(std::chrono::system_clock::now().time_since_epoch());
};

}  // namespace pca::sandbox::proxmox
