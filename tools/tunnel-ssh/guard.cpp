#include "tunnel-ssh/guard.hpp"

#include <fmt/format.h>

#include <cmath>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "cli/report_file.hpp"
#include "runner/markdown.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/exec_inputs.hpp"
#include "tunnel-ssh/guard_host.hpp"
#include "tunnel-ssh/release_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t longest_candidate = std::size_t{64} << 20U;
constexpr Milliseconds reading_limit{30'000};
constexpr Milliseconds last_limit{5000};      // to revert when all else has failed
constexpr Milliseconds revert_limit{60'000};  // of a revert on a host that answers
constexpr Milliseconds before_revert{5000};   // the host must not revert while we confirm
constexpr Milliseconds shortest_guard{15'000};

// Everything that guard was asked for, checked.
struct GuardInputs {
  ConnectionSettings connection;
  std::string become;
  Milliseconds timeout{};
  GuardedChange change;
  HealthCheck health;
};

Json owner_of(const Provenance& from) {
  Json owner = Json::object();
  owner.set("actor", from.actor);
  owner.set("repository", from.repository);
  owner.set("run-url", from.run_url);
  return owner;
}

GuardedChange read_change(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  GuardedChange change;
  change.target = inputs.text("target");
  change.validate = trim(inputs.text("validate"));
  change.apply = trim(inputs.text("apply"));
  change.revert = trim(inputs.text("revert"));
  change.revert_after = inputs.duration("revert-after");
  change.owner = owner_of(read_provenance(context));
  if (change.revert_after < shortest_guard) {
    bad.add("revert-after", "too short to confirm anything", "Write 15s or more.");
  }
  const bool has_candidate = inputs.has("candidate");
  if (!change.target.empty() && !change.target.starts_with('/')) {
    bad.add("target", fmt::format("\"{}\" is no whole path on the host", visible(change.target)),
            "Begin it with /.");
  }
  if (!change.target.empty() && !has_candidate) {
    bad.add("candidate", "missing, though there is a target",
            "Give the file that shall be in its place.");
  }
  if (change.target.empty() && change.revert.empty()) {
    bad.add("revert", "missing, and there is no target to put back",
            "Give the commands that take back what apply does.");
  }
  if (!has_candidate) return change;
  auto text = read_input_file(Budget::of(reading_limit, context.stop), inputs.text("candidate"),
                              longest_candidate);
  if (text) {
    change.candidate = *std::move(text);
  } else {
    bad.add("candidate", text.error());
  }
  return change;
}

GuardInputs read_guard_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  GuardInputs guard;
  guard.connection = read_connection_inputs(context, inputs, bad, Login::hosts);
  guard.become = read_become(inputs, bad);
  guard.timeout = read_timeout(inputs);
  if (inputs.command() == "guard apply") {
    guard.change = read_change(context, inputs, bad);
    guard.health = read_health(inputs, bad);
  }
  return guard;
}

// A connection with a shell of ours on it. Never one that others use too: whether a new one comes
// about is what is to be proved.
class GuardLine {
 public:
  static Result<std::unique_ptr<GuardLine>> open(ToolContext& context, const GuardInputs& inputs,
                                                 const Budget& budget) {
    const ConnectionSettings& settings = inputs.connection;
    const HostAddress& host = settings.hosts.front();
    PCA_TRY(auto session,
            connect_ssh(budget, settings, host, log_observer(context.reporter, settings)));
    PCA_TRY(RemoteShell shell, RemoteShell::start(budget, *session, inputs.become, host.text()));
    return std::make_unique<GuardLine>(std::move(session), std::move(shell));
  }
  GuardLine(std::unique_ptr<SshSession> session, RemoteShell shell)
      : session_(std::move(session)), shell_(std::move(shell)), host_(shell_) {}
  ~GuardLine() {
    (void)shell_.end(farewell());
    (void)session_->close(farewell());
  }
  GuardLine(const GuardLine&) = delete;
  GuardLine& operator=(const GuardLine&) = delete;

  [[nodiscard]] SshSession& session() { return *session_; }
  [[nodiscard]] GuardHost& host() { return host_; }
  [[nodiscard]] bool is_busy() const { return shell_.is_busy(); }

 private:
  std::unique_ptr<SshSession> session_;
  RemoteShell shell_;
  GuardHost host_;
};

// One guarded change from the upload to its confirmation.
class Guard {
 public:
  Guard(ToolContext& context, const GuardInputs& inputs)
      : context_(context),
        inputs_(inputs),
        budget_(Budget::of(inputs.timeout, context.stop)),
        who_(inputs.connection.hosts.front().text()) {}

  Result<> run() {
    PCA_TRY(first_, GuardLine::open(context_, inputs_, connecting(budget_)));
    PCA_TRY(pending_, first_->host().arm(budget_, inputs_.change));
    limit_ = budget_.at_most(inputs_.change.revert_after - before_revert);
    context_.reporter.info(
        fmt::format("{}: armed; reverts at {} unless confirmed", who_, pending_.reverts_at));
    auto held = apply_and_verify();
    if (held) {
      outcome_ = "deployed";
      return {};
    }
    return go_back(held.error());
  }

  [[nodiscard]] const std::string& outcome() const { return outcome_; }
  [[nodiscard]] const std::string& evidence() const { return evidence_; }
  [[nodiscard]] const PendingGuard& pending() const { return pending_; }

 private:
  [[nodiscard]] Budget connecting(const Budget& budget) const {
    return {
        std::min(budget.deadline(), connect_budget(inputs_.connection, context_.stop).deadline()),
        context_.stop};
  }

  Result<> apply_and_verify() {
    auto applied = apply_by(*first_);
    // A change to the network may end what it came by; what counts is a new connection.
    if (!applied && applied.error().kind == ErrorKind::unreachable) {
      context_.reporter.info(fmt::format("{}; trying a new connection", applied.error().message));
    } else if (!applied) {
      return applied;
    }
    PCA_TRY(second_, GuardLine::open(context_, inputs_, connecting(limit_)));
    GuardHost& host = second_->host();
    if (!applied) PCA_CHECK(show(host.wait_applied(limit_)));
    PCA_TRY(HealthEvidence evidence,
            wait_until_healthy(
                limit_, second_->session(),
                [&](const Budget& budget, const std::string& command, Milliseconds most) {
                  return host.check(budget, command, most);
                },
                inputs_.health));
    evidence_ = std::move(evidence.text);
    is_confirming_ = true;
    return host.confirm(limit_);
  }

  Result<> apply_by(GuardLine& line) {
    PCA_CHECK(line.host().apply(limit_, inputs_.change));
    return show(line.host().wait_applied(limit_));
  }

  Result<> show(const Result<std::string>& applied) {
    if (!applied) return applied.error();
    const auto output = context_.reporter.remote(who_ + ": ");
    output->feed(*applied);
    output->finish();
    return {};
  }

  // By whichever connection still works, a new one last; by the host's own timer otherwise.
  Result<> go_back(const Error& why) {
    if (is_confirming_ && why.kind != ErrorKind::conflict) return unknown(why);
    for (GuardLine* line : {second_.get(), first_.get()}) {
      if (line == nullptr) continue;
      if (auto ended = revert_by(*line, why)) return *std::move(ended);
    }
    const auto last = GuardLine::open(context_, inputs_, Budget::of(last_limit));
    if (last) {
      if (auto ended = revert_by(**last, why)) return *std::move(ended);
    }
    return unknown(why);
  }

  // How it all ended; nothing when this connection does not work.
  std::optional<Error> revert_by(GuardLine& line, const Error& why) {
    if (line.is_busy()) return std::nullopt;
    const auto reverted =
        line.host().revert(Budget::of(why.kind == ErrorKind::failed ? revert_limit : last_limit));
    if (reverted || reverted.error().kind == ErrorKind::conflict) {
      outcome_ = "rolled-back";
      if (why.kind == ErrorKind::cancelled) return why;
      return Error{ErrorKind::rolled_back, fmt::format("{}: {}", who_, why.message), why.hint,
                   false};
    }
    if (reverted.error().kind != ErrorKind::failed) return std::nullopt;
    outcome_ = "unknown";
    return outcome_unknown(fmt::format("{}: {}; and the revert failed: {}", who_, why.message,
                                       reverted.error().message),
                           "Look at the host, then \"tunnel-ssh guard revert\" tries again.");
  }

  Result<> unknown(const Error& why) {
    outcome_ = "unknown";
    return outcome_unknown(
        fmt::format("{}: unknown, will revert at {}: {}", who_, pending_.reverts_at, why.message),
        "\"tunnel-ssh guard status\" tells what became of it.");
  }

  ToolContext& context_;
  const GuardInputs& inputs_;
  const Budget budget_;
  Budget limit_ = budget_;  // until shortly before the host reverts
  const std::string who_;
  std::unique_ptr<GuardLine> first_;   // which the change came by
  std::unique_ptr<GuardLine> second_;  // made after it
  PendingGuard pending_;
  std::string evidence_;
  std::string outcome_ = "failed";
  bool is_confirming_ = false;
};

void tell(ToolContext& context, const std::string& host, const Guard& guard,
          const std::optional<Error>& error, double duration_ms) {
  Reporter& reporter = context.reporter;
  Json report = Json::object();
  report.set("command", "guard apply");
  report.set("host", host);
  report.set("outcome", guard.outcome());
  report.set("reverts-at", guard.pending().reverts_at);
  report.set("health", guard.evidence());
  report.set("duration-ms", std::round(duration_ms));
  report.set("error", error ? Json(error->message) : Json());
  reporter.output(contract::outcome, guard.outcome());
  reporter.output(contract::reverts_at, guard.pending().reverts_at);
  reporter.output(contract::duration_ms, std::to_string(std::llround(duration_ms)));
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
  const auto cell = [&](std::string_view text) {
    return markdown_cell(context.redactor.redact(text));
  };
  reporter.summary(fmt::format(
      "### tunnel-ssh guard: {}\n\n| host | outcome | health | error |\n|---|---|---|---|\n"
      "| {} | {} | {} | {} |\n",
      guard.outcome(), cell(host), guard.outcome(), cell(guard.evidence()),
      cell(error ? error->message : std::string())));
}

Result<int> apply(ToolContext& context, const GuardInputs& inputs) {
  const auto began = Clock::now();
  Guard guard(context, inputs);
  const auto ended = guard.run();
  std::optional<Error> error;
  if (!ended) error = ended.error();
  tell(context, inputs.connection.hosts.front().text(), guard, error, ms_since(began));
  if (error) return *std::move(error);
  context.reporter.info("confirmed: " + guard.evidence());
  return 0;
}

Result<int> status(ToolContext& context, GuardHost& host, const Budget& budget) {
  PCA_TRY(const auto pending, host.status(budget));
  if (!pending) {
    context.reporter.info("nothing is pending");
  } else if (pending->seconds_left < 0) {
    context.reporter.warning(fmt::format(
        "overdue: it was to revert at {}, and that failed or was cut off; by {}. Look at the host, "
        "then \"tunnel-ssh guard revert\" tries again.",
        pending->reverts_at, visible(pending->owner)));
  } else {
    context.reporter.info(fmt::format("pending: reverts at {}, in {} s; by {}", pending->reverts_at,
                                      pending->seconds_left, visible(pending->owner)));
  }
  Json report = Json::object();
  report.set("command", "guard status");
  report.set("pending", pending.has_value());
  report.set("reverts-at", pending ? Json(pending->reverts_at) : Json());
  context.reporter.output(contract::reverts_at, pending ? pending->reverts_at : "");
  context.reporter.report(report);
  return 0;
}

}  // namespace

Result<int> run_guard(ToolContext& context, Inputs inputs, BadInputs& bad) {
  GuardInputs guard = read_guard_inputs(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  guard.connection.session_folder.clear();
  const std::string& command = inputs.command();
  if (command == "guard apply") return apply(context, guard);

  const Budget budget = Budget::of(guard.timeout, context.stop);
  PCA_TRY(const auto line,
          GuardLine::open(context, guard, connect_budget(guard.connection, context.stop)));
  if (command == "guard status") return status(context, line->host(), budget);
  if (command == "guard confirm") {
    PCA_CHECK(line->host().confirm(budget));
    context.reporter.info("confirmed");
    return 0;
  }
  if (command == "guard revert") {
    PCA_CHECK(line->host().revert(budget));
    context.reporter.info("reverted");
    return 0;
  }
  return tool_bug("no code for the command " + command);
}

}  // namespace pca::tunnel_ssh
