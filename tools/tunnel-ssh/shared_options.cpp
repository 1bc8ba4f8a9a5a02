#include "tunnel-ssh/shared_options.hpp"

#include <utility>

namespace pca::tunnel_ssh {

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

Option timeout_option(const std::string& group) {
  return {.name = "timeout",
          .type = OptionType::duration,
          .default_value = "30m",
          .help = "How long all of it may take; 0s is no limit",
          .group = group};
}

Option dry_run_option(const std::string& group) {
  return {.name = "dry-run",
          .type = OptionType::boolean,
          .default_value = "false",
          .help = "Only list what would be added (+), changed (~) and deleted (-)",
          .group = group};
}

Option include_option(const std::string& group) {
  return {
      .name = "include",
      .type = OptionType::list,
      .help = "Only files that these patterns match, one a line, written as in a .gitignore file",
      .placeholder = "PATTERN",
      .group = group};
}

Option exclude_option(const std::string& group, const std::string& more) {
  return {.name = "exclude",
          .type = OptionType::list,
          .help = "No files and folders that these patterns match, the same way" + more,
          .placeholder = "PATTERN",
          .group = group};
}

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

}  // namespace pca::tunnel_ssh
