#pragma once

#include <functional>

#include "base/budget.hpp"

namespace pca::swarm_deploy {

// Waits that long. Errors: cancelled, unreachable (the budget's deadline).
Result<> wait_a_moment(const Budget& budget, Milliseconds length);

// Waits that long, or until something has happened that is worth a look: true then.
using Pause = std::function<bool(const Budget& budget, Milliseconds length)>;
// One that hears of nothing.
bool just_wait(const Budget& budget, Milliseconds length);

// Looks again and again, every 0.5 s at first and every 2 s later, until all is well and was so for
// `settle`. `look` says whether it is; `pause` is what is between two looks; when it says that
// something has happened the next ones are 0.5 s apart again. An Engine that is gone, or restarts,
// may miss some looks in a row. Errors: those of `look` otherwise; that of
// `timed_out` when the budget is over, which is asked for a cancel as well.
[[nodiscard]] Result<> wait_until_well(const Budget& budget, Milliseconds settle,
                                       const std::function<Result<bool>()>& look,
                                       const std::function<Error()>& timed_out,
                                       const Pause& pause = just_wait);

}  // namespace pca::swarm_deploy
