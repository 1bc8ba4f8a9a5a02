#include "contract/action_documents.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "base/json.hpp"
#include "base/text.hpp"
#include "cli/connection_inputs.hpp"
#include "commit-status/options.hpp"
#include "deploy-policy/options.hpp"
#include "proxmox-deploy/options.hpp"
#include "swarm-deploy/options.hpp"
#include "tunnel-ssh/options.hpp"

namespace pca::test {

namespace {

// JSON's strings are YAML's double-quoted ones.
std::string quoted(const std::string& text) { return Json(text).dump(); }

std::string variable_of_input(const std::string& name, const std::string& prefix = "INPUT_") {
  std::string variable = prefix + to_upper(name);
  std::replace(variable.begin(), variable.end(), '-', '_');
  return variable;
}

// No `default:` in action.yml: an input that is not given is empty, and the tool has the default.
std::string described(const Option& option) {
  std::string text = option.help;
  if (option.type == OptionType::choice) {
    text += fmt::format(" ({})", join(option.choices, " | "));
  }
  if (!option.default_value.empty()) {
    text += fmt::format(" (default: {})", join(split_list(option.default_value), ", "));
  }
  return text;
}

bool is_fixed(const Action& action, const std::string& input) {
  return std::any_of(action.fixed_inputs.begin(), action.fixed_inputs.end(),
                     [&](const std::string& fixed) { return fixed.starts_with(input + ": "); });
}

bool is_of_recipe(const Action& action, const Option& option) {
  return std::any_of(action.recipe_inputs.begin(), action.recipe_inputs.end(),
                     [&](const Option& own) { return own.name == option.name; });
}

std::string inputs_of(const CommandSpec& command) {
  std::string out = "inputs:\n";
  for (const Option& option : command.options) {
    out += fmt::format("  {}:\n    description: {}\n", option.name, quoted(described(option)));
    if (option.required) out += "    required: true\n";
  }
  return out;
}

std::string described(const Output& output) {
  if (output.values.empty()) return output.help;
  std::vector<std::string> names;
  for (const OutputValue& value : output.values) names.push_back(value.name);
  return fmt::format("{} ({})", output.help, join(names, " | "));
}

// Of the step in front of the tool's own.
std::vector<Option> setup_inputs() {
  return {{.name = "binaries",
           .help = "Folder that already holds the executables; nothing is downloaded then"},
          {.name = "download-base",
           .help = "Root of the release downloads, for mirrors and closed networks"}};
}

// Of the step that runs the tool: the command's name, as far as an id may hold it.
std::string step_id(const CommandSpec& command) {
  std::string id = command.name;
  std::replace(id.begin(), id.end(), ' ', '-');
  return id;
}

std::string outputs_of(const CommandSpec& command) {
  if (command.outputs.empty()) return {};
  std::string out = "outputs:\n";
  for (const Output& output : command.outputs) {
    out += fmt::format("  {}:\n    description: {}\n    value: ${{{{ steps.{}.outputs.{} }}}}\n",
                       output.name, quoted(described(output)), step_id(command), output.name);
  }
  return out;
}

std::string steps_of(const Action& action, const CommandSpec& command) {
  std::string out =
      "runs:\n  using: composite\n  steps:\n"
      "    - id: setup\n      shell: sh\n      env:\n"
      "        INPUT_BINARIES: ${{ inputs.binaries }}\n"
      "        INPUT_DOWNLOAD_BASE: ${{ inputs.download-base }}\n"
      "        ACTION_REPOSITORY: ${{ github.action_repository }}\n"
      "      run: exec \"$GITHUB_ACTION_PATH/../setup.sh\" " +
      action.tool + "\n";
  out += fmt::format(
      "    # exec: the runner signals only the step's own process, so that has to be the tool.\n"
      "    - id: {}\n      shell: sh\n      env:\n"
      "        PCA_BIN: ${{{{ steps.setup.outputs.path }}}}\n",
      step_id(command));
  for (const Option& option : command.options) {
    if (is_fixed(action, option.name)) continue;
    // The tool refuses an INPUT_ that it does not know.
    const std::string variable =
        variable_of_input(option.name, is_of_recipe(action, option) ? "RECIPE_" : "INPUT_");
    // A step's environment has no GITHUB_TOKEN by itself.
    const bool is_token = option.type == OptionType::secret && option.name == "token";
    out += fmt::format("        {}: ${{{{ inputs.{}{} }}}}\n", variable, option.name,
                       is_token ? " || github.token" : "");
  }
  for (const std::string& fixed : action.fixed_inputs) {
    const std::size_t colon = fixed.find(": ");
    out += fmt::format("        {}: {}\n", variable_of_input(fixed.substr(0, colon)),
                       quoted(fixed.substr(colon + 2)));
  }
  out += action.recipe_inputs.empty()
             ? fmt::format("      run: exec \"$PCA_BIN/{}\" {}\n", action.tool, command.name)
             : "      run: exec \"$GITHUB_ACTION_PATH/run.sh\"\n";
  return out;
}

bool is_limit(const Option& option) { return option.name == "become" || option.name == "timeout"; }

// One host has no list of the failed ones.
bool is_of_several_hosts(const Output& output) {
  return output.name == "failed-hosts" || output.name == "results";
}

std::vector<Option> ceph_apply_inputs() {
  return {
      {.name = "spec",
       .help = "File of this machine with the service specifications, as ceph orch ls --export "
               "prints them",
       .required = true},
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only show what would become of it"},
      {.name = "allow-warnings",
       .type = OptionType::list,
       .help = "Codes of health warnings to go on with, such as OSDMAP_FLAGS, one a line; without "
               "them only HEALTH_OK will do"},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "10m",
       .help = "How long it may take until the services run as specified and the cluster is "
               "healthy; so long is a preview waited for, too"},
  };
}

std::vector<Option> gpu_node_inputs() {
  return {
      {.name = "gpus",
       .type = OptionType::integer,
       .help = "How many GPUs the node has",
       .required = true},
      {.name = "drain",
       .type = OptionType::verbatim,
       .help = "Shell commands that take the node out of service and wait until it is idle"},
      {.name = "deploy",
       .type = OptionType::verbatim,
       .help = "Shell commands that deploy",
       .required = true},
      {.name = "undrain",
       .type = OptionType::verbatim,
       .help = "Shell commands that give the node work again; required where drain is given"},
      {.name = "probe",
       .type = OptionType::verbatim,
       .help = "Shell commands that must end with 0, too, before the node is undrained"},
      {.name = "on-failure",
       .type = OptionType::choice,
       .default_value = "stay-drained",
       .help = "What becomes of the node when deploy fails or it is not well afterwards",
       .choices = {"stay-drained", "undrain"}},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "2m",
       .help = "How long it may take after deploy until the node was well twice in a row"},
  };
}

std::vector<Option> truenas_apply_inputs() {
  return {
      {.name = "app", .help = "The app to change, by its id", .required = true},
      {.name = "change",
       .type = OptionType::choice,
       .default_value = "update",
       .help = "Another configuration (app.update), or a newer version (app.upgrade)",
       .choices = {"update", "upgrade"}},
      {.name = "payload",
       .help = "File of this machine with the JSON object that the method takes; an update needs "
               "one"},
      {.name = "dataset", .help = "Dataset that gets a snapshot first: tank/apps/web"},
      {.name = "restore-data",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Take back the dataset, too, when the change is: what was written since the "
               "snapshot is lost"},
      {.name = "health-command",
       .type = OptionType::verbatim,
       .help = "Shell commands that must end with 0, too, on the host and within 60 s"},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "5m",
       .help = "How long the job may take, and then the app until it was well twice in a row"},
  };
}

std::vector<Option> server_inputs() {
  return {
      {.name = "url",
       .help = "The server of the API, as its certificate names it: https://gateway.example.com",
       .required = true},
      {.name = "address", .help = "Where the host finds it, if not by that name: 192.168.1.1"},
      {.name = "server-certificate",
       .help = "PEM certificates that vouch for it, such as its own; default: those of the host"},
  };
}

std::vector<Option> with_server(std::vector<Option> options) {
  std::vector<Option> all = server_inputs();
  for (Option& option : options) all.push_back(std::move(option));
  return all;
}

std::vector<Option> opnsense_apply_inputs() {
  return with_server({
      {.name = "api-key",
       .type = OptionType::secret,
       .help = "Key of an OPNsense user",
       .required = true},
      {.name = "api-secret",
       .type = OptionType::secret,
       .help = "The key's secret",
       .required = true},
      {.name = "rules",
       .help = "File of this machine with a JSON array of rules, each known by its description",
       .required = true},
      {.name = "health-command",
       .type = OptionType::verbatim,
       .help = "Shell commands that must end with 0, too, on the host and over the new connection"},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "30s",
       .help = "How long it may take after apply until all was well twice in a row; at most 40s"},
      {.name = "revert-after",
       .type = OptionType::duration,
       .default_value = "2m",
       .help = "When the host puts the old rules back by itself, unless it was confirmed over a "
               "new connection; at least 90s"},
  });
}

std::vector<Option> unifi_apply_inputs() {
  return with_server({
      {.name = "api-key",
       .type = OptionType::secret,
       .help = "API key of the console",
       .required = true},
      {.name = "object",
       .help = "The object's path in the API, without /v1/: sites/ID/dns/policies/ID",
       .required = true},
      {.name = "payload",
       .help = "File of this machine with the JSON object that is to take its place",
       .required = true},
      {.name = "confirm-oob",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Must be true: there is another way to the console, should this one be cut off"},
      {.name = "health-command",
       .type = OptionType::verbatim,
       .help = "Shell commands that must end with 0, too, on the host and within 60 s"},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "2m",
       .help = "How long it may take until all was well twice in a row"},
  });
}

}  // namespace

std::vector<Action> all_actions() {
  return {
      {"tunnel-ssh", "tunnel-ssh", "exec", "tunnel-ssh",
       "Runs a script over SSH on one host or many, through Cloudflare Access or directly, with "
       "verified host keys and real exit codes"},
      {"tunnel-ssh", "tunnel-sync", "sync", "tunnel-sync",
       "Makes a folder of a host like one of the job's over SSH and sends only what differs, "
       "through Cloudflare Access or directly"},
      {"tunnel-ssh", "host-release", "release deploy", "host-release",
       "Makes a folder the current release on all hosts over SSH, or on none: health-checked and "
       "taken back where it is not healthy"},
      {"tunnel-ssh", "host-rollback", "release rollback", "host-rollback",
       "Makes an earlier release the current one again on all hosts over SSH"},
      {"tunnel-ssh", "host-preview-reap", "preview reap", "host-preview-reap",
       "Removes previews of branches from hosts over SSH: of closed branches, expired ones, and "
       "those beyond a cap"},
      {"tunnel-ssh", "guarded-apply", "guard apply", "guarded-apply",
       "Changes a firewall, a network or storage over SSH so that the host takes it back by itself "
       "unless a new connection proves that all is well"},
      {"tunnel-ssh",
       "tunnel-forward",
       "forward",
       "tunnel-forward",
       "Forwards ports and unix sockets through a host for the rest of the job, through Cloudflare "
       "Access or directly",
       {"background: true"}},
      {"tunnel-ssh", "tunnel-session", "session open", "tunnel-session",
       "Keeps SSH connections open for the rest of the job, so that its other steps need not log "
       "in again"},
      {"tunnel-ssh", "tunnel-session-close", "session close", "tunnel-session-close",
       "Closes the SSH connections that tunnel-session keeps open"},
      {"tunnel-ssh",
       "ceph-apply",
       "exec",
       "ceph-apply",
       "Applies service specifications to a Ceph cluster over SSH: only to a healthy one, with the "
       "preview shown first, and waits until it is healthy again",
       {},
       ceph_apply_inputs()},
      {"tunnel-ssh",
       "gpu-node",
       "exec",
       "gpu-node",
       "Deploys to a node with NVIDIA GPUs over SSH: drains it, deploys, counts the GPUs, looks "
       "for new errors of the driver, and undrains it",
       {},
       gpu_node_inputs()},
      {"tunnel-ssh",
       "truenas-apply",
       "exec",
       "truenas-apply",
       "Updates or upgrades an app of a TrueNAS host over SSH, waits until it is well, and takes "
       "the change back otherwise",
       {},
       truenas_apply_inputs()},
      {"tunnel-ssh",
       "opnsense-apply",
       "guard apply",
       "opnsense-apply",
       "Changes filter rules of an OPNsense firewall from a host beside it, which puts the old "
       "ones "
       "back unless a new connection proves that all is well",
       {},
       opnsense_apply_inputs()},
      {"tunnel-ssh",
       "unifi-apply",
       "exec",
       "unifi-apply",
       "Changes an object of a UniFi console by its official API from a host beside it, and puts "
       "the old one back when it is not well",
       {},
       unifi_apply_inputs()},
      {"deploy-policy", "deploy-policy", "classify", "deploy-policy",
       "Says where an event is deployed (production, staging, a preview, its clean-up or nowhere) "
       "and what things are called there"},
      {"deploy-policy", "deploy-policy-lint", "lint", "deploy-policy-lint",
       "Finds what in a repository contradicts the deploy policy: workflows that deploy to "
       "Cloudflare, names, branch filters, previews that stay, permissions, secrets"},
      {"commit-status", "commit-status", "status", "commit-status",
       "Sets statuses of a commit: of a pull request its head's, unchanged ones not again, with "
       "retries and rate limits as GitHub asks for"},
      {"commit-status", "commit-status-wait", "wait", "commit-status-wait",
       "Waits until the statuses and checks of a commit are all good, and reads the preview of "
       "Cloudflare's build"},
      {"commit-status", "commit-status-run", "run", "commit-status-run",
       "Runs a command or a script between two statuses of the commit: pending, then how it ended, "
       "also when it is cancelled"},
      {"commit-status", "check-run", "check", "check-run",
       "Makes a check run of a commit, or changes it: Markdown and annotations, cut and paged as "
       "GitHub wants them"},
      {"commit-status", "deployment-start", "deployment start", "deployment-start",
       "Makes a deployment of a commit at GitHub, with its first status; a job that runs again "
       "makes no second one"},
      {"commit-status", "deployment-finish", "deployment finish", "deployment-finish",
       "Says at GitHub how a deployment ended and where it can be seen, that a preview is gone, or "
       "what was rolled back"},
      {"commit-status", "commit-summary", "summary", "commit-summary",
       "Shows in the job's summary how a commit stands: statuses, checks and deployments"},
      {"commit-status", "compass-event", "compass", "compass-event",
       "Tells Atlassian Compass of a deploy or a build, from its start to how it ended; no deploy "
       "fails by it"},
      {"swarm-deploy", "swarm-deploy", "deploy", "swarm-deploy",
       "Deploys compose files to a Docker Swarm: unchanged services are not touched, all are "
       "waited for together, and a failure takes the whole stack back"},
      {"swarm-deploy", "swarm-plan", "plan", "swarm-plan",
       "Shows what a deploy of compose files to a Docker Swarm would change, and writes nothing"},
      {"swarm-deploy", "swarm-rollback", "rollback", "swarm-rollback",
       "Makes an earlier release of a stack of a Docker Swarm the current one again, from what the "
       "swarm itself keeps"},
      {"swarm-deploy", "swarm-status", "status", "swarm-status",
       "Shows how a stack of a Docker Swarm is, and fails when not all of it is well"},
      {"swarm-deploy", "swarm-wait", "wait", "swarm-wait",
       "Waits until all services of a stack of a Docker Swarm are well"},
      {"swarm-deploy", "swarm-rm", "rm", "swarm-rm",
       "Removes a stack from a Docker Swarm, and waits until it is really gone"},
      {"swarm-deploy", "swarm-node", "node", "swarm-node",
       "Drains nodes of a Docker Swarm and waits until their tasks run elsewhere, makes them "
       "active "
       "again, and changes their labels"},
      {"swarm-deploy", "swarm-preview", "preview up", "swarm-preview",
       "Deploys a branch to a Docker Swarm as a stack of its own with a hostname of its own, "
       "beside "
       "production and all other branches"},
      {"swarm-deploy", "swarm-preview-down", "preview down", "swarm-preview-down",
       "Removes the previews of a branch from a Docker Swarm: services, networks, secrets, configs "
       "and volumes"},
      {"swarm-deploy", "swarm-preview-reap", "preview reap", "swarm-preview-reap",
       "Removes previews of branches from a Docker Swarm: of closed branches, expired ones, and "
       "those beyond a cap"},
      {"proxmox-deploy", "proxmox-deploy", "deploy", "proxmox-deploy",
       "Makes a new guest of a template on Proxmox VE for each release, and switches to it once it "
       "is healthy; a failure leaves the old one serving"},
      {"proxmox-deploy", "proxmox-deploy-lxc", "lxc deploy", "proxmox-deploy-lxc",
       "Makes a new container on Proxmox VE for each release, which takes over the data of the one "
       "before; a failure gives them back"},
      {"proxmox-deploy", "proxmox-deploy-preview", "preview up", "proxmox-deploy-preview",
       "Deploys a branch to guests of its own on Proxmox VE, beside production and all other "
       "branches"},
      {"proxmox-deploy", "proxmox-deploy-rollback", "rollback", "proxmox-deploy-rollback",
       "Makes the guest that a deploy to Proxmox VE replaced the active one again"},
      {"proxmox-deploy", "proxmox-deploy-gc", "gc", "proxmox-deploy-gc",
       "Removes guests of previews from Proxmox VE that were not deployed for a while"},
      {"proxmox-deploy", "proxmox-deploy-destroy", "destroy", "proxmox-deploy-destroy",
       "Removes all guests of an application from Proxmox VE"},
      {"proxmox-deploy", "proxmox-deploy-update", "update", "proxmox-deploy-update",
       "Changes a guest on Proxmox VE in place, with a snapshot that comes back when it is not "
       "healthy"},
      {"proxmox-deploy", "proxmox-deploy-run", "run", "proxmox-deploy-run",
       "Runs a script in a guest on Proxmox VE by its agent"},
      {"proxmox-deploy", "proxmox-deploy-push", "push", "proxmox-deploy-push",
       "Writes files in a guest on Proxmox VE by its agent"},
      {"proxmox-deploy", "proxmox-deploy-image-upload", "image upload",
       "proxmox-deploy-image-upload",
       "Sends an image to a storage of Proxmox VE, in constant memory and checked there"},
      {"proxmox-deploy", "proxmox-deploy-image-prune", "image prune", "proxmox-deploy-image-prune",
       "Removes old images from a storage of Proxmox VE, but none that a guest uses"},
  };
}

CommandSpec command_of_action(const Action& action) {
  const ToolSpec tool = spec_of_tool(action.tool);
  const CommandSpec* found = find_command(tool, action.command);
  if (found == nullptr) throw std::runtime_error("no command " + action.command);
  CommandSpec command = *found;
  if (action.recipe_inputs.empty()) return command;
  std::vector<Option> limits = command.options;
  std::erase_if(limits, [](const Option& option) { return !is_limit(option); });
  command.options = connection_options(Hosts::one);
  for (const auto& part : {action.recipe_inputs, limits}) {
    command.options.insert(command.options.end(), part.begin(), part.end());
  }
  std::erase_if(command.outputs, is_of_several_hosts);
  return command;
}

CommandSpec inputs_of_action(const Action& action, const CommandSpec& command) {
  CommandSpec inputs = command;
  std::erase_if(inputs.options,
                [&](const Option& option) { return is_fixed(action, option.name); });
  for (Option& option : setup_inputs()) inputs.options.push_back(std::move(option));
  return inputs;
}

ToolSpec spec_of_tool(const std::string& name) {
  if (name == "deploy-policy") return deploy_policy::tool_spec();
  if (name == "swarm-deploy") return swarm_deploy::tool_spec();
  if (name == "proxmox-deploy") return proxmox_deploy::tool_spec();
  return name == "commit-status" ? commit_status::tool_spec() : tunnel_ssh::tool_spec();
}

std::string action_yml(const Action& action, const CommandSpec& command) {
  return fmt::format(
             "# Made from the option table of {}; CONTRIBUTING.md says how to make it anew.\n"
             "name: {}\ndescription: {}\nauthor: Private Cloud Actions\n",
             action.tool, action.name, quoted(action.description)) +
         inputs_of(inputs_of_action(action, command)) + outputs_of(command) +
         steps_of(action, command);
}

std::string with_block(const std::string& text, const std::string& name,
                       const std::string& content) {
  const std::string begin = fmt::format("<!-- {} -->\n", name);
  const std::string end = fmt::format("<!-- /{} -->", name);
  const std::size_t from = text.find(begin);
  const std::size_t to = text.find(end);
  if (from == std::string::npos || to == std::string::npos || to < from) return text;
  return text.substr(0, from + begin.size()) + content + text.substr(to);
}

}  // namespace pca::test
