#include "commit-status/contract.hpp"
#include "commit-status/option_groups.hpp"

namespace pca::commit_status {

namespace {

constexpr std::int64_t greatest_id = 9'007'199'254'740'991;  // that each JSON reader keeps

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
       .most = greatest_id,
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

}  // namespace

CommandSpec check_command() {
  std::vector<Option> options = check_options();
  add_common_options(options);
  return {
      .name = "check",
      .summary = "Makes or changes a check run of a commit, with Markdown and annotations",
      .options = std::move(options),
      .outputs = with_common_outputs({
          {contract::check_id, "The check run; empty where nothing was written"},
          {contract::check_url, "Its page"},
          {contract::name, "Its name"},
          {contract::state, "Its conclusion, or in_progress or queued"},
          {contract::sha, "The commit"},
          {contract::created, "Whether it was made just now, and not by an earlier call"},
          {contract::annotations, "How many annotations were added"},
      }),
      .examples = {{"A linter's findings at their lines, in a workflow",
                    "commit-status check --name lint --state failure --title '3 findings' "
                    "--annotations-file findings.json"},
                   {"What a program printed, as the check's page",
                    "echo All is well | commit-status check --state success --check-summary-file "
                    "-"}},
  };
}

}  // namespace pca::commit_status
