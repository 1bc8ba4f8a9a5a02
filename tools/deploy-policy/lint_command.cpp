#include "deploy-policy/lint_command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <map>

#include "base/system_error.hpp"
#include "base/text.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/lint.hpp"
#include "deploy-policy/lint_formats.hpp"
#include "deploy-policy/policy_input.hpp"

namespace pca::deploy_policy {

namespace {

constexpr Milliseconds reading_limit{120'000};
constexpr int most_annotations =
    9;  // of each level: the runner keeps ten of a step, and an error ends it

Result<> write_file(const std::string& path, std::string_view text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int error = fd < 0 ? errno : write_all(fd, text);
  if (fd >= 0 && ::close(fd) != 0 && error == 0) error = errno;
  if (error == 0) return {};
  return failed(fmt::format("cannot write {}: {}", shown(path), errno_text(error)),
                "Name a file in a folder that exists and has room.");
}

// All of them as text in a group, the first of each level as annotations too.
void annotate(Reporter& reporter, const std::vector<Finding>& findings, FixHints hints) {
  reporter.group("deploy-policy lint");
  reporter.info(as_text(findings, hints));
  reporter.end_group();
  std::map<Level, int> shown_of_level;
  for (const Finding& finding : findings) {
    const Level level = level_of(finding);
    if (++shown_of_level[level] > most_annotations) continue;
    reporter.annotate({.level = level == Level::note ? "notice" : std::string(level_name(level)),
                       .title = finding.rule,
                       .file = finding.at.file,
                       .line = finding.at.line,
                       .text = finding.message + ". " + finding.cure});
  }
}

void show(ToolContext& context, const Inputs& inputs, const std::vector<Finding>& findings) {
  const FixHints hints = inputs.flag("fix-hints") ? FixHints::shown : FixHints::left_out;
  std::string format = inputs.text("format");
  if (format == "auto") {
    format = variable_in(context.environment, "GITHUB_ACTIONS") == "true" ? "github" : "text";
  }
  if (inputs.flag("json")) format = "text";  // the JSON is the report
  if (format == "json") {
    context.reporter.info(as_json(findings).dump_pretty());
  } else if (format == "sarif") {
    context.reporter.info(as_sarif(findings).dump_pretty());
  } else if (findings.empty()) {
    context.reporter.info("No findings.");
  } else if (format == "github") {
    annotate(context.reporter, findings, hints);
  } else {
    context.reporter.info(as_text(findings, hints));
  }
}

}  // namespace

Repository read_repository(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  const auto exclude = PathPatterns::parse(inputs.list("exclude"));
  if (!exclude) bad.add("exclude", exclude.error());
  if (!bad.empty()) return {};
  auto repository =
      Repository::read(Budget::of(reading_limit, context.stop), inputs.text("root"), *exclude);
  if (repository) return *std::move(repository);
  bad.add("root", repository.error());
  return {};
}

Result<int> run_lint(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad, inputs.text("root"));
  const Repository repository = read_repository(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const std::vector<Finding> findings = lint(repository, policy);
  const FindingCounts counts = count(findings);
  if (inputs.has("sarif-file")) {
    PCA_CHECK(write_file(inputs.text("sarif-file"), as_sarif(findings).dump_pretty() + "\n"));
  }
  show(context, inputs, findings);
  context.reporter.output(contract::findings, std::to_string(counts.to_fail_on()));
  context.reporter.output(contract::errors, std::to_string(counts.errors));
  context.reporter.output(contract::warnings, std::to_string(counts.warnings));
  context.reporter.output(contract::notes, std::to_string(counts.notes));
  context.reporter.output(contract::sarif_file, inputs.text("sarif-file"));
  context.reporter.summary(as_summary(findings));
  context.reporter.report(as_json(findings));
  if (counts.to_fail_on() == 0) return 0;
  return failed(
      fmt::format("the repository contradicts its deploy policy in {} {}", counts.to_fail_on(),
                  counts.to_fail_on() == 1 ? "place" : "places"),
      "Each is listed with its cure; allow one by the comment \"# deploy-policy: allow RULE "
      "-- reason\" on its line or the one above.");
}

}  // namespace pca::deploy_policy
