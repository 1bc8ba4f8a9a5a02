#include "swarm-deploy/options.hpp"

#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"

namespace pca::swarm_deploy {

namespace {

std::vector<Option> file_options() {
  const std::string group = "Stack";
  return {
      {.name = "files",
       .type = OptionType::list,
       .default_value = "docker-compose.yml",
       .help = "Compose files, one a line, each over the ones before it; relative paths in all of "
               "them begin at the folder of the first",
       .placeholder = "PATH",
       .group = group},
      {.name = "env-file",
       .type = OptionType::list,
       .help =
           "Files with NAME=value lines for variables of the compose files, one a line; nothing "
           "in them is evaluated, and a variable of the environment wins",
       .placeholder = "PATH",
       .group = group},
      {.name = "vars",
       .type = OptionType::list,
       .help = "NAME=value lines for variables of the compose files; they win over all others",
       .placeholder = "NAME=VALUE",
       .group = group},
      {.name = "unset-variables",
       .type = OptionType::choice,
       .default_value = "error",
       .help = "What an unset variable without a default is: a mistake, an empty text with a "
               "warning, or an empty text",
       .choices = {"error", "warn", "empty"},
       .group = group},
      {.name = "profiles",
       .type = OptionType::list,
       .help =
           "Profiles whose services are deployed beside those without one, one a line; * is all",
       .placeholder = "PROFILE",
       .group = group},
      {.name = "strict",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Take what a swarm ignores in a compose file for a mistake",
       .group = group},
  };
}

// Of commands that read the files, which may name it too.
Option stack_or_name_option() {
  return {.name = "stack",
          .help =
              "The stack's name: lower case letters, digits, - and _; default: name at the top "
              "of the files",
          .placeholder = "NAME",
          .group = "Stack"};
}

Option rotate_option() {
  return {.name = "rotate",
          .type = OptionType::boolean,
          .default_value = "true",
          .help =
              "Put a digest of its content behind the name of each config and secret that has "
              "no name of its own, so that a new content can be deployed",
          .group = "Stack"};
}

std::vector<Option> image_options() {
  return {
      {.name = "resolve-image",
       .type = OptionType::choice,
       .default_value = "always",
       .help = "When to ask the registry for an image's digest: always, for images whose name "
               "changed, or never",
       .choices = {"always", "changed", "never"},
       .group = "Images"},
      {.name = "registry-auth",
       .type = OptionType::secret,
       .help =
           "Credentials of registries, one a line: REGISTRY USER PASSWORD. They serve to look up "
           "digests, and the swarm keeps them with the services whose images are there",
       .group = "Images"},
      {.name = "require-digest",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Write nothing when a digest cannot be had; false is a warning, and the nodes look "
               "for the image by its name",
       .group = "Images"},
      {.name = "prune",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Remove services of the stack that the files no longer have, after all others are "
               "well",
       .group = "Stack"},
  };
}

std::vector<Option> joined(std::vector<std::vector<Option>> parts) {
  std::vector<Option> all;
  for (std::vector<Option>& part : parts) {
    for (Option& option : part) all.push_back(std::move(option));
  }
  return all;
}

std::vector<Option> wait_options() {
  const std::string group = "Waiting";
  return {
      {.name = "wait",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Wait until all services run as asked for; false ends when they are written, and "
               "nothing is taken back",
       .group = group},
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "10m",
       .help = "How long all of it may take",
       .group = group},
      {.name = "settle",
       .type = OptionType::duration,
       .default_value = "5s",
       .help = "How long all services must stay well, once for all of them",
       .group = group},
      {.name = "max-task-failures",
       .type = OptionType::integer,
       .default_value = "3",
       .help = "A service has failed when so many of its new tasks have",
       .least = 1,
       .most = 100,
       .group = group},
      {.name = "scheduling-timeout",
       .type = OptionType::duration,
       .default_value = "30s",
       .help = "A service has failed when no node takes a task for so long",
       .group = group},
      {.name = "on-failure",
       .type = OptionType::choice,
       .default_value = "rollback",
       .help = "What becomes of the stack when a service fails: all services as they were before, "
               "or left as they are",
       .choices = {"rollback", "leave"},
       .group = group},
      {.name = "rollback-timeout",
       .type = OptionType::duration,
       .default_value = "5m",
       .help = "How long it may take until the stack is as it was before",
       .group = group},
  };
}

std::vector<Output> plan_outputs() {
  return {
      {contract::changed, "How many services were created, updated or removed"},
      {contract::created, "How many services were created"},
      {contract::updated, "How many services were updated"},
      {contract::unchanged, "How many services were as asked for already; they are not written"},
      {contract::removed, "How many services were removed"},
      {contract::services, "JSON, an entry a service: name, action, image, changes"},
      {contract::duration_ms, "How long it took"},
      {contract::report, "Path of a JSON file with everything the summary shows"},
  };
}

CommandSpec config_command() {
  return {
      .name = "config",
      .summary =
          "Prints the compose files as one, with variables replaced and short forms written "
          "out; it contacts nothing",
      .options = file_options(),
      .stdout_use = StdoutUse::result,
      .examples = {{"What two files and a variable come to",
                    "swarm-deploy config --files stack.yml --files production.yml --vars TAG=v2"}},
  };
}

CommandSpec plan_command() {
  std::vector<Output> outputs = plan_outputs();
  outputs.insert(outputs.begin(),
                 {contract::outcome, "What became of it", {{"planned", "Nothing was written"}}});
  return {
      .name = "plan",
      .summary = "Shows what deploy would change, and writes nothing",
      .options = joined({{stack_or_name_option()},
                         file_options(),
                         {rotate_option()},
                         engine_options(),
                         image_options(),
                         {{.name = "exit-code",
                           .type = OptionType::boolean,
                           .default_value = "false",
                           .help = "End with 8 when there is something to change",
                           .group = "Stack"}}}),
      .outputs = std::move(outputs),
      .examples = {{"Is the stack as its file says?",
                    "swarm-deploy plan --stack shop --files stack.yml --exit-code"}},
  };
}

CommandSpec deploy_command() {
  std::vector<Output> outputs = plan_outputs();
  outputs.insert(outputs.begin(),
                 {contract::outcome,
                  "What became of it",
                  {{"deployed", "All services run as asked for"},
                   {"unchanged", "They did already"},
                   {"failed", "It failed, and nothing or not everything was written"},
                   {"rolled-back", "It failed, and the stack is as it was before"},
                   {"unknown", "It failed, and the stack may be in between"}}});
  outputs.push_back({contract::failed_service, "The service that failed first"});
  outputs.push_back({contract::failure_reason, "Why it failed"});
  return {
      .name = "deploy",
      .summary =
          "Makes a stack of a Docker Swarm what its compose files say: unchanged services are "
          "not touched, all are waited for together, and a failure takes all back",
      .options = joined({{stack_or_name_option()},
                         file_options(),
                         {rotate_option()},
                         engine_options(),
                         image_options(),
                         wait_options()}),
      .outputs = std::move(outputs),
      .examples = {{"A stack of one file on this manager",
                    "swarm-deploy deploy --stack shop --files stack.yml"},
                   {"On a manager behind Cloudflare Access",
                    "swarm-deploy deploy --stack shop --files stack.yml --host "
                    "deploy@swarm.example.com --via access --access-client-id ID.access "
                    "--access-client-secret-file secret.txt --key-file id_ed25519 "
                    "--known-hosts-file known_hosts"}},
  };
}

}  // namespace

ToolSpec tool_spec() {
  return {
      .name = "swarm-deploy",
      .summary =
          "Deploys compose files to a Docker Swarm over the Engine's API, without the docker "
          "command: with a plan, one wait for all services, and rollback of the whole stack",
      .commands = {config_command(), plan_command(), deploy_command()},
      .examples = {{"What would change?", "swarm-deploy plan --stack shop --files stack.yml"}},
  };
}

}  // namespace pca::swarm_deploy
