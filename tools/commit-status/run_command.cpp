#include "commit-status/run_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "base/text.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/github_talk.hpp"
#include "commit-status/outcome.hpp"
#include "commit-status/status_input.hpp"
#include "net/child_process.hpp"

namespace pca::commit_status {

namespace {

// No job lasts longer.
constexpr Milliseconds longest_run{5 * 86'400'000};
// The runner sends SIGINT, 7.5 s later SIGTERM, 2.5 s later it kills. How it ended is told at once,
// while the command cleans up; what still runs shortly before the runner kills is killed here, so
// that the outputs are written.
constexpr Milliseconds last_post_limit{4'500};
constexpr Milliseconds command_limit{9'000};
constexpr Milliseconds clean_up_limit{9'700};

// None of the inputs: a tool that is run would take them for its own. Nor the token, unless an
// input brought it: GITHUB_TOKEN and GH_TOKEN are meant for the command then.
std::vector<std::string> environment_of_command(const Environment& environment,
                                                bool has_token_input) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : environment) {
    const bool is_token = name == "GITHUB_TOKEN" || name == "GH_TOKEN";
    if (name.starts_with("INPUT_") || (is_token && !has_token_input)) continue;
    lines.push_back(name + "=" + value);
  }
  return lines;
}

// A script goes by its environment: an argument list is public on the machine.
struct Command {
  std::vector<std::string> words;
  std::string script;

  [[nodiscard]] std::string name() const { return script.empty() ? words.front() : "the script"; }
};
constexpr const char* script_variable = "COMMIT_STATUS_SCRIPT";
constexpr std::size_t longest_script = 100'000;  // Linux takes 128 KiB in one variable

Command read_command(const Inputs& inputs, BadInputs& bad) {
  Command command{inputs.list("command"), inputs.text("script")};
  const bool has_script = inputs.has("script");
  if (has_script && !command.words.empty()) {
    bad.add("script", "goes with no command", "Give one of them.");
  }
  if (!has_script && command.words.empty() && !bad.names("command")) {
    bad.add("command", "is missing", "Write it behind \"--\", or give a script.");
  }
  if (command.script.size() > longest_script) {
    bad.add("script", fmt::format("is longer than {} bytes", longest_script),
            "Keep it in a file, and run that.");
  }
  if (has_script) {
    command.words = {"sh", "-e", "-c", fmt::format("eval \"${}\"", script_variable)};
  }
  return command;
}

class Run {
 public:
  Run(ToolContext& context, const Inputs& inputs, Target target, std::vector<Status> statuses)
      : context_(context),
        inputs_(inputs),
        talk_(context, inputs, std::move(target)),
        statuses_(std::move(statuses)) {}

  Result<int> run(const Command& command) {
    context_.signals.allow_clean_up(clean_up_limit);
    if (Result<int> begun = begin(); !begun) return begun;
    std::vector<std::string> environment =
        environment_of_command(context_.environment, talk_.target().has_token_input);
    if (!command.script.empty()) {
      environment.push_back(fmt::format("{}={}", script_variable, command.script));
    }
    // On a terminal without a group of its own, so that it may read there.
    auto child =
        ChildProcess::start({.words = command.words,
                             .environment = std::move(environment),
                             .streams = inputs_.flag("json") ? ChildSpec::Streams::shared_stderr
                                                             : ChildSpec::Streams::shared,
                             .has_group = !is_on_terminal()});
    if (!child) return tell_end(finish("error", "The command could not be started"), child.error());
    const auto start = Clock::now();
    if (!(*child)->wait(Budget::of(longest_run, context_.stop))) return cancel(**child);
    return conclude((*child)->end(),
                    std::chrono::floor<std::chrono::seconds>(Clock::now() - start));
  }

 private:
  [[nodiscard]] Budget patient() const {
    return talk_.budget(static_cast<int>(statuses_.size()) + 1);
  }

  // The exit code 0 also where the user does not want to fail by an Error.
  Result<int> post(const Budget& budget) {
    outcome_.posted.clear();
    const auto go = [&]() -> Result<> {
      if (outcome_.sha.empty()) {
        PCA_TRY(outcome_.sha, resolve_commit(budget, talk_.api(), talk_.target()));
      }
      return post_statuses(budget, talk_.api(), talk_.target().repository, outcome_.sha, statuses_,
                           false, outcome_.posted);
    };
    return talk_.code_of(talk_.write("statuses: write", outcome_, go), outcome_);
  }

  Result<int> begin() {
    Result<int> begun = post(patient());
    if (begun) return begun;
    // It may stand as pending already.
    if (begun.error().kind == ErrorKind::cancelled) finish_cancelled();
    tell(context_, inputs_, outcome_, true);
    return begun;
  }

  // Nothing is posted where the first status was not: the token may not.
  Result<int> finish(const std::string& state, const std::string& said) {
    if (outcome_.is_skipped) return 0;
    for (Status& status : statuses_) {
      status.state = state;
      if (state != "success" || status.description.empty()) {
        status.description = fit_description(said);
      }
    }
    const bool is_cancelled = context_.stop.stop_requested();
    Result<int> told = post(is_cancelled ? Budget::of(last_post_limit) : patient());
    const bool was_cut = !told && told.error().kind == ErrorKind::cancelled;
    return was_cut ? post(Budget::of(last_post_limit)) : told;
  }

  [[nodiscard]] int signal() const {
    return context_.signals.signal() == 0 ? SIGTERM : context_.signals.signal();
  }

  void finish_cancelled() {
    const Result<int> told = finish("error", fmt::format("Cancelled by signal {}", signal()));
    if (!told) context_.reporter.warning(told.error().message);
  }

  // What became of the command counts more than what became of the status.
  Result<int> tell_end(const Result<int>& told, Result<int> end) {
    tell(context_, inputs_, outcome_, !end || *end != 0);
    if (end && *end == 0) return told;
    if (!told) context_.reporter.warning(told.error().message);
    return end;
  }

  Result<int> conclude(const ChildProcess::End& end, std::chrono::seconds took) {
    outcome_.child = end;
    const std::string time = format_duration(took);
    if (end.exit_code == 0) return tell_end(finish("success", "Done in " + time), 0);
    const std::string how = end.signal.empty() ? fmt::format("exit code {}", end.exit_code)
                                               : fmt::format("signal {}", end.signal);
    const Result<int> told = finish("failure", fmt::format("Ended with {} after {}", how, time));
    if (inputs_.flag("pass-exit-code")) return tell_end(told, end.exit_code);
    return tell_end(told, failed(fmt::format("the command ended with {}", how),
                                 "Look at what it printed above."));
  }

  [[nodiscard]] static bool is_on_terminal() { return ::isatty(STDIN_FILENO) == 1; }

  // The terminal's own SIGINT has come to the command already.
  static void pass_on(const ChildProcess& child, int number) {
    if (number != SIGINT || !is_on_terminal()) child.signal(number);
  }

  Result<int> cancel(ChildProcess& child) {
    const Clock::time_point end = Clock::now() + command_limit;
    pass_on(child, signal());
    finish_cancelled();
    const SignalWatcher& signals = context_.signals;
    if (!child.wait(Budget(end, signals.second_token()))) {
      if (signals.second_signal() != 0) pass_on(child, signals.second_signal());
      if (!child.wait(Budget(end, {}))) child.signal(SIGKILL);
    }
    outcome_.child = child.end();
    return tell_end(0, cancelled("cancelled while the command ran"));
  }

  ToolContext& context_;
  const Inputs& inputs_;
  GitHubTalk talk_;
  std::vector<Status> statuses_;
  Outcome outcome_;
};

}  // namespace

Result<int> run_run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  std::vector<Status> statuses = read_statuses_of(context, inputs, "pending", bad);
  const Command command = read_command(inputs, bad);
  Target target = read_target(context, inputs, {.permission = "statuses: write"}, bad);
  if (!bad.empty()) return bad.to_error();
  statuses = drop_doubles(context, std::move(statuses));
  if (inputs.flag("dry-run")) {
    tell_dry_run(context, inputs, target, statuses);
    context.reporter.info(fmt::format("would run {}", shown(command.name())));
    return 0;
  }
  return Run(context, inputs, std::move(target), std::move(statuses)).run(command);
}

}  // namespace pca::commit_status
