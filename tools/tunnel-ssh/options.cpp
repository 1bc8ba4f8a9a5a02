#include "tunnel-ssh/options.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "cli/script_inputs.hpp"
#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/guard_options.hpp"
#include "tunnel-ssh/release_options.hpp"
#include "tunnel-ssh/results.hpp"
#include "tunnel-ssh/shared_options.hpp"

namespace pca::tunnel_ssh {

namespace {

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
               "front; grouped shows each host's output as one block when it has ended: its first "
               "16 MiB, and its last lines if there were more",
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
  std::vector<Option> options = script_options("Script");
  options.push_back(become_option("Script"));
  for (auto* part : {limit_options, rollout_options, output_options}) {
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
      include_option(group),
      exclude_option(group, "; on the host they are not touched either"),
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
      dry_run_option(group),
      become_option(group),
      timeout_option(group),
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

CommandSpec stdio_command() {
  return {
      .name = "stdio",
      .summary =
          "Connects stdin and stdout to a host's SSH port: a ProxyCommand for ssh, rsync, "
          "git, ansible",
      .options = connection_options(Hosts::one),
      .positionals = {"host", "port"},
      .stdout_use = StdoutUse::data,
      .examples =
          {
              {"Your own ssh through Cloudflare Access (its service token in "
               "INPUT_ACCESS_CLIENT_ID and INPUT_ACCESS_CLIENT_SECRET)",
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
               "Listen on the host, connect from here: [BIND:]PORT:HOST:PORT; each side may be the "
               "path of a unix socket",
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
      .examples = {{"See a host's keys through the tunnel (the service token of Access in "
                    "INPUT_ACCESS_CLIENT_ID and INPUT_ACCESS_CLIENT_SECRET)",
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
          {{"Find out why a host cannot be reached (the service token of Access in "
            "INPUT_ACCESS_CLIENT_ID and INPUT_ACCESS_CLIENT_SECRET)",
            "tunnel-ssh check deploy@web1.example.com --via access --key-file ~/.ssh/id_ed25519 "
            "--known-hosts-file ~/.ssh/known_hosts"}},
  };
}

// Commands that are called for what they print, and change nothing.
bool is_question(std::string_view name) {
  constexpr std::array<std::string_view, 7> questions{
      "release list",   "release log", "preview list", "guard status",
      "session status", "pin",         "check"};
  return std::find(questions.begin(), questions.end(), name) != questions.end();
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
  for (CommandSpec& command : commands) {
    if (is_question(command.name)) command.stdout_use = StdoutUse::result;
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
