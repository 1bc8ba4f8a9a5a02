#include "commit-status/compass.hpp"
#include "commit-status/contract.hpp"
#include "commit-status/option_groups.hpp"

namespace pca::commit_status {

namespace {

std::vector<Option> compass_event_options() {
  const std::string group = "Event";
  return {
      {.name = "state",
       .type = OptionType::choice,
       .help = "How it stands; takes job.status and the output outcome of a deploy too. Required",
       .choices = {"in_progress", "success", "failure", "cancelled", "rolled-back", "pending",
                   "error", "timed_out", "unknown", "deployed", "unchanged", "failed", "held"},
       .group = group},
      {.name = "event",
       .type = OptionType::choice,
       .default_value = "deployment",
       .help = "What it is about",
       .choices = {"deployment", "build"},
       .group = group},
      {.name = "environment",
       .default_value = "production",
       .help = "Where it is deployed; previews share one, preview",
       .placeholder = "NAME",
       .group = group},
      {.name = "slug",
       .help = "Which preview it is: the output slug of deploy-policy classify",
       .placeholder = "SLUG",
       .group = group},
      {.name = "category",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "What kind of environment it is to Compass; auto: by its name, previews testing",
       .choices = {"auto", "production", "staging", "testing", "development", "unmapped"},
       .group = group},
      {.name = "started-at",
       .help = "When it began: the output started-at of the call with in_progress, for which it is "
               "now",
       .placeholder = "TIME",
       .group = group},
      {.name = "ended-at",
       .help = "When it ended; default: now",
       .placeholder = "TIME",
       .group = group},
      {.name = "number",
       .type = OptionType::integer,
       .help = "Which deploy or build it is: greater than that of the one before, and the same in "
               "all calls about it; default in Actions: of the run and its attempt",
       .placeholder = "NUMBER",
       .least = 1,
       .most = greatest_number,
       .group = group},
      {.name = "display-name",
       .help = "What Compass calls it, cut to 255 characters; default in Actions: WORKFLOW to "
               "ENVIRONMENT",
       .placeholder = "TEXT",
       .group = group},
      {.name = "description",
       .help = "A sentence, cut to 255 characters; default in Actions: commit, branch and "
               "repository",
       .placeholder = "TEXT",
       .group = group},
      {.name = "url",
       .help = "Where its log is; default in Actions: this run",
       .placeholder = "URL",
       .group = group},
      {.name = "pipeline",
       .help = "What deploys or builds; default in Actions: the workflow",
       .placeholder = "NAME",
       .group = group},
  };
}

std::vector<Option> compass_options() {
  const std::string group = "Compass";
  return {
      {.name = "via",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "The one way by which Compass hears of this environment: rest sends events, github "
               "sends nothing because GitHub's deployments tell it; auto is github where GitHub "
               "has deployments to it, else rest",
       .choices = {"auto", "rest", "github"},
       .group = group},
      {.name = "component",
       .type = OptionType::list,
       .help = "Id of the component, several one a line; default: of compass-file",
       .placeholder = "ARI",
       .group = group},
      {.name = "compass-file",
       .type = OptionType::list,
       .help = "Files with the components' ids, one a line; default: compass.yml",
       .placeholder = "PATH",
       .group = group},
      {.name = "site",
       .help = "The site of Atlassian: acme for https://acme.atlassian.net",
       .placeholder = "NAME",
       .group = group},
      {.name = "compass-user",
       .help = "E-mail address of the token's user",
       .placeholder = "EMAIL",
       .group = group},
      {.name = "compass-token",
       .type = OptionType::secret,
       .help = "API token of that user, from id.atlassian.com",
       .group = group},
      {.name = "cloud-id",
       .help = "Id of the site; default: the one in the component's",
       .placeholder = "ID",
       .group = group},
      {.name = "source",
       .help = "Id of the event source; default: one of this tool's own for each component. With "
               "it no component is needed where a source of that id is attached to one",
       .placeholder = "ID",
       .group = group},
      {.name = "compass-url",
       .help = "Root of Compass's API; default: https://SITE.atlassian.net/gateway/api/compass/v1",
       .placeholder = "URL",
       .group = group},
      {.name = "compass-ca",
       .help = "File with the CA certificates of its server (PEM); default: this machine's",
       .placeholder = "FILE",
       .group = group},
  };
}

}  // namespace

CommandSpec compass_command() {
  std::vector<Option> options = compass_event_options();
  const std::vector<Option> site = compass_options();
  options.insert(options.end(), site.begin(), site.end());
  add_common_options(options, {"sha", "fork-policy", "on-error"});
  options.push_back({.name = "strict",
                     .type = OptionType::boolean,
                     .default_value = "false",
                     .help = "Fail where Compass cannot be told; else that is a warning, so that "
                             "no deploy fails by it",
                     .group = "Trouble"});
  return {
      .name = "compass",
      .summary = "Tells Atlassian Compass of a deploy or a build",
      .options = std::move(options),
      .outputs = with_common_outputs(
          {
              {contract::state, "The state as Compass calls it, such as SUCCESSFUL"},
              {contract::via,
               "How Compass hears of it",
               {{"rest", "by the event that was sent"},
                {"github", "by GitHub's deployments; nothing was sent"},
                {"auto", "nobody knows, because GitHub did not say whether it has deployments"}}},
              {contract::sent, "Whether an event was sent"},
              {contract::components, "Which components were told, one a line"},
              {contract::number, "The number of this deploy or build"},
              {contract::started_at, "When it began, for the call that tells its end"},
              {contract::ended_at, "When it ended"},
          },
          "the run has no secrets"),
      .examples = {{"In a workflow, with compass.yml in the repository",
                    "commit-status compass --state in_progress --environment staging --site acme "
                    "--compass-user ci@acme.example"},
                   {"A build, from anywhere",
                    "commit-status compass --event build --state success --number 42 --started-at "
                    "2026-01-31T12:00:00Z --pipeline nightly --url https://ci.acme.example/42 "
                    "--site acme --compass-user ci@acme.example --compass-token-file token.txt"}},
  };
}

}  // namespace pca::commit_status
