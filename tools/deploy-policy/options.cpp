#include "deploy-policy/options.hpp"

#include "deploy-policy/classify.hpp"
#include "deploy-policy/contract.hpp"
#include "deploy/resource_name.hpp"

namespace pca::deploy_policy {

namespace {

Option policy_option() {
  return {.name = "policy",
          .help =
              "The policy's file; default: .github/deploy-policy.yml where there is one, else "
              "the built-in rules",
          .placeholder = "PATH",
          .group = "Policy"};
}

std::vector<Option> event_options() {
  const std::string group = "Event";
  return {
      {.name = "event",
       .help = "The event's name; default: GITHUB_EVENT_NAME, or push where there is none",
       .placeholder = "NAME",
       .group = group},
      {.name = "ref",
       .help = "The branch or ref that it is about; default: GITHUB_REF",
       .placeholder = "REF",
       .group = group},
      {.name = "event-file",
       .help = "File with the event's JSON; - is stdin. Default: what GITHUB_EVENT_PATH names, "
               "unless event or ref is given",
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
      {.name = "repository",
       .help = "The repository; default: GITHUB_REPOSITORY",
       .placeholder = "OWNER/NAME",
       .group = group},
      {.name = "actor",
       .help = "Who caused the event; default: GITHUB_ACTOR",
       .placeholder = "NAME",
       .group = group},
  };
}

std::vector<OutputValue> class_values() {
  std::vector<OutputValue> values;
  for (const ClassRow& row : class_table()) {
    values.push_back({std::string(row.name), std::string(row.meaning)});
  }
  return values;
}

CommandSpec classify_command() {
  std::vector<Option> options = event_options();
  options.push_back(policy_option());
  options.push_back(
      {.name = "batch",
       .help = "Instead of one event: a file with a JSON object a line (event, ref, repository, "
               "actor, payload); the answers come as JSON, one a line. - is stdin",
       .placeholder = "PATH|-",
       .group = "Event",
       .takes_stdin = true});
  return {
      .name = "classify",
      .summary = "Says where an event is deployed, by which rule, and what things are called there",
      .options = std::move(options),
      .stdout_use = StdoutUse::result,
      .outputs =
          {
              {contract::deploy_class, "What to do", class_values()},
              {contract::environment,
               "The GitHub environment: production, staging or preview, "
               "unless the policy names others"},
              {contract::slug, "What stands for the branch in names of a preview"},
              {contract::hostname, "The hostname, where the policy names domain and project"},
              {contract::url, "The same as https URL"},
              {contract::stack,
               "The Swarm stack's name, where the policy names customer and project"},
              {contract::branch, "The whole name of the branch, for the label of a preview"},
              {contract::reason, "The event and the rule that decided"},
          },
      .examples =
          {
              {"In a workflow: the event is the runner's", "deploy-policy classify"},
              {"On a laptop: where would this branch go?",
               "deploy-policy classify --ref feature/login --repository acme/shop"},
          },
  };
}

Option type_option() {
  std::vector<std::string> names;
  for (const ResourceRow& row : resource_table()) names.emplace_back(row.name);
  return {.name = "type",
          .type = OptionType::choice,
          .help = "What is called so; each has its limits",
          .choices = std::move(names),
          .required = true,
          .group = "Name"};
}

Option name_option() {
  return {
      .name = "name", .help = "The name", .placeholder = "NAME", .required = true, .group = "Name"};
}

std::vector<Output> judged_outputs() {
  return {
      {contract::valid, "true or false"},
      {contract::reason, "What is wrong with it; empty when nothing is"},
      {contract::room,
       "How many characters are left: of a Worker for a preview alias, of a stack "
       "for the name of a service, of a VM for the slug of a preview"},
  };
}

std::vector<Output> part_outputs() {
  return {
      {contract::customer, "The name's first segment"},
      {contract::project, "The second"},
      {contract::environment, "The third"},
      {contract::component, "The fourth; empty for a stack without one"},
      {contract::slug, "What stands for the branch in the name of a preview"},
  };
}

std::vector<Output> joined(std::vector<Output> first, const std::vector<Output>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

CommandSpec name_check_command() {
  return {
      .name = "name check",
      .summary =
          "Says whether a name follows {customer}-{project}-{environment}-{component}, and "
          "what the policy says of it",
      .options = {name_option(), type_option(), policy_option()},
      .positionals = {"name"},
      .stdout_use = StdoutUse::result,
      .outputs = joined(judged_outputs(), part_outputs()),
      .examples = {{"A Worker, and the room left for a preview alias",
                    "deploy-policy name check allermedia-cuttingroom-prod-api --type worker"}},
  };
}

CommandSpec name_parse_command() {
  return {
      .name = "name parse",
      .summary = "Takes a name apart, whoever's it is",
      .options = {name_option(), type_option()},
      .positionals = {"name"},
      .stdout_use = StdoutUse::result,
      .outputs = joined(judged_outputs(), part_outputs()),
      .examples = {{"The parts of a stack's name",
                    "deploy-policy name parse acme-shop-staging --type stack --json"}},
  };
}

CommandSpec name_build_command() {
  const std::string group = "Name";
  return {
      .name = "name build",
      .summary = "Puts a name together, of a preview with the slug of its branch",
      .options =
          {
              type_option(),
              {.name = "customer",
               .help = "The tenant; default: the policy's",
               .placeholder = "SEGMENT",
               .group = group},
              {.name = "project",
               .help = "The application; default: the policy's",
               .placeholder = "SEGMENT",
               .group = group},
              {.name = "environment",
               .type = OptionType::choice,
               .help = "The environment; preview on the private cloud only",
               .choices = {"prod", "staging", "dev", "preview"},
               .required = true,
               .group = group},
              {.name = "component",
               .help = "api, ui, db and the like; a stack may have none",
               .placeholder = "SEGMENT",
               .group = group},
              {.name = "branch",
               .help = "The branch of a preview",
               .placeholder = "NAME",
               .group = group},
              {.name = "repository",
               .help = "The repository of a preview",
               .placeholder = "OWNER/NAME",
               .group = group},
              policy_option(),
          },
      .stdout_use = StdoutUse::result,
      .outputs = joined({{contract::name, "The name"}}, joined(judged_outputs(), part_outputs())),
      .examples = {{"The database of production",
                    "deploy-policy name build --type d1 --customer acme --project shop "
                    "--environment prod --component db"},
                   {"The stack of a branch's preview",
                    "deploy-policy name build --type stack --customer acme --project shop "
                    "--environment preview --branch feature/login --repository acme/shop"}},
  };
}

CommandSpec exec_command() {
  std::vector<Option> options{
      {.name = "class",
       .type = OptionType::list,
       .default_value = "preview",
       .help = "Run the command for these classes, one a line; for another the exit code is 0 "
               "without running it",
       .placeholder = "CLASS",
       .group = "Command"},
      {.name = "command",
       .type = OptionType::list,
       .help = "The command and its arguments, behind --",
       .placeholder = "WORD",
       .group = "Command"}};
  for (Option& option : event_options()) options.push_back(std::move(option));
  options.push_back(policy_option());
  return {
      .name = "exec",
      .summary =
          "Runs a command only where the policy deploys: the gate inside of Cloudflare's "
          "own builds, whose branch it knows",
      .options = std::move(options),
      .words = "command",
      .examples = {{"As the deploy command of Workers Builds for branches that are not production",
                    "deploy-policy exec --class preview --ref feature/login -- echo npx wrangler "
                    "versions upload"}},
  };
}

std::vector<Option> repository_options() {
  const std::string group = "Repository";
  return {
      {.name = "root",
       .default_value = ".",
       .help = "The repository's folder",
       .placeholder = "FOLDER",
       .group = group},
      {.name = "exclude",
       .type = OptionType::list,
       .help = "What to leave out, as in a .gitignore, one a line; node_modules and vendor always "
               "are",
       .placeholder = "PATTERN",
       .group = group},
      policy_option(),
  };
}

CommandSpec lint_command() {
  std::vector<Option> options = repository_options();
  const std::string group = "Findings";
  options.push_back({.name = "format",
                     .type = OptionType::choice,
                     .default_value = "auto",
                     .help = "How to show the findings: auto is github in Actions (annotations at "
                             "the lines), else text",
                     .choices = {"auto", "text", "json", "sarif", "github"},
                     .group = group});
  options.push_back({.name = "fix-hints",
                     .type = OptionType::boolean,
                     .default_value = "false",
                     .help = "Show the very text to write, where there is one",
                     .group = group});
  options.push_back({.name = "sarif-file",
                     .help = "Write them to this file too, as SARIF 2.1.0 for code scanning",
                     .placeholder = "PATH",
                     .group = group});
  return {
      .name = "lint",
      .summary =
          "Finds what in a repository contradicts the policy: workflows that deploy to "
          "Cloudflare, names, branch filters, previews that stay, permissions, secrets",
      .options = std::move(options),
      .stdout_use = StdoutUse::result,
      .outputs =
          {
              {contract::findings,
               "How many errors and warnings there are; the exit code is 1 "
               "unless it is 0"},
              {contract::errors, "How many errors"},
              {contract::warnings, "How many warnings"},
              {contract::notes, "How many notes, which do not fail"},
              {contract::sarif_file, "The input sarif-file"},
          },
      .examples = {{"This repository, with the text to write", "deploy-policy lint --fix-hints"},
                   {"For code scanning", "deploy-policy lint --format sarif"}},
  };
}

CommandSpec export_command() {
  return {
      .name = "export",
      .summary =
          "Prints the policy as the settings of another system, so that they can be compared",
      .options = {{.name = "to",
                   .type = OptionType::choice,
                   .help =
                       "pages: branch control of a Cloudflare Pages project, as its API has it; "
                       "github: triggers of a workflow; environment: branch policies of GitHub "
                       "environments",
                   .choices = {"pages", "github", "environment"},
                   .required = true,
                   .group = "Settings"},
                  policy_option()},
      .stdout_use = StdoutUse::result,
      .outputs = {{contract::settings, "The settings as JSON"}},
      .examples = {{"The triggers of a workflow", "deploy-policy export --to github"}},
  };
}

CommandSpec migrate_command() {
  std::vector<Option> options = repository_options();
  const std::string group = "Cloudflare";
  options.push_back({.name = "cloudflare-token",
                     .type = OptionType::secret,
                     .help = "A user's token that may read Workers Builds Configuration, Workers "
                             "Scripts and Cloudflare Pages; without one nothing is contacted, and "
                             "the repository alone is looked at",
                     .group = group});
  options.push_back({.name = "cloudflare-account",
                     .help = "The account's id",
                     .placeholder = "ID",
                     .group = group});
  options.push_back({.name = "repository",
                     .help = "The repository that should be connected; default: GITHUB_REPOSITORY",
                     .placeholder = "OWNER/NAME",
                     .group = group});
  options.push_back({.name = "cloudflare-url",
                     .default_value = "https://api.cloudflare.com/client/v4",
                     .help = "Root of the API",
                     .placeholder = "URL",
                     .group = group});
  options.push_back(
      {.name = "cloudflare-ca",
       .help = "File with the CA certificates of the API's server (PEM); default: this machine's",
       .placeholder = "FILE",
       .group = group});
  return {
      .name = "migrate",
      .summary =
          "Lists what is deployed to Cloudflare, and the steps to its own Git integration: of "
          "something new, of an existing Worker, of an existing Pages project",
      .options = std::move(options),
      .stdout_use = StdoutUse::result,
      .outputs =
          {{contract::migrations,
            "JSON, an entry a Worker or Pages project: kind, name, config, environment, path, "
            "deployed-by, steps; with a token cloudflare too: exists, connected, checks"}},
      .examples = {{"This repository", "deploy-policy migrate"},
                   {"And how Cloudflare has it",
                    "deploy-policy migrate --cloudflare-account 0123456789abcdef0123456789abcdef "
                    "--cloudflare-token-file token.txt"}},
  };
}

}  // namespace

ToolSpec tool_spec() {
  return {
      .name = "deploy-policy",
      .summary =
          "Says which branch is deployed where and what things are called there, and finds "
          "what in a repository contradicts that. Only migrate connects to anything, when it is "
          "given a token",
      .commands = {classify_command(), name_check_command(), name_build_command(),
                   name_parse_command(), exec_command(), lint_command(), export_command(),
                   migrate_command()},
      .examples = {{"Where does this branch go?",
                    "deploy-policy classify --ref main --repository acme/shop --json"}},
  };
}

}  // namespace pca::deploy_policy
