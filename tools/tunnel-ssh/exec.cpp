#include "tunnel-ssh/exec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/exec_inputs.hpp"
#include "tunnel-ssh/results.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t token_bytes = 16;        // nobody prints it by chance
constexpr Milliseconds reading_limit{30'000};  // for files among the inputs
constexpr int timed_out_code = 124;            // as timeout(1) has it
constexpr std::size_t joined_limit = std::size_t{512} * 1024;

// Runs one plan on its hosts; workers share it. All members but results_ are set before the first
// worker starts, and each worker writes only its own entry there.
class Execution {
 public:
  Execution(ToolContext& context, const ExecPlan& plan)
      : context_(context), plan_(plan), results_(plan.connection.hosts.size()) {
    for (std::size_t i = 0; i < results_.size(); ++i) {
      results_[i].host = plan_.connection.hosts[i].text();
    }
  }

  const std::vector<HostResult>& run() {
    const auto batches = make_batches(results_.size(), plan_.rollout.canary, plan_.rollout.batch);
    const BatchesEnd end = run_batches(
        batches, plan_.rollout.parallel, [this](std::size_t index) { return run_on(index); },
        context_.stop);
    if (end == BatchesEnd::stopped) cancel_unstarted(results_);
    return results_;
  }

  [[nodiscard]] double elapsed_ms() const { return ms_since(began_); }

 private:
  [[nodiscard]] bool is_only_host() const { return results_.size() == 1; }

  bool run_on(std::size_t index) {
    HostResult& result = results_[index];
    const HostAddress& host = plan_.connection.hosts[index];
    auto place = gate_.enter(gate_address(plan_.connection, host), context_.stop);
    if (!place) return false;
    if (!is_only_host()) context_.reporter.info(fmt::format("{}: connecting", result.host));
    auto session = connect(host, result);
    place.reset();  // it counts starts: sshd drops connections that have not logged in yet
    if (session) {
      run_there(**session, result);
      (void)(*session)->close(farewell());
    } else {
      end_with(result, std::move(session).error(), false);
    }
    if (result.error && !is_only_host()) {  // why stands at the end, once for all that share it
      context_.reporter.info(fmt::format("{}: {}", result.host, outcome_name(result.outcome)));
    }
    return !result.error;
  }

  Result<std::unique_ptr<SshSession>> connect(const HostAddress& host, HostResult& result) {
    ConnectObserver observer = log_observer(context_.reporter, plan_.connection);
    observer.on_phase = [&, tell = observer.on_phase](const ConnectEvent& event) {
      tell(event);
      result.phases.push_back({event.phase, elapsed_ms() - event.ms, event.ms});
    };
    auto session = connect_ssh(connect_budget(plan_.connection, context_.stop), plan_.connection,
                               host, observer);
    one_after_the_other(result.phases);
    return session;
  }

  void run_there(SshSession& session, HostResult& result) {
    HostOutput output(context_.reporter, context_.redactor, plan_.output, result.host,
                      is_only_host(), turn_);
    const double start = elapsed_ms();
    RunEnd end = run_program(session, make_program(plan_.program, random_hex(token_bytes)),
                             plan_.limits, output.sinks(), result.host, context_.stop);
    result.phases.push_back({"command", start, elapsed_ms() - start});
    output.finish();
    result.out = output.out();
    result.err = output.err();
    result.last_words = output.last_words();
    result.out_bytes = end.out_bytes;
    result.err_bytes = end.err_bytes;
    result.shell = end.shell;
    if (end.exit) {
      result.exit_code = end.exit->code;
      result.exit_signal = end.exit->signal;
    }
    if (end.timed_out) result.exit_code = timed_out_code;
    if (end.error) {
      end_with(result, *std::move(end.error), end.timed_out);
    } else {
      result.outcome = Outcome::succeeded;
    }
  }

  static void end_with(HostResult& result, Error error, bool timed_out) {
    result.outcome = outcome_of(error, timed_out);
    result.error = std::move(error);
  }

  ToolContext& context_;
  const ExecPlan& plan_;
  const Clock::time_point began_ = Clock::now();
  StartGate gate_{starts_at_once};
  std::mutex turn_;  // of grouped output
  std::vector<HostResult> results_;
};

Json report_json(const std::vector<HostResult>& results, double duration_ms) {
  Json report = Json::object();
  report.set("command", "exec");
  report.set("outcome", outcome_name(overall_outcome(results)));
  report.set("duration-ms", std::round(duration_ms));
  report.set("hosts", results_json(results, CapturedText::included));
  return report;
}

// The code of the one host, or of the first that failed; empty when no host told any.
std::string exit_code_output(const std::vector<HostResult>& results) {
  std::optional<int> chosen;
  for (const HostResult& result : results) {
    if (result.exit_code && chosen.value_or(0) == 0) chosen = result.exit_code;
  }
  return chosen ? std::to_string(*chosen) : std::string();
}

void write_outputs(ToolContext& context, const std::vector<HostResult>& results, const Json& report,
                   double duration_ms) {
  Reporter& reporter = context.reporter;
  reporter.output(contract::stdout_text, joined_output(results, &HostResult::out, joined_limit));
  reporter.output(contract::stderr_text, joined_output(results, &HostResult::err, joined_limit));
  reporter.output(contract::exit_code, exit_code_output(results));
  reporter.output(contract::exit_signal, results.size() == 1 ? results.front().exit_signal : "");
  reporter.output(contract::results, results_json(results).dump());
  reporter.output(contract::failed_hosts, join(failed_hosts(results), "\n"));
  reporter.output(contract::outcome, outcome_name(overall_outcome(results)));
  reporter.output(contract::duration_ms, std::to_string(std::llround(duration_ms)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
}

}  // namespace

Result<int> run_exec(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const ScriptSources sources{context.environment, context.redactor,
                              [&](const std::string& text) { context.reporter.info(text); }};
  const ExecPlan plan =
      read_exec_plan(Budget::of(reading_limit, context.stop), inputs, sources, bad);
  if (!bad.empty()) return bad.to_error();

  Execution execution(context, plan);
  const std::vector<HostResult>& results = execution.run();
  const double duration_ms = execution.elapsed_ms();

  if (results.size() > 1) context.reporter.info(results_table(results));
  write_outputs(context, results, report_json(results, duration_ms), duration_ms);
  context.reporter.summary(results_summary(results, context.redactor));

  auto error = overall_error(results);
  if (context.stop.stop_requested() && !error) error = cancelled("cancelled");
  if (!error) return 0;
  if (plan.pass_exit_code && results.front().exit_code.value_or(0) != 0) {
    context.reporter.error(*error);
    // What is above 255 would come out as something else, 256 as 0.
    return std::clamp(*results.front().exit_code, 1, 255);
  }
  return *std::move(error);
}

}  // namespace pca::tunnel_ssh
