#include "commit-status/trouble.hpp"

#include <fmt/format.h>

namespace pca::commit_status {

Result<int> judge(ToolContext& context, const Inputs& inputs, const std::string& read_only_reason,
                  Error error, Course& course) {
  const std::string& fork_policy = inputs.text("fork-policy");
  if (course.is_refused && error.kind == ErrorKind::permission && !read_only_reason.empty() &&
      fork_policy != "fail") {
    course.is_skipped = true;
    if (fork_policy == "warn") {
      context.reporter.warning(fmt::format(
          "GitHub is told nothing: {}, and such an event's token may only read.\nReport from a "
          "workflow on workflow_run instead, whose token may write.\n{}",
          read_only_reason, error.message));
    }
    return 0;
  }
  const bool may_warn = error.kind != ErrorKind::cancelled && error.kind != ErrorKind::bug;
  if (may_warn && inputs.text("on-error") == "warn") {
    context.reporter.warning(error.hint.empty() ? error.message
                                                : error.message + "\n" + error.hint);
    return 0;
  }
  return error;
}

}  // namespace pca::commit_status
