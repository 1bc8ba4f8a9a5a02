#include "commit-status/contract.hpp"
#include "commit-status/option_groups.hpp"

namespace pca::commit_status {

namespace {

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
  add_common_options(options, {"fork-policy", "on-error", "dry-run"});
  return options;
}

}  // namespace

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
                   "JSON, an entry a check: name, state, said (GitHub's own word), url; with "
                   "cloudflare preview-url too, and skipped for one that Cloudflare did not build"},
                  {contract::preview_url, "With cloudflare: where this build can be seen"},
                  {contract::branch_url, "With cloudflare: where the branch's latest can be seen"},
                  {contract::version_id, "With cloudflare: the version of a Worker"},
                  {contract::details_url, "With cloudflare: Cloudflare's page of the build"},
                  {contract::deployment_id, "With cloudflare: the id of the deployment or build"},
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
  add_common_options(options, {"fork-policy", "dry-run", "summary"});
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

}  // namespace pca::commit_status
