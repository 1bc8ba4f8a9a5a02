#include "commit-status/options.hpp"

#include "commit-status/compass.hpp"
#include "commit-status/contract.hpp"

namespace pca::commit_status {

namespace {

constexpr const char* status_group = "Status";

std::vector<Option> state_options() {
  return {
      {.name = "state",
       .type = OptionType::choice,
       .help = "How it stands; takes job.status too: cancelled is an error, skipped a success. "
               "Required without batch-file",
       .choices = {"success", "failure", "error", "pending", "cancelled", "skipped"},
       .group = status_group},
      {.name = "if-unchanged",
       .type = OptionType::choice,
       .default_value = "skip",
       .help = "What to do where GitHub has the same state, description and URL already: it keeps "
               "1000 statuses of a commit and context",
       .choices = {"skip", "always"},
       .group = status_group},
      {.name = "batch-file",
       .help = "Instead of one: a file with a JSON array of objects (context, state, description, "
               "target_url), all checked before the first is sent. - is stdin",
       .placeholder = "PATH|-",
       .group = status_group,
       .takes_stdin = true},
  };
}

std::vector<Option> naming_options() {
  return {
      {.name = "context",
       .type = OptionType::list,
       .help = "Name of the status, several one a line; default in Actions: WORKFLOW / JOB",
       .placeholder = "NAME",
       .group = status_group},
      {.name = "description",
       .help = "A short sentence; cut to the 140 characters that GitHub keeps",
       .placeholder = "TEXT",
       .group = status_group},
      {.name = "strict",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Refuse a description that is too long instead of cutting it",
       .group = status_group},
      {.name = "target-url",
       .help = "Where the status leads; default in Actions: this run",
       .placeholder = "URL",
       .group = status_group},
  };
}

std::vector<Option> github_options() {
  const std::string group = "GitHub";
  return {
      {.name = "sha",
       .help = "The commit: a SHA, a branch or a tag; default: the event's, of a pull request its "
               "head and never the merge commit",
       .placeholder = "SHA",
       .group = group},
      {.name = "repo",
       .help = "The repository; default: GITHUB_REPOSITORY",
       .placeholder = "OWNER/NAME",
       .group = group},
      {.name = "token",
       .type = OptionType::secret,
       .help = "Token for the API; default: GITHUB_TOKEN, then GH_TOKEN, in the action the job's "
               "own",
       .group = group},
      {.name = "api-url",
       .help = "Root of the API; default: GITHUB_API_URL, else https://api.github.com",
       .placeholder = "URL",
       .group = group},
      {.name = "api-ca",
       .help = "File with the CA certificates of the API's server (PEM); default: this machine's",
       .placeholder = "FILE",
       .group = group},
      {.name = "allow-insecure",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Allow an api-url of http, which shows the token to the network",
       .group = group},
  };
}

std::vector<Option> trouble_options() {
  const std::string group = "Trouble";
  return {
      {.name = "fork-policy",
       .type = OptionType::choice,
       .default_value = "warn",
       .help = "What to do where the token may not write because the event comes from a fork or "
               "Dependabot: warn and ignore end with 0",
       .choices = {"warn", "fail", "ignore"},
       .group = group},
      {.name = "on-error",
       .type = OptionType::choice,
       .default_value = "fail",
       .help = "What to do when GitHub cannot be told: warn ends with 0, so that no deploy fails "
               "by it",
       .choices = {"fail", "warn"},
       .group = group},
      {.name = "retries",
       .type = OptionType::integer,
       .default_value = "4",
       .help = "How often to ask again after what may pass",
       .most = 10,
       .group = group},
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "15s",
       .help = "For each request",
       .group = group},
      {.name = "max-wait",
       .type = OptionType::duration,
       .default_value = "2m",
       .help = "How long to wait for rate limits, all together",
       .group = group},
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only show what would be sent",
       .group = group},
      {.name = "summary",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "Whether to write the job's summary: auto does for a failure and for several "
               "statuses",
       .choices = {"auto", "true", "false"},
       .group = group},
  };
}

std::vector<Output> status_outputs() {
  return {
      {contract::state, "The state of the first status as GitHub has it"},
      {contract::context, "Its name"},
      {contract::sha, "The commit"},
      {contract::id, "Its id; empty where nothing was sent"},
      {contract::url, "Its URL in the API"},
      {contract::changed, "Whether any status was written"},
      {contract::skipped,
       "Whether nothing was sent because the token may not write: a "
       "fork or Dependabot"},
      {contract::dry_run, "Whether this was a dry run"},
      {contract::results, "JSON, an entry a status: context, state, description, id, url, changed"},
      {contract::attempts, "How many requests were sent"},
      {contract::report, "Path of a JSON file with everything the summary shows"},
  };
}

CommandSpec status_command() {
  std::vector<Option> options;
  for (const auto& part :
       {state_options(), naming_options(), github_options(), trouble_options()}) {
    options.insert(options.end(), part.begin(), part.end());
  }
  return {
      .name = "status",
      .summary = "Sets one or more statuses of a commit",
      .options = std::move(options),
      .outputs = status_outputs(),
      .examples = {{"In a workflow: commit, name and link are the run's",
                    "commit-status status --state success"},
                   {"Of a branch, from anywhere",
                    "commit-status status --state pending --context deploy --description Staging "
                    "--repo acme/shop --sha main"}},
  };
}

CommandSpec run_command() {
  std::vector<Option> options;
  for (const auto& part : {naming_options(), github_options(), trouble_options()}) {
    options.insert(options.end(), part.begin(), part.end());
  }
  options.push_back({.name = "command",
                     .type = OptionType::list,
                     .help = "The command and its arguments, behind --",
                     .placeholder = "WORD",
                     .group = "Command"});
  options.push_back({.name = "pass-exit-code",
                     .type = OptionType::boolean,
                     .default_value = "false",
                     .help = "End with the command's own exit code instead of 1 when it fails",
                     .group = "Command"});
  std::vector<Output> outputs = status_outputs();
  outputs.push_back(
      {contract::exit_code, "The command's exit code; 128 + n when signal n ended it"});
  outputs.push_back({contract::exit_signal, "The signal that ended it, such as TERM"});
  return {
      .name = "run",
      .summary =
          "Runs a command between two statuses: pending before it, then success or failure by its "
          "exit code, or error when it is cancelled",
      .options = std::move(options),
      .words = "command",
      .outputs = std::move(outputs),
      .examples = {{"A test that shows in the pull request",
                    "commit-status run --context tests -- npm test"}},
  };
}

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
  return {
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
      {contract::skipped,
       "Whether nothing was sent because the token may not write: a fork or Dependabot"},
      {contract::dry_run, "Whether this was a dry run"},
      {contract::attempts, "How many requests were sent"},
      {contract::report, "Path of a JSON file with everything the summary shows"},
  };
}

std::vector<Option> with_github(std::vector<Option> options) {
  for (const auto& part : {deployment_options(), github_options(), trouble_options()}) {
    options.insert(options.end(), part.begin(), part.end());
  }
  return options;
}

std::vector<Option> wait_options() {
  const std::string group = "Gate";
  std::vector<Option> options = {
      {.name = "checks",
       .type = OptionType::list,
       .help = "Statuses and checks to wait for, one a line, with * and ?; each has to be there. "
               "Default: all that there are",
       .placeholder = "NAME",
       .group = group},
      {.name = "ignore",
       .type = OptionType::list,
       .help = "Those that do not count, one a line, with * and ?. What this very run says never "
               "does, unless checks names it",
       .placeholder = "NAME",
       .group = group},
      {.name = "at-least",
       .type = OptionType::integer,
       .default_value = "1",
       .help = "So many have to be there",
       .placeholder = "NUMBER",
       .least = 1,
       .most = 1000,
       .group = group},
      {.name = "wait-limit",
       .type = OptionType::duration,
       .default_value = "30m",
       .help = "How long to wait for all of them",
       .group = group},
      {.name = "interval",
       .type = OptionType::duration,
       .default_value = "10s",
       .help = "How often to ask; grows to 30s",
       .group = group},
      {.name = "cloudflare",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Wait for the builds of Cloudflare's Git integration only, and read their previews",
       .group = group},
      {.name = "grace",
       .type = OptionType::duration,
       .default_value = "2m",
       .help =
           "With cloudflare: how long a build may take to begin. Without one by then the commit "
           "is skipped, which is no failure",
       .group = group},
      {.name = "preview-hosts",
       .type = OptionType::list,
       .default_value = "pages.dev\nworkers.dev",
       .help = "With cloudflare: domains that a preview may be on, one a line; others are not read",
       .placeholder = "DOMAIN",
       .group = group}};
  for (const auto& part : {github_options(), trouble_options()}) {
    for (const Option& option : part) {
      const bool is_about_writing =
          option.name == "fork-policy" || option.name == "on-error" || option.name == "dry-run";
      if (!is_about_writing) options.push_back(option);
    }
  }
  return options;
}

CommandSpec wait_command() {
  return {
      .name = "wait",
      .summary =
          "Waits until the statuses and checks of a commit are all good; ends with 1 when one "
          "is not, and with 6 when it takes too long",
      .options = wait_options(),
      .outputs = {{contract::state,
                   "What came of it",
                   {{"success", "all are good"},
                    {"failure", "one is not"},
                    {"skipped", "Cloudflare builds nothing for this commit"},
                    {"pending", "it took too long"}}},
                  {contract::sha, "The commit"},
                  {contract::failed, "Those that are not good, one a line"},
                  {contract::results,
                   "JSON, an entry a check: name, state, said (GitHub's own word), url"},
                  {contract::preview_url, "With cloudflare: where this build can be seen"},
                  {contract::branch_url, "With cloudflare: where the branch's latest can be seen"},
                  {contract::version_id, "With cloudflare: the version of a Worker"},
                  {contract::attempts, "How many requests were sent"},
                  {contract::report, "Path of a JSON file with everything the summary shows"}},
      .examples = {{"All of the commit, from another job of the same workflow",
                    "commit-status wait --ignore 'codecov/*'"},
                   {"The edge's build, and its preview",
                    "commit-status wait --cloudflare --wait-limit 15m"}},
  };
}

CommandSpec summary_command() {
  const std::string group = "Summary";
  std::vector<Option> options = {
      {.name = "checks",
       .type = OptionType::list,
       .help = "Statuses and checks to show, one a line, with * and ?; one that is not there is "
               "shown as absent. Default: all that there are",
       .placeholder = "NAME",
       .group = group},
      {.name = "ignore",
       .type = OptionType::list,
       .help = "Those that are not shown, one a line, with * and ?. What this very run says never "
               "is, unless checks names it",
       .placeholder = "NAME",
       .group = group},
      {.name = "markdown-file",
       .help = "A file with Markdown to show below, as far as the summary has room. - is stdin",
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
  };
  for (const auto& part : {github_options(), trouble_options()}) {
    for (const Option& option : part) {
      const bool is_about_writing =
          option.name == "fork-policy" || option.name == "dry-run" || option.name == "summary";
      if (!is_about_writing) options.push_back(option);
    }
  }
  return {
      .name = "summary",
      .summary = "Shows in the job's summary how a commit stands: statuses, checks, deployments",
      .options = std::move(options),
      .outputs = {{contract::state,
                   "What the statuses and checks say together",
                   {{"success", "all are good"},
                    {"failure", "one is not"},
                    {"pending", "one has not ended, or is absent"},
                    {"none", "there are none"}}},
                  {contract::sha, "The commit"},
                  {contract::failed, "Those that are not good, one a line"},
                  {contract::attempts, "How many requests were sent"},
                  {contract::report, "Path of a JSON file with everything the summary shows"}},
      .examples = {{"At the end of a workflow", "commit-status summary --ignore 'codecov/*'"}},
  };
}

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

std::vector<Option> check_options() {
  const std::string group = "Check";
  return {
      {.name = "state",
       .type = OptionType::choice,
       .help = "How it stands; takes job.status too. Of error the conclusion is failure. Required",
       .choices = {"pending", "queued", "success", "failure", "error", "cancelled", "skipped"},
       .group = group},
      {.name = "conclusion",
       .type = OptionType::choice,
       .help = "GitHub's word for how it ended; default: that of state",
       .choices = {"success", "failure", "neutral", "cancelled", "skipped", "timed_out",
                   "action_required"},
       .group = group},
      {.name = "name",
       .help = "Name of the check; default in Actions: WORKFLOW / JOB",
       .placeholder = "NAME",
       .group = group},
      {.name = "external-id",
       .help = "Which run of the check it is: with the same one, calls with the same name and "
               "commit change one check run; default in Actions: run and job",
       .placeholder = "TEXT",
       .group = group},
      {.name = "check-id",
       .type = OptionType::integer,
       .help = "The output of an earlier call; default: the one with the same name, commit and "
               "external-id, which is made where there is none",
       .least = 1,
       .most = greatest_number,
       .group = group},
      {.name = "target-url",
       .help = "Where its details are; default in Actions: this run",
       .placeholder = "URL",
       .group = group},
      {.name = "title",
       .help = "Its headline, cut to 255 characters; default: its name",
       .placeholder = "TEXT",
       .group = group},
      {.name = "check-summary",
       .type = OptionType::verbatim,
       .help = "Markdown below the title, cut to the 65,535 bytes that GitHub keeps; default: the "
               "title",
       .placeholder = "MARKDOWN",
       .group = group},
      {.name = "check-summary-file",
       .help = "The same from a file. - is stdin",
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
      {.name = "check-text",
       .type = OptionType::verbatim,
       .help = "Markdown for the details, below the summary, cut as that",
       .placeholder = "MARKDOWN",
       .group = group},
      {.name = "check-text-file",
       .help = "The same from a file",
       .placeholder = "PATH",
       .group = group},
      {.name = "annotations-file",
       .help =
           "A file with a JSON array of annotations, or one a line: path, start_line, end_line, "
           "annotation_level (notice, warning, failure), message, title, raw_details; those "
           "that are none are left out with a warning",
       .placeholder = "PATH",
       .group = group},
  };
}

CommandSpec check_command() {
  std::vector<Option> options = check_options();
  for (const auto& part : {github_options(), trouble_options()}) {
    options.insert(options.end(), part.begin(), part.end());
  }
  return {
      .name = "check",
      .summary = "Makes or changes a check run of a commit, with Markdown and annotations",
      .options = std::move(options),
      .outputs = {{contract::check_id, "The check run; empty where nothing was written"},
                  {contract::check_url, "Its page"},
                  {contract::name, "Its name"},
                  {contract::state, "Its conclusion, or in_progress or queued"},
                  {contract::sha, "The commit"},
                  {contract::created, "Whether it was made just now, and not by an earlier call"},
                  {contract::annotations, "How many annotations were added"},
                  {contract::skipped,
                   "Whether nothing was sent because the token may not write: a fork or "
                   "Dependabot"},
                  {contract::dry_run, "Whether this was a dry run"},
                  {contract::attempts, "How many requests were sent"},
                  {contract::report, "Path of a JSON file with everything the summary shows"}},
      .examples = {{"A linter's findings at their lines, in a workflow",
                    "commit-status check --name lint --state failure --title '3 findings' "
                    "--annotations-file findings.json"},
                   {"What a program printed, as the check's page",
                    "echo All is well | commit-status check --state success --check-summary-file "
                    "-"}},
  };
}

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

CommandSpec compass_command() {
  std::vector<Option> options = compass_event_options();
  for (const auto& part : {compass_options(), github_options(), trouble_options()}) {
    for (const Option& option : part) {
      const bool is_about_commits =
          option.name == "sha" || option.name == "fork-policy" || option.name == "on-error";
      if (!is_about_commits) options.push_back(option);
    }
  }
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
      .outputs = {{contract::state, "The state as Compass calls it, such as SUCCESSFUL"},
                  {contract::via,
                   "How Compass hears of it",
                   {{"rest", "by the event that was sent"},
                    {"github", "by GitHub's deployments; nothing was sent"},
                    {"auto",
                     "nobody knows, because GitHub did not say whether it has deployments"}}},
                  {contract::sent, "Whether an event was sent"},
                  {contract::components, "Which components were told, one a line"},
                  {contract::number, "The number of this deploy or build"},
                  {contract::started_at, "When it began, for the call that tells its end"},
                  {contract::ended_at, "When it ended"},
                  {contract::skipped,
                   "Whether nothing was sent because the run has no secrets: a fork or Dependabot"},
                  {contract::dry_run, "Whether this was a dry run"},
                  {contract::attempts, "How many requests were sent"},
                  {contract::report, "Path of a JSON file with everything the summary shows"}},
      .examples = {{"In a workflow, with compass.yml in the repository",
                    "commit-status compass --state in_progress --environment staging --site acme "
                    "--compass-user ci@acme.example"},
                   {"A build, from anywhere",
                    "commit-status compass --event build --state success --number 42 --started-at "
                    "2026-01-31T12:00:00Z --pipeline nightly --url https://ci.acme.example/42 "
                    "--site acme --compass-user ci@acme.example --compass-token-file token.txt"}},
  };
}

}  // namespace

ToolSpec tool_spec() {
  return {
      .name = "commit-status",
      .summary = "Tells GitHub and Compass how a commit's deploy stands",
      .commands = {status_command(), check_command(), run_command(), deployment_start_command(),
                   deployment_finish_command(), wait_command(), summary_command(),
                   compass_command()},
      .examples = {{"What would be sent?", "commit-status status --state success --dry-run"}},
  };
}

}  // namespace pca::commit_status
