#include "commit-status/option_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "commit-status/contract.hpp"

namespace pca::commit_status {

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

void add_common_options(std::vector<Option>& options, std::initializer_list<std::string_view> but) {
  for (const auto& part : {github_options(), trouble_options()}) {
    std::copy_if(part.begin(), part.end(), std::back_inserter(options), [&](const Option& option) {
      return std::find(but.begin(), but.end(), option.name) == but.end();
    });
  }
}

std::vector<Output> with_common_outputs(std::vector<Output> own, std::string_view why_skipped) {
  own.push_back(
      {contract::skipped,
       fmt::format("Whether nothing was sent because {}: a fork or Dependabot", why_skipped)});
  own.push_back({contract::dry_run, "Whether this was a dry run"});
  own.push_back({contract::attempts, "How many requests were sent"});
  own.push_back({contract::report, "Path of a JSON file with everything the summary shows"});
  return own;
}

}  // namespace pca::commit_status
