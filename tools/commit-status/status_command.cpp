#include "commit-status/status_command.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "commit-status/github_talk.hpp"
#include "commit-status/outcome.hpp"
#include "commit-status/status_input.hpp"

namespace pca::commit_status {

namespace {

std::vector<Status> read_statuses(const ToolContext& context, const Inputs& inputs,
                                  BadInputs& bad) {
  if (inputs.has("batch-file")) return read_batch(context, inputs, bad);
  if (!inputs.has("state") && !bad.names("state")) {
    bad.add("state", "is missing", "Write success, failure, error or pending.");
  }
  return read_statuses_of(context, inputs, parse_state(inputs.text("state")).value_or(""), bad);
}

Result<> post(ToolContext& context, const Inputs& inputs, GitHubTalk& talk,
              const std::vector<Status>& statuses, Outcome& outcome) {
  // A call for the commit, one for what is there, one for each status.
  const Budget budget = talk.budget(static_cast<int>(statuses.size()) + 2);
  auto result = talk.write("statuses: write", outcome, [&]() -> Result<> {
    PCA_TRY(outcome.sha, resolve_commit(budget, talk.api(), talk.target()));
    const bool skip_unchanged = inputs.text("if-unchanged") == "skip";
    return post_statuses(budget, talk.api(), talk.target().repository, outcome.sha, statuses,
                         skip_unchanged, outcome.posted);
  });
  for (const Posted& posted : outcome.posted) {
    context.reporter.info(fmt::format(
        "{} {} on {}: {}", posted.is_changed ? "set" : "unchanged:", visible(posted.status.context),
        outcome.sha.substr(0, 10), posted.status.state));
  }
  return result;
}

}  // namespace

Result<int> run_status(ToolContext& context, Inputs inputs, BadInputs& bad) {
  std::vector<Status> statuses = read_statuses(context, inputs, bad);
  Target target = read_target(context, inputs, {.permission = "statuses: write"}, bad);
  if (!bad.empty()) return bad.to_error();

  statuses = drop_doubles(context, std::move(statuses));
  if (inputs.flag("dry-run")) {
    tell_dry_run(context, inputs, target, statuses);
    return 0;
  }
  Outcome outcome;
  GitHubTalk talk(context, inputs, std::move(target));
  const Result<> result = post(context, inputs, talk, statuses, outcome);
  Result<int> code = talk.code_of(result, outcome);
  tell(context, inputs, outcome, !result);
  return code;
}

}  // namespace pca::commit_status
