#include "commit-status/status_command.hpp"

#include <fmt/format.h>

#include "base/build_info.hpp"
#include "base/text.hpp"
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

Result<> post(ToolContext& context, const Inputs& inputs, Target& target,
              const std::vector<Status>& statuses, Outcome& outcome) {
  target.settings.on_wait = [&](const std::string& text) { context.reporter.notice(text); };
  const auto transport = make_http_transport("commit-status/" + std::string(project_version()));
  GitHubApi api(*transport, std::move(target.settings));
  // A call for the commit, one for what is there, one for each status.
  const auto calls = static_cast<int>(statuses.size()) + 2;
  const Budget budget = Budget::of(api.longest_call() * calls, context.stop);
  const auto go = [&]() -> Result<> {
    PCA_TRY(outcome.sha, resolve_commit(budget, api, target));
    const bool skip_unchanged = inputs.text("if-unchanged") == "skip";
    return post_statuses(budget, api, target.repository, outcome.sha, statuses, skip_unchanged,
                         outcome.posted);
  };
  auto result = go();
  outcome.attempts = api.attempts();
  outcome.is_refused = api.last_status() == 401 || api.last_status() == 403;
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
  outcome.is_refused = !target.has_token;
  const Result<> result =
      target.has_token
          ? post(context, inputs, target, statuses, outcome)
          : Result<>(permission_denied("there is no token", "Give one whose statuses are write."));
  Result<int> code = result
                         ? Result<int>(0)
                         : judge(context, inputs, target.read_only_reason, result.error(), outcome);
  tell(context, inputs, outcome, !result);
  return code;
}

}  // namespace pca::commit_status
