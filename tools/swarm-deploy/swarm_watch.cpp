#include "swarm-deploy/swarm_watch.hpp"

#include <algorithm>

#include "net/byte_stream.hpp"

namespace pca::swarm_deploy {

namespace {

constexpr Milliseconds first_pause{500};
constexpr Milliseconds longest_pause{2000};
constexpr int most_misses = 20;

}  // namespace

Result<> wait_a_moment(const Budget& budget, Milliseconds length) {
  PCA_CHECK(wait_ready(budget, {}, Clock::now() + length, "waiting for the swarm"));
  return {};
}

bool just_wait(const Budget& budget, Milliseconds length) {
  (void)wait_a_moment(budget, length);
  return false;
}

Result<> wait_until_well(const Budget& budget, Milliseconds settle,
                         const std::function<Result<bool>()>& look,
                         const std::function<Error()>& timed_out, const Pause& pause) {
  Clock::time_point well_since{};  // while `is_well`
  bool is_well = false;
  Milliseconds wait = first_pause;
  int misses = 0;
  while (true) {
    if (const auto now = look(); !now) {
      const Error& error = now.error();
      const bool may_pass = error.transient || error.kind == ErrorKind::unreachable;
      if (error.kind == ErrorKind::cancelled || !may_pass || ++misses > most_misses) return error;
    } else {
      misses = 0;
      if (*now && !is_well) well_since = Clock::now();
      is_well = *now;
      if (is_well && Clock::now() - well_since >= settle) return {};
    }
    if (budget.is_over()) return timed_out();
    const auto until_settled =
        is_well ? std::chrono::ceil<Milliseconds>(well_since + settle - Clock::now()) : wait;
    const Milliseconds length = std::min(wait, std::max(until_settled, Milliseconds{1}));
    // When the budget is over the next turn tells.
    const bool has_happened = pause(budget, length);
    wait = has_happened ? first_pause : std::min(wait * 5 / 4, longest_pause);
  }
}

}  // namespace pca::swarm_deploy
