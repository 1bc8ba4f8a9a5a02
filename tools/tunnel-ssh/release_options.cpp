#include "tunnel-ssh/release_options.hpp"

#include <array>
#include <utility>

#include "deploy/preview.hpp"
#include "deploy/provenance.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/release_hooks.hpp"
#include "tunnel-ssh/shared_options.hpp"

namespace pca::tunnel_ssh {

namespace {

const std::string release_group = "Release";
const std::string preview_group = "Preview";

Option path_option() {
  return {.name = "path",
          .help = "The folder on the host that holds the releases of one application: /srv/app",
          .placeholder = "PATH",
          .required = true,
          .group = release_group};
}

Option keep_option() {
  return {.name = "keep",
          .type = OptionType::integer,
          .default_value = "5",
          .help = "How many good releases stay; the current and the previous one always do",
          .least = 1,
          .most = 1000,
          .group = release_group};
}

Option reason_option() {
  return {.name = "reason",
          .help = "Why, for the history",
          .placeholder = "TEXT",
          .group = release_group};
}

// Which preview a command is about.
std::vector<Option> preview_options() {
  return {
      {.name = "preview",
       .help = "Work on the preview of a branch beside the releases of path, in previews/SLUG: its "
               "slug, or auto for the one of branch",
       .placeholder = "SLUG|auto",
       .group = preview_group},
      preview_branch_option(preview_group),
  };
}
// How a preview is made.
std::vector<Option> preview_plan_options() {
  return {
      {.name = "preview-ports",
       .default_value = "20000-20099",
       .help = "The ports that instances of previews may have; each finds its own in PORT and its "
               "release in ports/PORT of path. ports is for the others",
       .placeholder = "FIRST-LAST",
       .group = preview_group},
      preview_ttl_option(preview_group),
  };
}

// How a release comes to life.
std::vector<Option> life_options() {
  const std::string group = "Restart";
  return {
      {.name = "restart",
       .type = OptionType::verbatim,
       .help = "Shell command that makes the application use the new current release; runs in it",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "unit",
       .help = "Restart this systemd unit instead",
       .placeholder = "NAME",
       .group = group},
      {.name = "log-command",
       .type = OptionType::verbatim,
       .help = "Shell command that shows the application's last log lines when it is not healthy; "
               "with unit journalctl's by default",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "lock-wait",
       .type = OptionType::duration,
       .default_value = "15m",
       .help = "How long to wait for another deploy to the same folder",
       .group = group},
  };
}

// What runs besides; tables of release_hooks.hpp.
std::vector<Option> hook_options() {
  const std::string group = "Hooks";
  constexpr std::array<const char*, moment_names.size()> when{
      "before anything is made",
      "when all of the release is there and nobody sees it yet, in it; not on a rollback",
      "right after the switch and before the restart, in the new current release",
      "when all hosts are healthy",
      "after going back to the release before, in that one",
  };
  std::vector<Option> options;
  for (const char* where : {"", "runner-"}) {
    const bool is_on_host = *where == 0;
    for (std::size_t i = 0; i < when.size(); ++i) {
      options.push_back(
          {.name = std::string(where) + "hook-" + std::string(moment_names[i]),
           .type = OptionType::verbatim,
           .help = is_on_host ? "Shell command that each host runs " + std::string(when[i])
                              : "Shell command of this machine at the same moment, once for all "
                                "hosts together",
           .placeholder = "COMMAND",
           .group = group});
    }
  }
  options.push_back({.name = "hook-timeout",
                     .type = OptionType::duration,
                     .default_value = "5m",
                     .help = "How long each hook may take; those between the switch and the end "
                             "share health-timeout and 30s with restart and health",
                     .group = group});
  return options;
}

std::vector<Option> blue_green_options() {
  const std::string group = "Blue-green";
  return {
      {.name = "strategy",
       .type = OptionType::choice,
       .help =
           "restart replaces the running instance; blue-green starts a second one, switches the "
           "route when it is healthy and ends the first; default: by whether there are ports",
       .choices = {"restart", "blue-green"},
       .group = group},
      {.name = "ports",
       .help =
           "The two ports that instances take in turns: 8081,8082. An instance finds its own in "
           "PORT and its release in ports/PORT of path",
       .placeholder = "A,B",
       .group = group},
      {.name = "stop",
       .type = OptionType::verbatim,
       .help = "Shell command that ends the instance on $PORT; with unit systemctl's by default",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "drain",
       .type = OptionType::duration,
       .default_value = "10s",
       .help = "How long the old instance may still answer what it was asked before it is ended",
       .group = group},
      {.name = "route",
       .help = "File of the host's proxy that leads to the instance: /etc/nginx/conf.d/app.conf; a "
               "preview's has @slug@ in its name",
       .placeholder = "PATH",
       .group = group},
      {.name = "route-template",
       .type = OptionType::verbatim,
       .help = "Its text, with @port@, @release@, @path@ and a preview's @slug@ in place of what "
               "changes",
       .placeholder = "TEXT",
       .group = group},
      {.name = "route-reload",
       .type = OptionType::verbatim,
       .help = "Shell command that makes the proxy read it: systemctl reload nginx",
       .placeholder = "COMMAND",
       .group = group},
  };
}

// A command about a folder of releases.
CommandSpec folder_command(std::string name, std::string summary,
                           std::vector<std::vector<Option>> groups, std::string example) {
  std::vector<Option> own{path_option()};
  for (std::vector<Option>& group : groups) {
    for (Option& option : group) own.push_back(std::move(option));
  }
  own.push_back(become_option(release_group));
  own.push_back(timeout_option(release_group));
  return {.name = name,
          .summary = std::move(summary),
          .options = with_connection(Hosts::many, std::move(own)),
          .positionals = {"host"},
          .outputs = {{contract::report, "Path of a JSON file with all that was found"}},
          .examples = {{"The same connection inputs as exec",
                        "tunnel-ssh " + name +
                            " deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
                            "~/.ssh/known_hosts --path /srv/app" +
                            example}}};
}

CommandSpec release_command(const std::string& name, std::string summary,
                            std::vector<std::vector<Option>> groups, std::string example) {
  groups.push_back(preview_options());
  return folder_command("release " + name, std::move(summary), std::move(groups),
                        std::move(example));
}

std::vector<Output> release_outputs() {
  return {
      {contract::outcome, "deployed | unchanged | planned | rolled-back | held | failed | unknown"},
      {contract::release, "The release this was about"},
      {contract::previous, "The one that was current before, on the first host"},
      {contract::preview, "The slug of the preview that it is of"},
      {contract::port,
       "The port of its instance where ports or a preview give it one, on the first "
       "host"},
      {contract::changed, "How many files and folders of a deploy differ from it"},
      {contract::duration_ms, "How long all of it took"},
      {contract::report, "Path of a JSON file with everything the summary shows"},
  };
}

CommandSpec release_deploy_command() {
  std::vector<Option> source{
      {.name = "source",
       .help = "The folder of this machine that becomes the release",
       .placeholder = "PATH",
       .required = true,
       .group = release_group},
      include_option(release_group),
      exclude_option(release_group),
      {.name = "shared",
       .type = OptionType::list,
       .help = "Paths in the release that lead to the folder shared/, which all releases have in "
               "common: uploads, config/local.json",
       .placeholder = "PATH",
       .group = release_group},
      {.name = "secret-files",
       .type = OptionType::list,
       .help = "Environment variables whose values become files of the release that only its user "
               "can read, switched and rolled back with it: APP_ENV -> shared/.env",
       .placeholder = "NAME -> shared/PATH",
       .group = release_group},
      keep_option(),
      dry_run_option(release_group),
  };
  CommandSpec command = release_command(
      "deploy",
      "Makes a folder the current release on all hosts, or on none: staged everywhere, switched "
      "by rename, checked, and taken back where it is not healthy",
      {std::move(source), commit_options(release_group), life_options(), blue_green_options(),
       hook_options(), health_options(), preview_plan_options()},
      " --source dist --unit app.service --health-url http://127.0.0.1:8080/healthz");
  command.outputs = release_outputs();
  return command;
}

CommandSpec release_rollback_command() {
  std::vector<Option> target{
      {.name = "to",
       .help = "The release to go back to; the newest good one that is not current by default",
       .placeholder = "RELEASE",
       .group = release_group},
      {.name = "hold",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "auto refuses to deploy what was rolled back, and what is older, until a newer "
               "commit or unhold; none does not",
       .choices = {"auto", "none"},
       .group = release_group},
      reason_option(),
  };
  CommandSpec command = release_command(
      "rollback",
      "Makes an earlier release the current one again on all hosts, checked the same way",
      {std::move(target), life_options(), blue_green_options(), hook_options(), health_options(),
       preview_plan_options()},
      " --unit app.service");
  command.outputs = release_outputs();
  return command;
}

}  // namespace

std::vector<CommandSpec> release_commands() {
  return {
      release_deploy_command(),
      release_rollback_command(),
      release_command("list", "Lists the releases of each host, and which is current", {}, ""),
      release_command("log", "Shows the history of each host", {}, ""),
      release_command("hold", "Refuses deploys until unhold", {{reason_option()}},
                      " --reason 'audit until Monday'"),
      release_command("unhold", "Ends a hold", {}, ""),
      release_command("unlock", "Ends the lock of a deploy that is gone", {}, ""),
      release_command("prune", "Deletes releases that need not be kept", {{keep_option()}},
                      " --keep 3"),
      folder_command("preview list", "Lists the previews of each host, and whose they are", {}, ""),
      folder_command("preview reap",
                     "Removes previews: their routes first, then their instances and their files; "
                     "what is no preview is never touched",
                     {reap_options(preview_group)}, " --branch feature/x --expired"),
  };
}

}  // namespace pca::tunnel_ssh
