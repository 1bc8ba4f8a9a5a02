#include "swarm-deploy/options.hpp"

#include "deploy/preview.hpp"
#include "deploy/provenance.hpp"
#include "swarm-deploy/contract.hpp"
#include "swarm-deploy/engine_inputs.hpp"
#include "swarm-deploy/node_command.hpp"
#include "swarm-deploy/preview_inputs.hpp"
#include "swarm-deploy/release_run.hpp"
#include "swarm-deploy/waiting_options.hpp"

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

Option stack_option() {
  return {.name = "stack",
          .help = "The stack's name: lower case letters, digits, - and _",
          .placeholder = "NAME",
          .required = true,
          .group = "Stack"};
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
      registry_option(),
      {.name = "require-digest",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Write nothing when a digest cannot be had; false is a warning, and the nodes look "
               "for the image by its name",
       .group = "Images"},
      {.name = "prune",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Remove services, networks, secrets and configs of the stack that the files no "
               "longer have, after all others are well (written, where nothing is waited for); "
               "what a kept release needs to be gone back to stays",
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

std::vector<Output> run_outputs(bool can_be_held) {
  Output outcome{contract::outcome,
                 "What became of it",
                 {{"deployed", "All services run as asked for"},
                  {"unchanged", "They did already"},
                  {"failed", "It failed, and nothing or not everything was written"},
                  {"rolled-back", "It failed, and the stack is as it was before"},
                  {"unknown", "It failed, and the stack may be in between"}}};
  if (can_be_held) {
    outcome.values.insert(outcome.values.begin() + 2,
                          OutputValue{"held", "The stack is on hold, and nothing was written"});
  }
  std::vector<Output> outputs = plan_outputs();
  outputs.insert(outputs.begin(), {std::move(outcome),
                                   {contract::release, "The release this was about"},
                                   {contract::previous, "The one that was current before"}});
  outputs.push_back({contract::failed_service, "The service that failed first"});
  outputs.push_back({contract::failure_reason, "Why it failed"});
  return outputs;
}

// But for the stack's name.
std::vector<Option> deploy_options() {
  return joined({file_options(),
                 {rotate_option()},
                 engine_options(),
                 image_options(),
                 commit_options("Release"),
                 release_options()});
}

CommandSpec deploy_command() {
  return {
      .name = "deploy",
      .summary =
          "Makes a stack of a Docker Swarm what its compose files say: unchanged services are "
          "not touched, all are waited for together, and a failure takes all back",
      .options = joined({{stack_or_name_option()}, deploy_options()}),
      .outputs = run_outputs(true),
      .examples = {{"A stack of one file on this manager",
                    "swarm-deploy deploy --stack shop --files stack.yml"},
                   {"On a manager behind Cloudflare Access",
                    "swarm-deploy deploy --stack shop --files stack.yml --host "
                    "deploy@swarm.example.com --via access --access-client-id ID.access "
                    "--access-client-secret-file secret.txt --key-file id_ed25519 "
                    "--known-hosts-file known_hosts"}},
  };
}

Option reason_option() {
  return {
      .name = "reason", .help = "Why, for the history", .placeholder = "TEXT", .group = "Release"};
}

CommandSpec rollback_command() {
  return {
      .name = "rollback",
      .summary =
          "Makes an earlier release of a stack the current one again, from what the swarm keeps: "
          "all services as they were, added ones removed, removed ones made again",
      .options = joined({{stack_option()},
                         {{.name = "to",
                           .help = "The release to go back to; by default the newest good one that "
                                   "is not current, or the current one when a deploy did not come "
                                   "to its end",
                           .placeholder = "RELEASE",
                           .group = "Release"},
                          {.name = "hold",
                           .type = OptionType::choice,
                           .default_value = "auto",
                           .help = "auto refuses to deploy what was rolled back, and what is "
                                   "older, until a newer commit or unhold; none does not",
                           .choices = {"auto", "none"},
                           .group = "Release"},
                          reason_option()},
                         engine_options(),
                         {registry_option()},
                         release_options()}),
      .outputs = run_outputs(false),
      .examples = {{"To the release before", "swarm-deploy rollback --stack shop"},
                   {"To a certain one, whose name list shows",
                    "swarm-deploy rollback --stack shop --to 20260131T120000Z-1a2b3c4"}},
  };
}

// A command that only needs to know the stack and the swarm.
CommandSpec stack_command(const std::string& name, std::string summary,
                          std::vector<Option> more = {}, std::vector<Output> outputs = {}) {
  return {.name = name,
          .summary = std::move(summary),
          .options = joined({{stack_option()}, std::move(more), engine_options()}),
          .outputs = std::move(outputs),
          .examples = {{"On this manager", "swarm-deploy " + name + " --stack shop"}}};
}

CommandSpec status_command() {
  return stack_command("status",
                       "Shows how a stack is: its services, replicas, images, last errors, its "
                       "release, and what holds it; ends with 1 when not all of it is well",
                       {},
                       {{contract::release, "The current release"},
                        {contract::services,
                         "JSON, an entry a service: name, mode, replicas, image, well, state, "
                         "last-error"},
                        {contract::report, "Path of a JSON file with all that was found"}});
}

CommandSpec wait_command() {
  std::vector<Output> outputs = run_outputs(false);
  outputs.front() = {contract::outcome,
                     "What became of it",
                     {{"unchanged", "All services are well"}, {"failed", "Not all are"}}};
  return stack_command("wait",
                       "Waits until all services of a stack are well, as a deploy does, and "
                       "writes nothing",
                       waiting_options("How long to wait"), std::move(outputs));
}

CommandSpec rm_command() {
  return stack_command(
      "rm",
      "Removes a stack and the history of its releases, and waits until its tasks and networks are "
      "really gone; volumes and what is external stay",
      {{.name = "dry-run",
        .type = OptionType::boolean,
        .default_value = "false",
        .help = "Only list what would be removed",
        .group = "Stack"},
       {.name = "lock-wait",
        .type = OptionType::duration,
        .default_value = "15m",
        .help = "How long to wait for a deploy of the same stack",
        .group = "Waiting"},
       {.name = "timeout",
        .type = OptionType::duration,
        .default_value = "5m",
        .help = "How long the removal may take",
        .group = "Waiting"}},
      {{contract::removed, "How many services, networks, secrets and configs were removed"},
       {contract::duration_ms, "How long it took"},
       {contract::report, "Path of a JSON file with all that was removed"}});
}

CommandSpec node_command() {
  return {
      .name = "node",
      .summary =
          "Shows the nodes of a swarm, drains them and waits until their tasks run elsewhere, "
          "makes them active again, and changes their labels; what would be an outage is refused",
      .options = joined({node_options(), engine_options()}),
      .positionals = {"do", "nodes"},
      .outputs =
          {{contract::outcome,
            "What became of it",
            {{"changed", "The nodes are as asked for, and what it moved runs elsewhere"},
             {"unchanged", "They were already"},
             {"planned", "Nothing was written"},
             {"failed", "It failed, and nothing was written, or the nodes stay as asked for"},
             {"rolled-back", "It failed, and the nodes are as they were before"},
             {"unknown", "It failed, and the nodes may be in between"}}},
           {contract::changed, "How many nodes were changed, and stay so"},
           {contract::nodes,
            "JSON, an entry a node: id, hostname, role, leader, availability, state, labels, "
            "tasks"},
           {contract::failed_service, "The service that stood in the way of a drain"},
           {contract::failure_reason, "Why"},
           {contract::duration_ms, "How long it took"},
           {contract::report, "Path of a JSON file with everything the summary shows"}},
      .examples = {{"All nodes", "swarm-deploy node list"},
                   {"Before an update of node2's machine", "swarm-deploy node drain node2"},
                   {"After it", "swarm-deploy node active node2"},
                   {"A label for constraints, and one less",
                    "swarm-deploy node labels node2 --labels disk=ssd --labels old-"}},
  };
}

// --- previews ---

CommandSpec preview_up_command() {
  std::vector<Output> outputs = run_outputs(true);
  outputs.insert(outputs.begin() + 3,
                 {{contract::url, "Where the preview is; empty without a hostname"},
                  {contract::hostname, "Its hostname"},
                  {contract::stack, "Its stack"},
                  {contract::preview, "Its slug"},
                  {contract::expires, "When it may be reaped: 2026-01-31T12:00:00Z"}});
  return {
      .name = "preview up",
      .summary =
          "Deploys a branch as a stack of its own, and says until when it lives; another "
          "branch's stack is never touched",
      .options = joined({preview_options(), deploy_options()}),
      .outputs = std::move(outputs),
      .examples = {{"A branch's preview at shop-feature-x-1a2b3c4d.preview.example.com",
                    "swarm-deploy preview up --customer acme --project shop --branch feature/x "
                    "--domain preview.example.com --files stack.yml --route-port 8080"}},
  };
}

Option removal_timeout_option() {
  return {.name = "timeout",
          .type = OptionType::duration,
          .default_value = "5m",
          .help = "How long the removal of each preview may take",
          .group = "Waiting"};
}

std::vector<Output> reap_outputs() {
  return {{contract::removed, "How many previews are gone for good, their volumes included"},
          {contract::duration_ms, "How long it took"},
          {contract::report, "Path of a JSON file with all that was found"}};
}

CommandSpec preview_down_command() {
  std::vector<Option> options = reap_options("Preview");
  std::erase_if(options, [](const Option& option) {
    return option.name != "lock-wait" && option.name != "dry-run";
  });
  return {
      .name = "preview down",
      .summary =
          "Removes the previews of a branch: services, networks, secrets, configs, the "
          "volumes of the nodes that are reached, and the history of their releases",
      .options = joined({{{.name = "stack",
                           .help = "Only this one; by default all previews of the branch",
                           .placeholder = "NAME",
                           .group = "Preview"},
                          preview_branch_option("Preview")},
                         std::move(options),
                         {removal_timeout_option()},
                         engine_options()}),
      .outputs = reap_outputs(),
      .examples = {{"Of a branch that was closed", "swarm-deploy preview down --branch feature/x"}},
  };
}

CommandSpec preview_reap_command() {
  return {
      .name = "preview reap",
      .summary =
          "Removes previews of closed branches, expired ones, and those beyond a cap; what "
          "is no preview is never touched",
      .options = joined({reap_options("Preview"), {removal_timeout_option()}, engine_options()}),
      .outputs = reap_outputs(),
      .examples = {{"Each night", "swarm-deploy preview reap --expired --cap 10"}},
  };
}

CommandSpec preview_list_command() {
  return {.name = "preview list",
          .summary = "Lists the previews of a swarm, and whose they are",
          .options = engine_options(),
          .outputs = {{contract::report, "Path of a JSON file with all that was found"}},
          .examples = {{"On this manager", "swarm-deploy preview list"}}};
}

}  // namespace

ToolSpec tool_spec() {
  return {
      .name = "swarm-deploy",
      .summary =
          "Deploys compose files to a Docker Swarm over the Engine's API, without the docker "
          "command: with a plan, one wait for all services, and rollback of the whole stack",
      .commands =
          {
              config_command(),
              plan_command(),
              deploy_command(),
              rollback_command(),
              status_command(),
              wait_command(),
              stack_command("list", "Lists the releases of a stack that the swarm keeps", {},
                            {{contract::report, "Path of a JSON file with all that was found"}}),
              stack_command("hold", "Refuses deploys of a stack until unhold", {reason_option()}),
              stack_command("unhold", "Ends a hold"),
              stack_command("unlock", "Ends the lock of a deploy that is gone"),
              rm_command(),
              node_command(),
              preview_up_command(),
              preview_down_command(),
              preview_reap_command(),
              preview_list_command(),
          },
      .examples = {{"What would change?", "swarm-deploy plan --stack shop --files stack.yml"}},
  };
}

}  // namespace pca::swarm_deploy
