#include "base/grace_period.hpp"

namespace pca {

GracePeriod::GracePeriod(const Budget& budget, Milliseconds grace)
    : budget_(budget.deadline(), late_.get_token()), timer_([this, grace, early = budget.stop()] {
        std::unique_lock lock(mutex_);
        const auto has_ended = [this] { return has_ended_; };
        if (ended_.wait(lock, early, has_ended)) return;
        if (ended_.wait_for(lock, grace, has_ended)) return;
        lock.unlock();
        late_.request_stop();
      }) {}

GracePeriod::~GracePeriod() {
  const std::lock_guard lock(mutex_);
  has_ended_ = true;
  ended_.notify_all();
}

}  // namespace pca
