#pragma once

#include <string>

#include "cli/inputs.hpp"
#include "net/child_process.hpp"
#include "net/ssh.hpp"

namespace pca {

// Runs `code` in this machine's sh with this environment, and serves `session` (may be null)
// meanwhile. What it prints goes to `output`. Errors: failed (it ended with another
// code than 0), unreachable (the budget's deadline, the session), cancelled; what it started is
// ended then.
Result<> run_on_runner(const Budget& budget, SshSession* session, const Printed& output,
                       const std::string& code, const Environment& environment);

}  // namespace pca
