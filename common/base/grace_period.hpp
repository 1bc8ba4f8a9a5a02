#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "base/budget.hpp"

namespace pca {

// What a write gets at a cancel: most answer at once, and whoever cancels waits.
inline constexpr Milliseconds writing_grace{1000};

// A budget whose canceller comes later than that of another: for a write that is on its way when
// the cancel comes. Who cuts it off does not know whether it is done, and cannot take it back.
class GracePeriod {
 public:
  // `budget`'s own deadline holds, too.
  GracePeriod(const Budget& budget, Milliseconds grace);
  ~GracePeriod();
  GracePeriod(const GracePeriod&) = delete;
  GracePeriod& operator=(const GracePeriod&) = delete;

  [[nodiscard]] const Budget& budget() const { return budget_; }

 private:
  std::stop_source late_;
  Budget budget_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  bool has_ended_ = false;
  std::jthread timer_;  // last: it uses all of the others
};

}  // namespace pca
