#include "commit-status/check_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/backoff.hpp"
#include "base/text.hpp"
#include "cli/report_file.hpp"
#include "commit-status/check_api.hpp"
#include "commit-status/check_input.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/github_talk.hpp"
#include "runner/markdown.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds between_writes{1'000};
constexpr Milliseconds last_post_limit{4'500};  // after a cancel

// All that is told at the end.
struct CheckOutcome : Course {
  KnownCheck known;             // id 0: nothing was written
  bool is_created = false;      // else an earlier call made it
  std::size_t annotations = 0;  // of this call
};

std::string truth(bool value) { return value ? "true" : "false"; }

// Its conclusion, or how far it is.
const std::string& state_of(const Check& check) {
  return check.conclusion.empty() ? check.status : check.conclusion;
}

class Checking {
 public:
  Checking(ToolContext& context, const Inputs& inputs, Target target, CheckPlan plan)
      : context_(context),
        inputs_(inputs),
        talk_(context, inputs, std::move(target)),
        plan_(std::move(plan)),
        checks_(talk_.api(), talk_.target().repository) {}

  Result<int> run() {
    if (inputs_.flag("dry-run")) return show();
    const Result<> result = talk_.write("checks: write", outcome_, [this] { return go(); });
    const Result<int> code = talk_.code_of(result, outcome_);
    tell(!result);
    return code;
  }

 private:
  [[nodiscard]] Budget budget() const { return talk_.budget(2); }

  Result<> go() {
    if (plan_.id > 0) {
      PCA_TRY(outcome_.known, checks_.read(budget(), plan_.id));
      plan_.check.sha = outcome_.known.sha;
    } else {
      PCA_TRY(plan_.check.sha, resolve_commit(budget(), talk_.api(), talk_.target()));
      PCA_TRY(outcome_.known, find(budget()));
      outcome_.is_created = outcome_.known.id == 0;
    }
    PCA_CHECK(write());
    context_.reporter.info(fmt::format("check {} on {}: {}", visible(plan_.check.name),
                                       plan_.check.sha.substr(0, 10), state_of(plan_.check)));
    return add_rest();
  }

  Result<KnownCheck> find(const Budget& budget) {
    PCA_TRY(const Json known, checks_.find(budget, plan_.check));
    return read_check(known);
  }

  // Also after a cancel, where it tells an end: a check that stays in progress holds up a merge.
  Result<> write() {
    Result<KnownCheck> written = write_once(budget());
    const bool was_cut = !written && written.error().kind == ErrorKind::cancelled;
    if (was_cut && plan_.check.status == "completed") written = write_cut();
    if (!written) {
      outcome_.known = {};
      return written.error();
    }
    outcome_.known = *std::move(written);
    outcome_.annotations = std::min(plan_.annotations.size(), annotations_a_request);
    return {};
  }

  // The request that was cut may have made it.
  Result<KnownCheck> write_cut() {
    const Budget last = Budget::of(last_post_limit);
    if (outcome_.known.id == 0) {
      PCA_TRY(outcome_.known, find(last));
    }
    return write_once(last);
  }

  Result<KnownCheck> write_once(const Budget& budget) {
    return outcome_.known.id == 0
               ? checks_.create(budget, plan_.check, plan_.annotations)
               : checks_.update(budget, outcome_.known, plan_.check, plan_.annotations);
  }

  Result<> add_rest() {
    while (outcome_.annotations < plan_.annotations.size()) {
      PCA_CHECK(pause_for(budget(), between_writes));
      PCA_TRY(outcome_.known, checks_.add(budget(), outcome_.known, plan_.check, plan_.annotations,
                                          outcome_.annotations));
      outcome_.annotations =
          std::min(outcome_.annotations + annotations_a_request, plan_.annotations.size());
    }
    return {};
  }

  Result<int> show() {
    outcome_.is_dry_run = true;
    plan_.check.sha = talk_.target().ref;
    const std::string base = talk_.root() + talk_.target().repository.path("/check-runs");
    const bool is_change = plan_.id > 0;
    const Json body = is_change ? to_json(plan_.check, plan_.annotations)
                                : to_new_json(plan_.check, plan_.annotations);
    context_.reporter.info(fmt::format("would {} {}{}\n  {}", is_change ? "PATCH" : "POST", base,
                                       is_change ? "/" + std::to_string(plan_.id) : std::string(),
                                       visible(body.dump())));
    if (plan_.annotations.size() > annotations_a_request) {
      context_.reporter.info(fmt::format("would add {} more annotations, {} in a request",
                                         plan_.annotations.size() - annotations_a_request,
                                         annotations_a_request));
    }
    tell(false);
    return 0;
  }

  [[nodiscard]] Json report() const {
    const KnownCheck& known = outcome_.known;
    Json report = Json::object();
    report.set("command", inputs_.command()).set(contract::sha, plan_.check.sha);
    report.set(contract::name, plan_.check.name).set(contract::state, state_of(plan_.check));
    report.set(contract::check_id, known.id == 0 ? Json() : Json(known.id));
    report.set(contract::check_url, known.url).set(contract::created, outcome_.is_created);
    report.set(contract::annotations, static_cast<std::uint64_t>(outcome_.annotations));
    report.set(contract::skipped, outcome_.is_skipped).set(contract::dry_run, outcome_.is_dry_run);
    return report.set(contract::attempts, outcome_.attempts);
  }

  [[nodiscard]] std::string summary() const {
    return fmt::format(
        "Check of `{}`{}\n\n| Check | State | Title | Annotations |\n|---|---|---|---|\n"
        "| {} | {} | {} | {} |\n",
        plan_.check.sha.substr(0, 40), outcome_.is_dry_run ? " (dry run)" : "",
        markdown_cell(plan_.check.name), state_of(plan_.check), markdown_cell(plan_.check.title),
        outcome_.annotations);
  }

  void tell(bool has_failed) {
    const KnownCheck& known = outcome_.known;
    Reporter& reporter = context_.reporter;
    reporter.output(contract::check_id, known.id == 0 ? std::string() : std::to_string(known.id));
    reporter.output(contract::check_url, known.url);
    reporter.output(contract::name, plan_.check.name);
    reporter.output(contract::state, state_of(plan_.check));
    reporter.output(contract::sha, plan_.check.sha);
    reporter.output(contract::created, truth(outcome_.is_created));
    reporter.output(contract::annotations, std::to_string(outcome_.annotations));
    reporter.output(contract::skipped, truth(outcome_.is_skipped));
    reporter.output(contract::dry_run, truth(outcome_.is_dry_run));
    reporter.output(contract::attempts, std::to_string(outcome_.attempts));
    const std::string& wish = inputs_.text("summary");
    const bool is_bad = plan_.check.conclusion == "failure" || has_failed;
    if (wish == "true" || (wish == "auto" && is_bad)) reporter.summary(summary());
    const Json told = report();
    reporter.output(contract::report, write_report(context_, told));
    reporter.report(told);
  }

  ToolContext& context_;
  const Inputs& inputs_;
  GitHubTalk talk_;
  CheckPlan plan_;
  CheckApi checks_;
  CheckOutcome outcome_;
};

}  // namespace

Result<int> run_check(ToolContext& context, Inputs inputs, BadInputs& bad) {
  CheckPlan plan = read_check_plan(context, inputs, bad);
  Target target = read_target(context, inputs,
                              {.permission = "checks: write", .has_commit = plan.id == 0}, bad);
  if (!bad.empty()) return bad.to_error();
  return Checking(context, inputs, std::move(target), std::move(plan)).run();
}

}  // namespace pca::commit_status
