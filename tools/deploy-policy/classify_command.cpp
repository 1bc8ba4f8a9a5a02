#include "deploy-policy/classify_command.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "deploy-policy/classify.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy-policy/event_input.hpp"
#include "deploy-policy/policy_input.hpp"
#include "runner/markdown.hpp"

namespace pca::deploy_policy {

namespace {

constexpr Milliseconds reading_limit{60'000};
constexpr std::uint64_t batch_limit = 32ULL * 1024 * 1024;

using Rows = std::array<std::pair<const char*, std::string>, 8>;

Rows rows_of(const Classification& found) {
  return {{
      {contract::deploy_class, std::string(class_name(found.value))},
      {contract::environment, found.environment},
      {contract::slug, found.slug},
      {contract::hostname, found.hostname},
      {contract::url, found.url},
      {contract::stack, found.stack},
      {contract::branch, found.branch},
      {contract::reason, found.reason},
  }};
}

std::string summary_of(const Classification& found) {
  std::string out = "| deploy-policy | |\n|---|---|\n";
  for (const auto& [name, value] : rows_of(found)) {
    if (!value.empty()) out += fmt::format("| {} | {} |\n", name, markdown_cell(value));
  }
  return out;
}

void tell(ToolContext& context, const Classification& found) {
  for (const std::string& warning : found.warnings) context.reporter.warning(warning);
  for (const std::string& notice : found.notices) context.reporter.notice(notice);
  std::string text;
  for (const auto& [name, value] : rows_of(found)) {
    context.reporter.output(name, value);
    if (!value.empty()) text += fmt::format("{:<13}{}\n", name, visible(value));
  }
  text.pop_back();
  context.reporter.info(text);
  context.reporter.summary(summary_of(found));
  context.reporter.report(to_json(found));
}

Result<int> run_batch(ToolContext& context, const Inputs& inputs, const Policy& policy,
                      BadInputs& bad) {
  const auto text =
      read_input_file(Budget::of(reading_limit, context.stop), inputs.text("batch"), batch_limit);
  if (!text) {
    bad.add("batch", text.error());
    return bad.to_error();
  }
  std::vector<std::string> answers;
  Json report = Json::array();
  int number = 0;
  for (const std::string& line : split_lines(*text)) {
    ++number;
    if (trim(line).empty()) continue;
    const auto mistake = [&](const std::string& problem, const std::string& cure) {
      bad.add("batch", fmt::format("line {}: {}", number, problem), cure);
    };
    const auto event = read_event_line(line);
    if (!event) {
      mistake(event.error().message, event.error().hint);
    } else if (const auto found = classify(policy, *event); found) {
      answers.push_back(to_json(*found).dump());
      report.push(to_json(*found));
    } else {
      mistake(fmt::format("{}: {}", found.error().input, found.error().problem),
              found.error().cure);
    }
  }
  if (!bad.empty()) return bad.to_error();
  if (!answers.empty() && !inputs.flag("json")) context.reporter.info(join(answers, "\n"));
  context.reporter.report(report);
  return 0;
}

}  // namespace

Result<int> run_classify(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const Policy policy = read_policy(context, inputs, bad);
  if (inputs.has("batch")) {
    for (const char* other : {"event", "ref", "event-file", "repository", "actor"}) {
      if (inputs.has(other))
        bad.add(other, "goes with no batch", "Write it into the batch's lines.");
    }
    if (!bad.empty()) return bad.to_error();
    return run_batch(context, inputs, policy, bad);
  }
  const Event event = read_event(context, inputs, bad);
  if (!bad.empty()) return bad.to_error();
  const auto found = classify(policy, event);
  if (!found) {
    bad.add(found.error());
    return bad.to_error();
  }
  tell(context, *found);
  return 0;
}

}  // namespace pca::deploy_policy
