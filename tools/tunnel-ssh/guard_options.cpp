#include "tunnel-ssh/guard_options.hpp"

#include <utility>

#include "tunnel-ssh/contract.hpp"
#include "tunnel-ssh/shared_options.hpp"

namespace pca::tunnel_ssh {

namespace {

const std::string guard_group = "Guard";

CommandSpec guard_command(const std::string& name, std::string summary, std::vector<Option> own,
                          const std::string& example) {
  own.push_back(become_option(guard_group));
  own.push_back(timeout_option(guard_group));
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
       .help = "File of this machine that shall take the target's place; without a target it is "
               "there for the commands, which find its path in $CANDIDATE",
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

}  // namespace

std::vector<CommandSpec> guard_commands() {
  CommandSpec status = guard_command(
      "status", "Shows whether a change waits to be confirmed, and until when", {}, "");
  status.outputs = {{contract::reverts_at, "When it is taken back; empty when nothing is pending"}};
  return {guard_apply_command(), std::move(status),
          guard_command("confirm", "Keeps the pending change", {}, ""),
          guard_command("revert", "Takes the pending change back now", {}, "")};
}

}  // namespace pca::tunnel_ssh
