#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "base/budget.hpp"
#include "base/json.hpp"
#include "base/result.hpp"
#include "net/file_descriptor.hpp"
#include "runner/reporter.hpp"

namespace pca::tunnel_ssh {

// Work that goes on in a process of its own. It calls `ready` once, with what the first process
// shall know, when it has begun in earnest; what it prints before that is still seen.
using BackgroundWork =
    std::function<Result<>(const std::stop_token& stop, const std::function<void(Json)>& ready)>;

// The end of a log file that may have to be made first; bad_input when it cannot be written. Opened
// before anything is contacted: in the background nobody would hear that the log is lost.
[[nodiscard]] Result<FileDescriptor> open_log_file(const std::string& path);

// Starts `work` in a session of its own, with stdin from /dev/null and, once ready, its output to
// `log` (nowhere when not open). Gives what it told with `ready`, and its pid in `pid`; or the
// Error that ended it before. It ends at SIGTERM, SIGINT or SIGHUP, and with the job: the runner
// ends every process that has RUNNER_TRACKING_ID in its environment, which is kept. `reporter` is
// that of both: it tells the runner of secrets before they part, so that the log file never has
// them, and tells the log of an Error that ends the work later.
[[nodiscard]] Result<Json> start_in_background(const Budget& budget, const FileDescriptor& log,
                                               Reporter& reporter, const BackgroundWork& work,
                                               int& pid);

}  // namespace pca::tunnel_ssh
