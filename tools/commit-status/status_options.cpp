#include "commit-status/contract.hpp"
#include "commit-status/option_groups.hpp"

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

std::vector<Output> status_outputs() {
  return with_common_outputs({
      {contract::state, "The state of the first status as GitHub has it"},
      {contract::context, "Its name"},
      {contract::sha, "The commit"},
      {contract::id, "Its id; empty where nothing was sent"},
      {contract::url, "Its URL in the API"},
      {contract::changed, "Whether any status was written"},
      {contract::results, "JSON, an entry a status: context, state, description, id, url, changed"},
  });
}

}  // namespace

CommandSpec status_command() {
  std::vector<Option> options = state_options();
  const std::vector<Option> naming = naming_options();
  options.insert(options.end(), naming.begin(), naming.end());
  add_common_options(options);
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
  std::vector<Option> options = naming_options();
  add_common_options(options);
  options.push_back({.name = "command",
                     .type = OptionType::list,
                     .help = "The command and its arguments, behind --; as an input a word a line",
                     .placeholder = "WORD",
                     .group = "Command"});
  options.push_back({.name = "script",
                     .type = OptionType::verbatim,
                     .help = "Instead of a command: a script for sh -e",
                     .placeholder = "TEXT",
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

}  // namespace pca::commit_status
