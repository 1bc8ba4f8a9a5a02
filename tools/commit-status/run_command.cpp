#include "commit-status/run_command.hpp"

#include <fmt/format.h>

#include <csignal>
#include <cstring>

#include "base/build_info.hpp"
#include "base/text.hpp"
#include "commit-status/child.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/outcome.hpp"
#include "commit-status/status_input.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

namespace {

// No job lasts longer.
constexpr Milliseconds longest_run{5 * 86'400'000};
// After a signal the runner gives a step 7.5 s. The result is posted first, while the command
// cleans up; what still runs then is killed.
constexpr Milliseconds last_post_limit{4'500};
constexpr Milliseconds clean_up_end{6'000};

class Run {
 public:
  Run(ToolContext& context, const Inputs& inputs, Target target, std::vector<Status> statuses)
      : context_(context),
        inputs_(inputs),
        target_(std::move(target)),
        statuses_(std::move(statuses)),
        transport_(make_http_transport("commit-status/" + std::string(project_version()))),
        api_(*transport_, take_settings()) {}

  Result<int> run(const std::vector<std::string>& words) {
    if (Result<int> begun = begin(); !begun) return begun;
    auto child = Child::start(words, inputs_.flag("json"));
    if (!child) {
      const auto told = finish(patient(), "error", "The command could not be started");
      if (!told) context_.reporter.warning(told.error().message);
      tell(context_, inputs_.text("summary"), outcome_, true);
      return child.error();
    }
    const auto start = Clock::now();
    const Result<> waited = (*child)->wait(Budget::of(longest_run, context_.stop));
    if (!waited) return cancel(**child);
    const int code = (*child)->end();
    return conclude(code, std::chrono::floor<std::chrono::seconds>(Clock::now() - start));
  }

 private:
  GitHubSettings take_settings() {
    GitHubSettings settings = std::move(target_.settings);
    settings.on_wait = [this](const std::string& text) { context_.reporter.notice(text); };
    return settings;
  }

  [[nodiscard]] Budget patient() const {
    return Budget::of(api_.longest_call() * (static_cast<int>(statuses_.size()) + 1),
                      context_.stop);
  }

  // The exit code 0 also where the user does not want to fail by an Error.
  Result<int> post(const Budget& budget) {
    outcome_.posted.clear();
    const auto go = [&]() -> Result<> {
      if (!target_.has_token) return permission_denied("there is no token");
      if (outcome_.sha.empty()) {
        PCA_TRY(outcome_.sha, resolve_commit(budget, api_, target_));
      }
      return post_statuses(budget, api_, target_.repository, outcome_.sha, statuses_, false,
                           outcome_.posted);
    };
    const Result<> result = go();
    outcome_.attempts = api_.attempts();
    outcome_.is_refused =
        !target_.has_token || api_.last_status() == 401 || api_.last_status() == 403;
    if (result) return 0;
    return judge(context_, inputs_, target_.read_only_reason, result.error(), outcome_);
  }

  Result<int> begin() {
    Result<int> begun = post(patient());
    if (!begun) tell(context_, inputs_.text("summary"), outcome_, true);
    return begun;
  }

  // Nothing is posted where the first status was not: the token may not.
  Result<int> finish(const Budget& budget, const std::string& state, const std::string& said) {
    if (outcome_.is_skipped) return 0;
    for (Status& status : statuses_) {
      status.state = state;
      if (state != "success" || status.description.empty()) {
        status.description = fit_description(said);
      }
    }
    return post(budget);
  }

  Result<int> conclude(int code, std::chrono::seconds took) {
    const std::string time = format_duration(took);
    const Result<int> told =
        code == 0 ? finish(patient(), "success", "Done in " + time)
                  : finish(patient(), "failure",
                           fmt::format("Ended with exit code {} after {}", code, time));
    context_.reporter.output(contract::exit_code, std::to_string(code));
    tell(context_, inputs_.text("summary"), outcome_, code != 0);
    if (code != 0 && !told) context_.reporter.warning(told.error().message);
    if (code != 0) return code;
    return told ? Result<int>(0) : told;
  }

  Result<int> cancel(Child& child) {
    const auto end = Clock::now() + clean_up_end;
    const int number = context_.signals.signal() == 0 ? SIGTERM : context_.signals.signal();
    child.signal(number);
    const Result<int> told =
        finish(Budget::of(last_post_limit), "error", fmt::format("Cancelled by signal {}", number));
    if (!told) context_.reporter.warning(told.error().message);
    const Budget rest(end, {});
    if (!child.wait(rest)) child.signal(SIGKILL);
    context_.reporter.output(contract::exit_code, std::to_string(128 + number));
    tell(context_, inputs_.text("summary"), outcome_, true);
    return cancelled("cancelled while the command ran");
  }

  ToolContext& context_;
  const Inputs& inputs_;
  Target target_;
  std::vector<Status> statuses_;
  std::unique_ptr<HttpTransport> transport_;
  GitHubApi api_;
  Outcome outcome_;
};

}  // namespace

Result<int> run_run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  std::vector<Status> statuses = read_statuses_of(context, inputs, "pending", bad);
  const std::vector<std::string>& words = inputs.list("command");
  if (words.empty() && !bad.names("command")) {
    bad.add("command", "is missing", "Write it behind \"--\".");
  }
  Target target = read_target(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  statuses = drop_doubles(context, std::move(statuses));
  if (inputs.flag("dry-run")) {
    tell_dry_run(context, target, statuses, inputs.text("summary"));
    context.reporter.info(fmt::format("would run {}", shown(words.front())));
    return 0;
  }
  return Run(context, inputs, std::move(target), std::move(statuses)).run(words);
}

}  // namespace pca::commit_status
