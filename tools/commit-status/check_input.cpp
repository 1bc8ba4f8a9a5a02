#include "commit-status/check_input.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "commit-status/deployment.hpp"
#include "commit-status/status.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds reading_limit{60'000};
constexpr std::uint64_t file_limit = std::uint64_t{8} * 1024 * 1024;
constexpr std::size_t most_annotations = 1'000;
constexpr std::size_t longest_title = 255;

class CheckReader {
 public:
  CheckReader(ToolContext& context, const Inputs& inputs, BadInputs& bad)
      : context_(context), inputs_(inputs), bad_(bad) {}

  CheckPlan read() {
    CheckPlan plan;
    if (inputs_.has("check-id")) plan.id = inputs_.integer("check-id");
    read_name(plan.check);
    read_state(plan.check);
    read_url(plan.check);
    read_output(plan.check);
    if (inputs_.has("annotations-file")) read_annotations(plan);
    return plan;
  }

 private:
  [[nodiscard]] std::string variable_of(const char* name) const {
    return variable_in(context_.environment, name);
  }

  void read_name(Check& check) {
    const std::string workflow = variable_of("GITHUB_WORKFLOW");
    const std::string job = variable_of("GITHUB_JOB");
    const bool is_in_run = !workflow.empty() && !job.empty();
    check.name = inputs_.has("name") ? inputs_.text("name")
                 : is_in_run         ? workflow + " / " + job
                                     : std::string();
    if (check.name.empty()) {
      bad_.add("name", "is missing outside of a run of GitHub", "Name what the check is about.");
    } else if (const auto good = check_context(check.name); !good) {
      bad_.add("name", good.error().message, good.error().hint);
    }
    check.external_id = inputs_.text("external-id");
    if (inputs_.has("external-id")) {
      const auto good = check_nonce(check.external_id);
      if (!good) bad_.add("external-id", good.error().message, good.error().hint);
      return;
    }
    // Without its attempt: a job that runs again says more of the same check.
    const std::string run = variable_of("GITHUB_RUN_ID");
    if (!run.empty()) check.external_id = run + "/" + job;
  }

  void read_state(Check& check) {
    if (!inputs_.has("state")) {
      if (!bad_.names("state")) {
        bad_.add("state", "is missing", "Write pending, or how it ended: success, failure, ...");
      }
      return;
    }
    set_state(check, inputs_.text("state"));
    if (!inputs_.has("conclusion")) return;
    if (check.status != "completed") {
      bad_.add("conclusion", "goes with no state that goes on", "Leave it out.");
    }
    check.conclusion = inputs_.text("conclusion");
  }

  void read_url(Check& check) {
    check.details_url = url_of_run(context_.environment);
    if (!inputs_.has("target-url")) return;
    check.details_url = inputs_.text("target-url");
    if (const auto good = check_target_url(check.details_url); !good) {
      bad_.add("target-url", good.error());
    }
  }

  void read_output(Check& check) {
    check.title =
        fit_line(inputs_.has("title") ? inputs_.text("title") : check.name, longest_title);
    check.summary = fit_output(text_or_file("check-summary", "check-summary-file"));
    check.text = fit_output(text_or_file("check-text", "check-text-file"));
    if (trim(check.summary).empty()) check.summary = check.title;
  }

  std::string text_or_file(const char* text, const char* file) {
    if (!inputs_.has(file)) return inputs_.text(text);
    if (inputs_.has(text))
      bad_.add(text, fmt::format("goes with no {}", file), "Give one of them.");
    return contents_of(file);
  }

  std::string contents_of(const char* input) {
    const Budget budget = Budget::of(reading_limit, context_.stop);
    auto contents = read_input_file(budget, inputs_.text(input), file_limit);
    if (contents) return *std::move(contents);
    bad_.add(input, contents.error());
    return {};
  }

  void read_annotations(CheckPlan& plan) {
    const std::string contents = contents_of("annotations-file");
    if (bad_.names("annotations-file")) return;
    auto read = parse_annotations(contents, variable_of("GITHUB_WORKSPACE"));
    if (!read) {
      bad_.add("annotations-file", read.error());
      return;
    }
    plan.annotations = std::move(read->all);
    if (read->dropped > 0) {
      context_.reporter.warning(fmt::format(
          "annotations-file: {} of {} are left out, because they are no annotations: {}",
          read->dropped, read->dropped + plan.annotations.size(), read->first_mistake));
    }
    if (plan.annotations.size() <= most_annotations) return;
    context_.reporter.warning(fmt::format(
        "annotations-file: {} of {} are left out: nobody reads "
        "more than {}",
        plan.annotations.size() - most_annotations, plan.annotations.size(), most_annotations));
    plan.annotations.resize(most_annotations);
  }

  ToolContext& context_;
  const Inputs& inputs_;
  BadInputs& bad_;
};

}  // namespace

CheckPlan read_check_plan(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  return CheckReader(context, inputs, bad).read();
}

}  // namespace pca::commit_status
