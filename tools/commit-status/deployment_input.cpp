#include "commit-status/deployment_input.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "commit-status/event.hpp"
#include "commit-status/status.hpp"
#include "commit-status/target.hpp"

namespace pca::commit_status {

namespace {

class DeploymentReader {
 public:
  DeploymentReader(const ToolContext& context, const Inputs& inputs, BadInputs& bad)
      : context_(context), inputs_(inputs), bad_(bad) {}

  Deployment read() {
    Deployment deployment;
    deployment.environment = inputs_.text("environment");
    check("environment", check_environment(deployment.environment));
    deployment.slug = inputs_.text("slug");
    if (inputs_.has("slug")) check("slug", check_slug(deployment.slug));
    deployment.description = fit_description(inputs_.text("description"));
    deployment.is_transient = inputs_.flag("transient") || !deployment.slug.empty();
    const std::string& production = inputs_.text("production");
    deployment.is_production = production == "auto"
                                   ? equals_ignoring_case(deployment.environment, "production")
                                   : production == "true";
    deployment.auto_merge = inputs_.flag("auto-merge");
    deployment.required_contexts = inputs_.list("required-contexts");
    read_rolls_back(deployment);
    read_payload(deployment);
    read_nonce(deployment);
    return deployment;
  }

 private:
  void check(const char* input, const Result<>& good) {
    if (!good && !bad_.names(input)) bad_.add(input, good.error());
  }

  void read_rolls_back(Deployment& deployment) {
    deployment.rolls_back = to_lower(inputs_.text("rolls-back"));
    const bool is_rollback = inputs_.has("rolls-back");
    deployment.task = is_rollback && !inputs_.has("task") ? "rollback" : inputs_.text("task");
    check("task", check_nonce(deployment.task));
    if (!is_rollback) return;
    if (!is_full_sha(deployment.rolls_back)) {
      bad_.add("rolls-back", fmt::format("{} is no whole SHA", shown(deployment.rolls_back)),
               "Give the commit that did not work.");
    } else if (equals_ignoring_case(deployment.rolls_back, inputs_.text("sha"))) {
      bad_.add("rolls-back", "is the commit of sha", "Give in sha the one that is current again.");
    }
    if (!inputs_.has("sha")) {
      bad_.add("sha", "is missing", "A rollback needs the commit that is current again.");
    }
    if (deployment.description.empty()) {
      bad_.add("description", "is missing", "Say why it is rolled back.");
    }
  }

  void read_payload(Deployment& deployment) {
    if (!inputs_.has("payload")) return;
    auto payload = parse_payload(inputs_.text("payload"));
    payload ? deployment.payload = *std::move(payload)
            : (bad_.add("payload", payload.error()), Json());
  }

  // Of a run and its job, without its attempt: a job that runs again is the same deploy.
  void read_nonce(Deployment& deployment) {
    deployment.nonce = inputs_.text("nonce");
    if (inputs_.has("nonce")) return check("nonce", check_nonce(deployment.nonce));
    const std::string run = variable_in(context_.environment, "GITHUB_RUN_ID");
    const std::string job = variable_in(context_.environment, "GITHUB_JOB");
    if (!run.empty()) deployment.nonce = run + "/" + job;
  }

  const ToolContext& context_;
  const Inputs& inputs_;
  BadInputs& bad_;
};

std::string read_url(const Inputs& inputs, const char* input, BadInputs& bad) {
  const std::string& url = inputs.text(input);
  if (!inputs.has(input)) return {};
  if (const auto good = check_target_url(url); !good) bad.add(input, good.error());
  return url;
}

}  // namespace

Deployment read_deployment_input(const ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  return DeploymentReader(context, inputs, bad).read();
}

DeploymentStatus read_deployment_status(const ToolContext& context, const Inputs& inputs,
                                        BadInputs& bad) {
  DeploymentStatus status;
  if (!inputs.has("state") && inputs.text("state").empty() && !bad.names("state")) {
    bad.add("state", "is missing", "Write success, failure, error, inactive or cancelled.");
  }
  status.state = deployment_state(inputs.text("state"));
  status.description = fit_description(inputs.text("description"));
  status.environment_url = read_url(inputs, "environment-url", bad);
  status.log_url =
      inputs.has("log-url") ? read_url(inputs, "log-url", bad) : url_of_run(context.environment);
  return status;
}

}  // namespace pca::commit_status
