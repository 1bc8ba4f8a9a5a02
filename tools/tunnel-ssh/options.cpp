#include "tunnel-ssh/options.hpp"

#include <utility>

#include "cli/connection_inputs.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/results.hpp"

namespace pca::tunnel_ssh {

namespace {

std::vector<Option> with_connection(Hosts hosts, std::vector<Option> own) {
  std::vector<Option> options = connection_options(hosts);
  for (Option& option : own) options.push_back(std::move(option));
  return options;
}

Option become_option(const std::string& group) {
  return {.name = "become",
          .help = "Run as this user by sudo, which must not ask for a password; true is root",
          .placeholder = "USER",
          .group = group};
}

std::vector<Option> script_options() {
  const std::string group = "Script";
  return {
      {.name = "script",
       .type = OptionType::verbatim,
       .help = "What to run: a shell script, sent on stdin, never in a command line; at most "
               "128 KiB, which is all that Linux lets a variable hold",
       .placeholder = "TEXT",
       .group = group},
      {.name = "script-file",
       .help = "The same from a file of this machine, of up to 64 MiB; - is stdin",
       .placeholder = "PATH|-",
       .group = group,
       .takes_stdin = true},
      {.name = "command",
       .type = OptionType::verbatim,
       .help = "One command line instead of a script; on the command line also behind --",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "shell",
       .type = OptionType::choice,
       .default_value = "auto",
       .help = "The shell that runs it: auto is bash where the host has it, else sh; login is bash "
               "with the user's login files (for PATH, nvm and the like)",
       .choices = {"auto", "bash", "sh", "login"},
       .group = group},
      {.name = "errexit",
       .type = OptionType::boolean,
       .default_value = "true",
       .help = "Stop at the first command that fails, also within a pipe (set -e -o pipefail)",
       .group = group},
      {.name = "env",
       .type = OptionType::list,
       .help =
           "Variables for the script, NAME=value, one a line; secrets belong in pass-env, which "
           "keeps them out of the log and of command lines",
       .placeholder = "NAME=VALUE",
       .group = group},
      {.name = "pass-env",
       .type = OptionType::list,
       .help = "Names of variables of this step to hand on to the script, one a line; their values "
               "are treated as secrets (but GITHUB_*, RUNNER_* and CI)",
       .placeholder = "NAME",
       .group = group},
      {.name = "cwd",
       .help = "The folder to run in, on the host; ~/ is the user's home",
       .placeholder = "FOLDER",
       .group = group},
      {.name = "umask", .help = "The script's umask, octal", .placeholder = "MASK", .group = group},
      become_option(group),
  };
}

std::vector<Option> limit_options() {
  const std::string group = "Time limits";
  return {
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "30m",
       .help = "How long the command may take; then its process group gets TERM, and KILL after "
               "4 s. 0s is no limit",
       .group = group},
      {.name = "linger",
       .type = OptionType::duration,
       .default_value = "2s",
       .help = "How long to wait for background processes that hold the output open when the "
               "command has ended",
       .group = group},
  };
}

std::vector<Option> rollout_options() {
  const std::string group = "Several hosts";
  return {
      {.name = "parallel",
       .type = OptionType::integer,
       .default_value = "16",
       .help = "How many hosts to work on at once",
       .least = 1,
       .most = 256,
       .group = group},
      {.name = "batch",
       .help = "Hosts go in batches of this size, a number or a share (25%); when one of a batch "
               "fails no further batch starts. Without it all are one batch",
       .placeholder = "NUMBER|PERCENT",
       .group = group},
      {.name = "canary",
       .type = OptionType::integer,
       .default_value = "0",
       .help = "So many hosts go first, as a batch of their own",
       .least = 0,
       .most = 10000,
       .group = group},
  };
}

std::vector<Option> output_options() {
  const std::string group = "Output";
  return {
      {.name = "output",
       .type = OptionType::choice,
       .default_value = "interleaved",
       .help = "With several hosts: interleaved shows lines as they come, each with its host in "
               "front; grouped shows each host's output as one block when it has ended",
       .choices = {"interleaved", "grouped"},
       .group = group},
      {.name = "capture",
       .type = OptionType::choice,
       .default_value = "both",
       .help = "What to hand on as the outputs stdout and stderr",
       .choices = {"both", "stdout", "stderr", "none"},
       .group = group},
      {.name = "capture-limit",
       .type = OptionType::size,
       .default_value = "64KiB",
       .help = "At most so much of each is handed on, marked when it was more; 512KiB at most",
       .group = group},
      {.name = "pass-exit-code",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "End with the command's own exit code; one host only",
       .group = group},
  };
}

std::vector<Option> exec_options() {
  std::vector<Option> options;
  for (auto* part : {script_options, limit_options, rollout_options, output_options}) {
    for (Option& option : part()) options.push_back(std::move(option));
  }
  return with_connection(Hosts::many, std::move(options));
}

std::vector<OutputValue> outcome_values() {
  std::vector<OutputValue> values;
  for (const OutcomeRow& row : outcome_table()) {
    values.push_back({std::string(row.name), std::string(row.meaning)});
  }
  return values;
}

CommandSpec exec_command() {
  return {
      .name = "exec",
      .summary = "Runs a script on one host or many",
      .options = exec_options(),
      .positionals = {"host"},
      .words = "command",
      .outputs =
          {
              {contract::outcome,
               "What became of it, from the best to the gravest; of several hosts the gravest "
               "counts",
               outcome_values()},
              {contract::exit_code,
               "The command's exit code: 124 when it timed out, 128 + n when signal n ended it; "
               "of several hosts the first that failed; empty when no host told any"},
              {contract::exit_signal,
               "The signal that ended it, such as TERM, or SIG@openssh.com for one that the host "
               "does not name (exit-code is 128 then); one host only"},
              {contract::stdout_text,
               "What it printed, up to capture-limit; of several hosts each line behind \"host: "
               "\""},
              {contract::stderr_text, "The same of its errors"},
              {contract::results,
               "JSON, an entry a host: host, outcome (as above), exit-code, exit-signal, error, "
               "hint, shell, "
               "ms, phases-ms, stdout-bytes, stderr-bytes"},
              {contract::failed_hosts, "The hosts that failed, one a line"},
              {contract::duration_ms, "How long all of it took"},
              {contract::report, "Path of a JSON file with everything the summary shows"},
          },
      .examples =
          {
              {"One command on one host, its key already known",
               "tunnel-ssh exec deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
               "~/.ssh/known_hosts -- systemctl restart app"},
              {"A script on three hosts behind Cloudflare Access, one first, with a variable",
               "tunnel-ssh exec web1.example.com web2.example.com web3.example.com --via access "
               "--user deploy --key-file ~/.ssh/id_ed25519 --known-hosts-file ~/.ssh/known_hosts "
               "--script-file deploy.sh --canary 1 --env RELEASE=v42"},
          },
  };
}

std::vector<Option> sync_options() {
  const std::string group = "Files";
  std::vector<Option> options{
      {.name = "upload",
       .type = OptionType::list,
       .help = "What goes where: SOURCE -> DESTINATION, one a line. A folder's content goes into "
               "the "
               "destination folder; a file becomes the destination, or goes into it when it ends "
               "with a slash. A destination begins with / or ~/",
       .placeholder = "SOURCE -> DESTINATION",
       .group = group},
      {.name = "download",
       .type = OptionType::list,
       .help = "The other way: SOURCE -> DESTINATION, one a line. The content of a folder of the "
               "host goes into a folder here, after the uploads. One host only; links that lead "
               "out of the folder are refused",
       .placeholder = "SOURCE -> DESTINATION",
       .group = group},
      {.name = "include",
       .type = OptionType::list,
       .help = "Only files that these patterns match, one a line, written as in a .gitignore file",
       .placeholder = "PATTERN",
       .group = group},
      {.name = "exclude",
       .type = OptionType::list,
       .help = "No files and folders that these patterns match, the same way; on the host they are "
               "not touched either",
       .placeholder = "PATTERN",
       .group = group},
      {.name = "delete",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "After the upload delete what else is in the destination folders",
       .group = group},
      {.name = "delete-limit",
       .default_value = "50%",
       .help = "Refuse to delete more than this share of the files there",
       .placeholder = "PERCENT",
       .group = group},
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only list what would be added (+), changed (~) and deleted (-)",
       .group = group},
      become_option(group),
      {.name = "timeout",
       .type = OptionType::duration,
       .default_value = "30m",
       .help = "How long all of it may take; 0s is no limit",
       .group = group},
  };
  for (Option& option : rollout_options()) options.push_back(std::move(option));
  return with_connection(Hosts::many, std::move(options));
}

CommandSpec sync_command() {
  return {
      .name = "sync",
      .summary =
          "Makes folders of hosts like folders of this machine, or the other way, and sends only "
          "what differs",
      .options = sync_options(),
      .positionals = {"host"},
      .outputs =
          {
              {contract::outcome, "deployed | unchanged | planned | failed | unknown"},
              {contract::changed,
               "How many files and folders were added, changed or deleted, of all hosts"},
              {contract::failed_hosts, "Hosts that failed, one a line"},
              {contract::duration_ms, "How long all of it took"},
              {contract::report, "Path of a JSON file with everything the summary shows"},
          },
      .examples =
          {
              {"A site's files, and nothing else in that folder",
               "tunnel-ssh sync deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
               "~/.ssh/known_hosts --upload 'dist/ -> /srv/site/public' --delete"},
              {"Three hosts, one of them first",
               "tunnel-ssh sync web1 web2 web3 --user deploy --key-file ~/.ssh/id_ed25519 "
               "--known-hosts-file ~/.ssh/known_hosts --upload 'dist/ -> /srv/site/public' "
               "--canary 1"},
          },
  };
}

const std::string release_group = "Release";

Option path_option() {
  return {.name = "path",
          .help = "The folder on the host that holds the releases of one application: /srv/app",
          .placeholder = "PATH",
          .required = true,
          .group = release_group};
}

Option release_timeout_option() {
  return {.name = "timeout",
          .type = OptionType::duration,
          .default_value = "30m",
          .help = "How long all of it may take; 0s is no limit",
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

std::vector<Option> provenance_options() {
  return {
      {.name = "commit",
       .help = "What is deployed, for names, history and holds; GITHUB_SHA by default",
       .placeholder = "SHA",
       .group = release_group},
      {.name = "commit-time",
       .help = "When it was committed, so that a hold lets only newer ones pass: "
               "2026-01-31T12:00:00Z",
       .placeholder = "TIME",
       .group = release_group},
  };
}

// When what was put on a host counts as healthy.
std::vector<Option> health_options() {
  const std::string group = "Health";
  return {
      {.name = "health-command",
       .type = OptionType::verbatim,
       .help = "Healthy when this shell command ends with 0 on the host; a release's runs in it",
       .placeholder = "COMMAND",
       .group = group},
      {.name = "health-port",
       .type = OptionType::integer,
       .default_value = "0",
       .help = "Healthy when this port takes connections on the host's loopback; 0 is not asked",
       .most = 65535,
       .group = group},
      {.name = "health-url",
       .help = "Healthy when this address, asked for from the host through the tunnel, answers "
               "with 2xx: http://127.0.0.1:8080/healthz",
       .placeholder = "URL",
       .group = group},
      {.name = "health-timeout",
       .type = OptionType::duration,
       .default_value = "30s",
       .help = "How long it may take until all checks were good twice in a row",
       .group = group},
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

CommandSpec release_command(std::string name, std::string summary,
                            std::vector<std::vector<Option>> groups, std::string example) {
  std::vector<Option> own{path_option()};
  for (std::vector<Option>& group : groups) {
    for (Option& option : group) own.push_back(std::move(option));
  }
  own.push_back(become_option(release_group));
  own.push_back(release_timeout_option());
  return {.name = "release " + name,
          .summary = std::move(summary),
          .options = with_connection(Hosts::many, std::move(own)),
          .positionals = {"host"},
          .outputs = {{contract::report, "Path of a JSON file with all that was found"}},
          .examples = {{"The same connection inputs as exec",
                        "tunnel-ssh release " + name +
                            " deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
                            "~/.ssh/known_hosts --path /srv/app" +
                            example}}};
}

std::vector<Output> release_outputs() {
  return {
      {contract::outcome, "deployed | unchanged | planned | rolled-back | held | failed | unknown"},
      {contract::release, "The release this was about"},
      {contract::previous, "The one that was current before, on the first host"},
      {contract::changed, "How many files and folders differ from it"},
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
      {.name = "include",
       .type = OptionType::list,
       .help = "Only files that these patterns match, one a line, written as in a .gitignore file",
       .placeholder = "PATTERN",
       .group = release_group},
      {.name = "exclude",
       .type = OptionType::list,
       .help = "No files and folders that these patterns match, the same way",
       .placeholder = "PATTERN",
       .group = release_group},
      {.name = "shared",
       .type = OptionType::list,
       .help = "Paths in the release that lead to the folder shared/, which all releases have in "
               "common: uploads, config/local.json",
       .placeholder = "PATH",
       .group = release_group},
      keep_option(),
      {.name = "dry-run",
       .type = OptionType::boolean,
       .default_value = "false",
       .help = "Only list what would be added (+), changed (~) and deleted (-)",
       .group = release_group},
  };
  CommandSpec command = release_command(
      "deploy",
      "Makes a folder the current release on all hosts, or on none: staged everywhere, switched "
      "by rename, checked, and taken back where it is not healthy",
      {std::move(source), provenance_options(), life_options(), health_options()},
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
      {std::move(target), provenance_options(), life_options(), health_options()},
      " --unit app.service");
  command.outputs = release_outputs();
  return command;
}

std::vector<CommandSpec> release_commands() {
  return {
      release_deploy_command(),
      release_rollback_command(),
      release_command("list", "Lists the releases of each host, and which is current", {}, ""),
      release_command("log", "Shows the history of each host", {}, ""),
      release_command("hold", "Refuses deploys until unhold",
                      {{reason_option()}, provenance_options()}, " --reason 'audit until Monday'"),
      release_command("unhold", "Ends a hold", {provenance_options()}, ""),
      release_command("unlock", "Ends the lock of a deploy that is gone", {provenance_options()},
                      ""),
      release_command("prune", "Deletes releases that need not be kept",
                      {{keep_option()}, provenance_options()}, " --keep 3"),
  };
}

const std::string guard_group = "Guard";

CommandSpec guard_command(const std::string& name, std::string summary, std::vector<Option> own,
                          const std::string& example) {
  own.push_back(become_option(guard_group));
  own.push_back({.name = "timeout",
                 .type = OptionType::duration,
                 .default_value = "30m",
                 .help = "How long all of it may take; 0s is no limit",
                 .group = guard_group});
  return {.name = "guard " + name,
          .summary = std::move(summary),
          .options = with_connection(Hosts::one, std::move(own)),
          .positionals = {"host"},
          .examples = {{"The same connection inputs as exec",
                        "tunnel-ssh guard " + name +
                            " root@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
                            "~/.ssh/known_hosts" +
                            example}}};
}

CommandSpec guard_apply_command() {
  std::vector<Option> own{
      {.name = "candidate",
       .help = "File of this machine that shall take the target's place",
       .placeholder = "PATH",
       .group = guard_group},
      {.name = "target",
       .help = "File of the host that is replaced; it is saved first: /etc/nftables.conf",
       .placeholder = "PATH",
       .group = guard_group},
      {.name = "validate",
       .type = OptionType::verbatim,
       .help = "Shell command that must end with 0 before anything is touched; finds the "
               "candidate's path in $CANDIDATE",
       .placeholder = "COMMAND",
       .group = guard_group},
      {.name = "apply",
       .type = OptionType::verbatim,
       .help = "Shell command that puts the change into effect; may end the connection it came by",
       .placeholder = "COMMAND",
       .required = true,
       .group = guard_group},
      {.name = "revert",
       .type = OptionType::verbatim,
       .help = "Shell command that takes it back, once the target is what it was",
       .placeholder = "COMMAND",
       .group = guard_group},
      {.name = "revert-after",
       .type = OptionType::duration,
       .default_value = "2m",
       .help =
           "When the host takes it back by itself, unless it was confirmed over a new connection",
       .group = guard_group},
  };
  for (Option& option : health_options()) own.push_back(std::move(option));
  CommandSpec command = guard_command(
      "apply",
      "Changes what the connection rests on (firewall, network, storage): the host takes it back "
      "by itself unless a new connection proves that all is well",
      std::move(own),
      " --candidate nftables.conf --target /etc/nftables.conf --validate 'nft -c -f $CANDIDATE' "
      "--apply 'nft -f /etc/nftables.conf' --revert 'nft -f /etc/nftables.conf'");
  command.outputs = {
      {contract::outcome, "deployed | rolled-back | failed | unknown"},
      {contract::reverts_at, "When the host takes it back, where nobody could confirm"},
      {contract::duration_ms, "How long all of it took"},
      {contract::report, "Path of a JSON file with everything the summary shows"},
  };
  return command;
}

std::vector<CommandSpec> guard_commands() {
  CommandSpec status = guard_command(
      "status", "Shows whether a change waits to be confirmed, and until when", {}, "");
  status.outputs = {{contract::reverts_at, "When it is taken back; empty when nothing is pending"}};
  return {guard_apply_command(), std::move(status),
          guard_command("confirm", "Keeps the pending change", {}, ""),
          guard_command("revert", "Takes the pending change back now", {}, "")};
}

CommandSpec stdio_command() {
  return {
      .name = "stdio",
      .summary =
          "Connects stdin and stdout to a host's SSH port: a ProxyCommand for ssh, rsync, "
          "git, ansible",
      .options = connection_options(Hosts::one),
      .positionals = {"host", "port"},
      .owns_stdout = true,
      .examples =
          {
              {"Your own ssh through Cloudflare Access",
               "ssh -o ProxyCommand='tunnel-ssh stdio %h %p --via access' deploy@web1.example.com"},
              {"rsync the same way",
               "rsync -e \"ssh -o ProxyCommand='tunnel-ssh stdio %h %p --via access'\" -a dist/ "
               "deploy@web1.example.com:/srv/app/"},
          },
  };
}

std::vector<Option> forward_options() {
  const std::string group = "Forwards";
  return with_connection(
      Hosts::one,
      {
          {.name = "local",
           .type = OptionType::list,
           .help =
               "Listen here, connect from the host: [BIND:]PORT:HOST:PORT; each side may be the "
               "path of a unix socket. Port 0 lets the system choose",
           .placeholder = "SPEC",
           .group = group,
           .short_flag = 'L'},
          {.name = "remote",
           .type = OptionType::list,
           .help =
               "Listen on the host, connect from here: [BIND:]PORT:HOST:PORT, or a unix socket's "
               "path on this side",
           .placeholder = "SPEC",
           .group = group,
           .short_flag = 'R'},
          {.name = "dynamic",
           .type = OptionType::list,
           .help = "Listen here as a SOCKS proxy (4a and 5) whose connections the host makes: "
                   "[BIND:]PORT",
           .placeholder = "SPEC",
           .group = group,
           .short_flag = 'D'},
          {.name = "background",
           .type = OptionType::boolean,
           .default_value = "false",
           .help =
               "Return as soon as everything listens, and go on in the background until the job "
               "ends",
           .group = group},
          {.name = "max-lifetime",
           .type = OptionType::duration,
           .default_value = "6h",
           .help = "End after this time whatever happens",
           .group = group},
          {.name = "log-file",
           .help = "Where the background process writes what it has to say; nowhere by default",
           .placeholder = "PATH",
           .group = group},
      });
}

CommandSpec forward_command() {
  return {
      .name = "forward",
      .summary =
          "Forwards TCP ports and unix sockets through a host, both ways, and as a SOCKS "
          "proxy",
      .options = forward_options(),
      .positionals = {"host"},
      .outputs =
          {
              {contract::port, "The port of the first forward that has one"},
              {contract::ports, "JSON, an entry a forward: spec, kind, listens, port"},
              {contract::pid, "The background process, to end it early by TERM"},
          },
      .examples =
          {
              {"A database behind the host, on a port of the system's choice",
               "tunnel-ssh forward deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
               "~/.ssh/known_hosts -L 0:db.internal:5432 --background"},
          },
  };
}

CommandSpec session_open_command() {
  const std::string group = "Session";
  return {
      .name = "session open",
      .summary =
          "Keeps connections to hosts open for the rest of the job; later calls with the same "
          "connection inputs use them by themselves",
      .options = with_connection(
          Hosts::many,
          {
              {.name = "max-lifetime",
               .type = OptionType::duration,
               .default_value = "6h",
               .help = "End after this time whatever happens",
               .group = group},
              {.name = "log-file",
               .help = "Where the background process writes what it has to say; nowhere by default",
               .placeholder = "PATH",
               .group = group},
          }),
      .positionals = {"host"},
      .outputs =
          {
              {contract::sessions,
               "JSON, an entry a host: host, state (opened | already-open), pid"},
              {contract::pid, "The background process that holds the first of them"},
          },
      .examples =
          {
              {"One login for all of a job's steps",
               "tunnel-ssh session open deploy@web1 --key-file ~/.ssh/id_ed25519 "
               "--known-hosts-file ~/.ssh/known_hosts"},
          },
  };
}

CommandSpec session_close_command() {
  return {
      .name = "session close",
      .summary = "Closes open sessions: all of this job, or those to the hosts named",
      .options = {{.name = "host",
                   .type = OptionType::list,
                   .help = "Only sessions to these hosts: [user@]name[:port]",
                   .placeholder = "HOST",
                   .group = "Session"}},
      .positionals = {"host"},
      .outputs = {{contract::sessions, "JSON, an entry for each that was closed: host, pid"}},
      .examples = {{"At the end of a job", "tunnel-ssh session close"}},
  };
}

CommandSpec session_status_command() {
  return {
      .name = "session status",
      .summary = "Lists the open sessions of this job",
      .outputs = {{contract::sessions,
                   "JSON, an entry each: host, state (connected | reconnecting | silent), pid, "
                   "channels, seconds"}},
      .examples = {{"What later calls can use", "tunnel-ssh session status --json"}},
  };
}

CommandSpec pin_command() {
  return {
      .name = "pin",
      .summary =
          "Prints the host's keys as known_hosts lines and fingerprints, to be compared by "
          "hand; does not log in",
      .options = connection_options(),
      .positionals = {"host"},
      .outputs =
          {
              {contract::known_hosts, "The lines for known-hosts"},
              {contract::fingerprints, "The fingerprints for host-key, one a line"},
          },
      .examples = {{"See a host's keys through the tunnel",
                    "tunnel-ssh pin web1.example.com --via access"}},
  };
}

CommandSpec check_command() {
  return {
      .name = "check",
      .summary = "Connects and logs in, names each phase with its time, and runs nothing",
      .options = connection_options(),
      .positionals = {"host"},
      .outputs = {{contract::outcome, "The gravest of all hosts, as exec names it"},
                  {contract::results, "JSON, an entry a host, as exec gives it"}},
      .examples =
          {{"Find out why a host cannot be reached",
            "tunnel-ssh check deploy@web1.example.com --via access --key-file ~/.ssh/id_ed25519 "
            "--known-hosts-file ~/.ssh/known_hosts"}},
  };
}

}  // namespace

ToolSpec tool_spec() {
  std::vector<CommandSpec> commands{exec_command(), sync_command()};
  for (CommandSpec& command : release_commands()) commands.push_back(std::move(command));
  for (CommandSpec& command : guard_commands()) commands.push_back(std::move(command));
  for (CommandSpec& command : std::vector<CommandSpec>{
           stdio_command(), forward_command(), session_open_command(), session_close_command(),
           session_status_command(), pin_command(), check_command()}) {
    commands.push_back(std::move(command));
  }
  return {
      .name = "tunnel-ssh",
      .summary =
          "SSH from a pipeline, directly or through Cloudflare Access, without ssh or "
          "cloudflared",
      .commands = std::move(commands),
      .examples = {{"What would connect, and how",
                    "tunnel-ssh check deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
                    "~/.ssh/known_hosts"},
                   {"Run something",
                    "tunnel-ssh exec deploy@web1 --key-file ~/.ssh/id_ed25519 --known-hosts-file "
                    "~/.ssh/known_hosts -- uptime"}},
  };
}

}  // namespace pca::tunnel_ssh
