#include "commit-status/wait_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "commit-status/cloudflare_check.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/gate_input.hpp"
#include "commit-status/github_talk.hpp"
#include "commit-status/mark_api.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds longest_interval{30'000};
constexpr Milliseconds longest_wait{86'400'000};

struct WaitPlan {
  GateRules rules;
  Milliseconds limit{};
  Milliseconds interval{};
  bool is_cloudflare = false;
  Milliseconds grace{};  // how long Cloudflare may take to begin
  std::vector<std::string> hosts;
};

WaitPlan read_plan(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  WaitPlan plan;
  plan.rules = read_gate_rules(context, inputs, bad);
  plan.rules.at_least = static_cast<std::size_t>(inputs.integer("at-least"));
  plan.limit = inputs.duration("wait-limit");
  if (plan.limit < Milliseconds{1'000} || plan.limit > longest_wait) {
    bad.add("wait-limit", "is out of range", "Write 1s to 24h.");
  }
  plan.interval = inputs.duration("interval");
  if (plan.interval < Milliseconds{1'000} || plan.interval > Milliseconds{600'000}) {
    bad.add("interval", "is out of range", "Write 1s to 10m.");
  }
  plan.is_cloudflare = inputs.flag("cloudflare");
  plan.grace = inputs.duration("grace");
  plan.hosts = inputs.list("preview-hosts");
  for (const std::string& host : plan.hosts) {
    if (const auto good = check_preview_host(host); !good) bad.add("preview-hosts", good.error());
  }
  if (plan.is_cloudflare) {
    plan.rules.app = cloudflare_app;
  } else {
    for (const char* input : {"grace", "preview-hosts"}) {
      if (inputs.has(input)) bad.add(input, "goes with cloudflare only", "Add cloudflare: true.");
    }
  }
  return plan;
}

// How the wait ended.
struct WaitOutcome {
  std::string sha;
  Verdict verdict;
  std::string state = "pending";                  // success, failure, skipped
  std::map<std::string, CloudflareBuild> builds;  // by the check's name
  CloudflareBuild build;                          // of several Workers the first that has a preview
  std::string details_url;                        // of its check
  int attempts = 0;
};

std::string lines_of(const std::vector<Mark>& marks) {
  std::vector<std::string> names;
  for (const Mark& mark : marks) names.push_back(visible(mark.name));
  return join(names, "\n");
}

std::string sentence_of(const std::vector<Mark>& marks) {
  std::vector<std::string> names;
  for (const Mark& mark : marks) {
    names.push_back(fmt::format("{} ({})", visible(mark.name), visible(mark.said)));
  }
  return join(names, ", ");
}

Json results_of(const WaitOutcome& outcome) {
  Json results = Json::array();
  for (const Mark& mark : outcome.verdict.counted) {
    Json entry = Json::object();
    entry.set("name", mark.name).set(contract::state, name_of(mark.state)).set("said", mark.said);
    entry.set(contract::url, mark.url);
    if (const auto build = outcome.builds.find(mark.name); build != outcome.builds.end()) {
      entry.set(contract::preview_url, build->second.preview_url);
    }
    results.push(std::move(entry));
  }
  if (outcome.state != "success") return results;
  for (const std::string& name : outcome.verdict.absent) {
    Json entry = Json::object();
    entry.set("name", name).set(contract::state, "skipped").set("said", "").set(contract::url, "");
    results.push(std::move(entry));
  }
  return results;
}

std::string summary_of(const WaitOutcome& outcome) {
  std::string out = fmt::format("Waited for `{}`: {}\n\n| Check | State | Said |\n|---|---|---|\n",
                                outcome.sha.substr(0, 40), outcome.state);
  for (const Mark& mark : outcome.verdict.counted) {
    out += fmt::format("| {} | {} | {} |\n", markdown_cell(mark.name), name_of(mark.state),
                       markdown_cell(mark.said));
  }
  for (const std::string& name : outcome.verdict.absent) {
    out += fmt::format("| {} | absent | |\n", markdown_cell(name));
  }
  if (!outcome.build.preview_url.empty()) {
    out += fmt::format("\nPreview: {}\n", outcome.build.preview_url);
  }
  return out;
}

void tell(ToolContext& context, const Inputs& inputs, const WaitOutcome& outcome) {
  Reporter& reporter = context.reporter;
  const std::vector<Mark> failures = outcome.verdict.of(Mark::State::failure);
  const Json results = results_of(outcome);
  reporter.output(contract::state, outcome.state);
  reporter.output(contract::sha, outcome.sha);
  reporter.output(contract::failed, lines_of(failures));
  reporter.output(contract::results, results.dump());
  reporter.output(contract::preview_url, outcome.build.preview_url);
  reporter.output(contract::branch_url, outcome.build.branch_url);
  reporter.output(contract::version_id, outcome.build.version_id);
  reporter.output(contract::details_url, outcome.details_url);
  reporter.output(contract::deployment_id, build_id_of(outcome.details_url));
  reporter.output(contract::attempts, std::to_string(outcome.attempts));
  const std::string& wish = inputs.text("summary");
  const bool is_bad = outcome.state == "failure" || outcome.state == "pending";
  if (wish == "true" || (wish == "auto" && is_bad)) {
    reporter.summary(summary_of(outcome));
  }
  Json report = Json::object();
  report.set("command", inputs.command()).set(contract::sha, outcome.sha);
  report.set(contract::state, outcome.state).set(contract::results, results);
  report.set(contract::preview_url, outcome.build.preview_url);
  report.set(contract::branch_url, outcome.build.branch_url);
  report.set(contract::version_id, outcome.build.version_id);
  report.set(contract::details_url, outcome.details_url);
  report.set(contract::deployment_id, build_id_of(outcome.details_url));
  report.set(contract::attempts, outcome.attempts);
  reporter.output(contract::report, write_report(context, report));
  reporter.report(report);
}

class Waiting {
 public:
  Waiting(ToolContext& context, const Inputs& inputs, Target target, WaitPlan plan)
      : context_(context),
        talk_(context, inputs, std::move(target)),
        plan_(std::move(plan)),
        start_(Clock::now()),
        budget_(Budget::of(plan_.limit, context.stop)) {}

  Result<> run(WaitOutcome& outcome) {
    const Result<> result = wait(outcome);
    outcome.attempts = talk_.api().attempts();
    if (result) read_builds(outcome);
    return result;
  }

 private:
  // A success counts when a second poll says the same: checks come one after the other.
  Result<> wait(WaitOutcome& outcome) {
    PCA_TRY(outcome.sha, resolve_commit(budget_, talk_.api(), talk_.target()));
    std::optional<std::string> passed;
    Milliseconds interval = plan_.interval;
    for (;;) {
      auto marks = read_marks(budget_, talk_.api(), talk_.target().repository, outcome.sha,
                              plan_.rules.app != 0);
      if (!marks && marks.error().kind != ErrorKind::unreachable) return marks.error();
      if (marks) {
        last_trouble_.clear();
        GateRules rules = plan_.rules;
        rules.may_be_absent = is_grace_over();
        outcome.verdict = judge_marks(*marks, rules);
        if (outcome.verdict.state == Verdict::State::failed) return fail(outcome);
        const std::string now = outcome.verdict.fingerprint();
        const bool is_passed = outcome.verdict.state == Verdict::State::passed;
        if (is_passed && passed == now) {
          outcome.state = "success";
          return {};
        }
        passed = is_passed ? std::optional(now) : std::nullopt;
        if (is_skipped(outcome.verdict)) {
          outcome.state = "skipped";
          return {};
        }
        show(outcome.verdict);
      } else {
        context_.reporter.notice("asking goes on: " + marks.error().message);
        last_trouble_ = marks.error().message;
      }
      const auto rest = std::chrono::ceil<Milliseconds>(talk_.api().rests_until() - Clock::now());
      const Milliseconds pause = std::max(
          rest, std::chrono::duration_cast<Milliseconds>(interval * (0.9 + random_fraction() / 5)));
      if (pause >= budget_.left()) return timed_out(outcome.verdict);
      PCA_CHECK(pause_for(budget_, pause));
      interval = std::max(plan_.interval, std::min(interval * 6 / 5, longest_interval));
    }
  }

  // A build that Cloudflare skips (its paths, its branches) has no check at all.
  [[nodiscard]] bool is_grace_over() const {
    return plan_.is_cloudflare && Clock::now() - start_ >= plan_.grace;
  }
  [[nodiscard]] bool is_skipped(const Verdict& verdict) const {
    return verdict.counted.empty() && is_grace_over();
  }

  static Result<> fail(WaitOutcome& outcome) {
    outcome.state = "failure";
    const std::vector<Mark> failures = outcome.verdict.of(Mark::State::failure);
    return failed(fmt::format("{} failed on {}: {}", failures.size() == 1 ? "a check" : "checks",
                              outcome.sha.substr(0, 10), sentence_of(failures)),
                  "Look at them on the commit's page.");
  }

  [[nodiscard]] Error timed_out(const Verdict& verdict) const {
    std::string what = sentence_of(verdict.of(Mark::State::pending));
    for (const std::string& name : verdict.absent) {
      what += fmt::format("{}{} (absent)", what.empty() ? "" : ", ", visible(name));
    }
    if (what.empty()) {
      what = fmt::format("{} of {} are there", verdict.counted.size(),
                         std::max<std::size_t>(plan_.rules.at_least, 1));
    }
    if (!last_trouble_.empty()) what += "; " + last_trouble_;
    return unreachable(
        fmt::format("still waiting after {}: {}", format_duration(plan_.limit), what),
        "Look at why they take so long, or raise wait-limit.");
  }

  void show(const Verdict& verdict) {
    context_.reporter.progress(
        fmt::format("{} good, {} pending, {} absent", verdict.of(Mark::State::success).size(),
                    verdict.of(Mark::State::pending).size(), verdict.absent.size()));
  }

  void read_builds(WaitOutcome& outcome) const {
    if (!plan_.is_cloudflare) return;
    for (const Mark& mark : outcome.verdict.counted) {
      const CloudflareBuild build = read_cloudflare_summary(mark.summary, plan_.hosts);
      outcome.builds[mark.name] = build;
      if (!outcome.build.preview_url.empty()) continue;
      outcome.build = build;
      outcome.details_url = mark.url;
    }
  }

  ToolContext& context_;
  GitHubTalk talk_;
  WaitPlan plan_;
  Clock::time_point start_;
  Budget budget_;
  std::string last_trouble_;
};

}  // namespace

Result<int> run_wait(ToolContext& context, Inputs inputs, BadInputs& bad) {
  WaitPlan plan = read_plan(context, inputs, bad);
  Target target = read_target(context, inputs,
                              {.permission = "checks: read, statuses: read", .writes = false}, bad);
  if (!bad.empty()) return bad.to_error();

  WaitOutcome outcome;
  const Result<> result = Waiting(context, inputs, std::move(target), std::move(plan)).run(outcome);
  tell(context, inputs, outcome);
  if (!result) return result.error();
  context.reporter.info(fmt::format("{}: {} checks of {}", outcome.state,
                                    outcome.verdict.counted.size(), outcome.sha.substr(0, 10)));
  return 0;
}

}  // namespace pca::commit_status
