#include "commit-status/status_input.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cli/input_file.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

namespace {

constexpr Milliseconds reading_limit{60'000};
constexpr std::uint64_t batch_limit = 1024ULL * 1024;

std::vector<std::string> read_contexts(const ToolContext& context, const Inputs& inputs,
                                       BadInputs& bad) {
  std::vector<std::string> contexts = inputs.list("context");
  if (contexts.empty()) {
    const std::string workflow = variable_in(context.environment, "GITHUB_WORKFLOW");
    const std::string job = variable_in(context.environment, "GITHUB_JOB");
    if (!workflow.empty() && !job.empty()) contexts.push_back(workflow + " / " + job);
  }
  if (contexts.empty() && !bad.names("context")) {
    bad.add("context", "is missing outside of a run of GitHub", "Name what the status is about.");
  }
  for (const std::string& each : contexts) {
    if (const auto good = check_context(each); !good) bad.add("context", good.error());
  }
  return contexts;
}

}  // namespace

std::vector<Status> read_statuses_of(const ToolContext& context, const Inputs& inputs,
                                     const std::string& state, BadInputs& bad) {
  Status status;
  status.state = state;
  const std::string& description = inputs.text("description");
  if (inputs.flag("strict") && is_too_long(description)) {
    bad.add("description", fmt::format("is longer than {} characters", longest_description),
            "Shorten it, or leave out strict.");
  }
  status.description = fit_description(description);
  status.target_url = url_of_run(context.environment);
  if (inputs.has("target-url")) {
    status.target_url = inputs.text("target-url");
    if (const auto good = check_target_url(status.target_url); !good) {
      bad.add("target-url", good.error());
    }
  }
  std::vector<Status> statuses;
  for (const std::string& name : read_contexts(context, inputs, bad)) {
    statuses.push_back(status);
    statuses.back().context = name;
  }
  return statuses;
}

std::vector<Status> read_batch(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  for (const char* other : {"state", "context", "description", "target-url"}) {
    if (inputs.has(other)) bad.add(other, "goes with no batch-file", "Write it into the file.");
  }
  const Budget budget = Budget::of(reading_limit, context.stop);
  const auto text = read_input_file(budget, inputs.text("batch-file"), batch_limit);
  if (!text) {
    bad.add("batch-file", text.error());
    return {};
  }
  Batch batch = parse_batch(*text, inputs.flag("strict"));
  for (const Error& mistake : batch.mistakes) bad.add("batch-file", mistake);
  for (Status& status : batch.statuses) {
    if (status.target_url.empty()) status.target_url = url_of_run(context.environment);
  }
  return std::move(batch.statuses);
}

std::vector<Status> drop_doubles(ToolContext& context, std::vector<Status> statuses) {
  int doubles = 0;
  statuses = without_doubles(std::move(statuses), doubles);
  if (doubles > 0) {
    context.reporter.warning(
        fmt::format("context: {} come{} twice, capitals apart; the last one counts", doubles,
                    doubles == 1 ? "s" : ""));
  }
  return statuses;
}

}  // namespace pca::commit_status
