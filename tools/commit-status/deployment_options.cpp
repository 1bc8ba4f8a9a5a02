#include "commit-status/contract.hpp"
#include "commit-status/option_groups.hpp"

namespace pca::commit_status {

namespace {

std::vector<Option> deployment_options() {
  const std::string group = "Deployment";
  return {
      {.name = "environment",
       .default_value = "production",
       .help = "Where it is deployed; previews share one, preview",
       .placeholder = "NAME",
       .group = group},
      {.name = "slug",
       .help = "Which preview it is: the output slug of deploy-policy classify. Its environment is "
               "transient",
       .placeholder = "SLUG",
       .group = group},
      {.name = "environment-url",
       .help = "Where what was deployed can be seen",
       .placeholder = "URL",
       .group = group},
      {.name = "log-url",
       .help = "Where its log is; default in Actions: this run",
       .placeholder = "URL",
       .group = group},
      {.name = "description",
       .help = "A short sentence; cut to the 140 characters that GitHub keeps",
       .placeholder = "TEXT",
       .group = group},
      {.name = "transient",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "The environment will be gone one day",
       .group = group},
      {.name = "production",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "Whether people use it; auto: when its name is production",
       .choices = {"auto", "true", "false"},
       .group = group},
      {.name = "task",
       .default_value = "deploy",
       .help = "What is done; with rolls-back it is rollback",
       .placeholder = "NAME",
       .group = group},
      {.name = "rolls-back",
       .help = "For a rollback: the commit that did not work, while sha is the one that is current "
               "again and description says why",
       .placeholder = "SHA",
       .group = group},
      {.name = "payload",
       .help = "A JSON object for who reads the deployment; nonce, slug and rolls-back are added",
       .placeholder = "JSON",
       .group = group},
      {.name = "nonce",
       .help = "Name of this deploy: with the same one, start and finish mean the same deployment, "
               "also when they run again; default in Actions: run and job",
       .placeholder = "TEXT",
       .group = group},
      {.name = "required-contexts",
       .type = OptionType::list,
       .help = "Statuses that have to be successes, one a line; default: none, where GitHub's own "
               "default is all",
       .placeholder = "NAME",
       .group = group},
      {.name = "auto-merge",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Let GitHub merge the default branch into the commit's branch first, as it does by "
               "default",
       .group = group},
  };
}

std::vector<Output> deployment_outputs() {
  return with_common_outputs({
      {contract::deployment_id, "The deployment"},
      {contract::deployment_url, "Its URL in the API"},
      {contract::created, "Whether it was made just now, and not by an earlier run"},
      {contract::state, "The state of its new status"},
      {contract::id, "The id of that status; empty where none was sent"},
      {contract::url, "Its URL in the API"},
      {contract::sha, "The commit"},
      {contract::environment, "Where it is deployed"},
      {contract::environment_url, "Where it can be seen"},
      {contract::deactivated, "Other deployments that are inactive now, one a line"},
  });
}

std::vector<Option> with_github(std::vector<Option> options) {
  const std::vector<Option> shared = deployment_options();
  options.insert(options.end(), shared.begin(), shared.end());
  add_common_options(options);
  return options;
}

}  // namespace

CommandSpec deployment_start_command() {
  return {
      .name = "deployment start",
      .summary =
          "Makes a deployment of a commit, with its first status; one that an earlier run of "
          "the same job made is taken again",
      .options = with_github({{.name = "state",
                               .type = OptionType::choice,
                               .default_value = "in_progress",
                               .help = "The first status",
                               .choices = {"in_progress", "queued", "pending"},
                               .group = "Deployment"}}),
      .outputs = deployment_outputs(),
      .examples = {{"A preview, in a workflow",
                    "commit-status deployment start --environment preview --slug "
                    "feature-cart-1a2b3c4d"}},
  };
}

CommandSpec deployment_finish_command() {
  const std::string group = "End";
  return {
      .name = "deployment finish",
      .summary = "Says how a deployment ended, or that a preview is gone, or what was rolled back",
      .options = with_github(
          {{.name = "state",
            .type = OptionType::choice,
            .help =
                "How it ended; takes job.status too: cancelled is an error. inactive with slug: "
                "the preview was removed. Required",
            .choices = {"success", "failure", "error", "inactive", "cancelled"},
            .group = group},
           {.name = "deployment-id",
            .type = OptionType::integer,
            .help = "The output of deployment start; default: the one with the same commit, "
                    "environment and nonce, which is made where there is none",
            .least = 1,
            .group = group},
           {.name = "superseded",
            .type = OptionType::choice,
            .default_value = "auto",
            .help = "What a success makes of the other successes of its environment or preview; "
                    "auto: inactive for previews, which GitHub leaves alone",
            .choices = {"auto", "inactive", "keep"},
            .group = group},
           {.name = "max-deactivate",
            .type = OptionType::integer,
            .default_value = "20",
            .help = "Make at most so many inactive in one call",
            .least = 1,
            .most = 100,
            .group = group},
           {.name = "context",
            .help = "With rolls-back: name of the failure that the commit gets; default: deploy / "
                    "ENVIRONMENT",
            .placeholder = "NAME",
            .group = group}}),
      .outputs = deployment_outputs(),
      .examples = {{"It is there",
                    "commit-status deployment finish --state success --environment preview --slug "
                    "feature-cart-1a2b3c4d --environment-url "
                    "https://shop-feature-cart-1a2b3c4d.example.com"},
                   {"The preview was removed",
                    "commit-status deployment finish --state inactive --environment preview --slug "
                    "feature-cart-1a2b3c4d"}},
  };
}

}  // namespace pca::commit_status
