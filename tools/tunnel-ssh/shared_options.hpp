#pragma once

#include <string>
#include <vector>

#include "cli/connection_inputs.hpp"
#include "cli/options.hpp"

namespace pca::tunnel_ssh {

// Rows of the option table that several commands have. `group` is their heading in --help.

[[nodiscard]] std::vector<Option> with_connection(Hosts hosts, std::vector<Option> own);
[[nodiscard]] Option become_option(const std::string& group);
[[nodiscard]] Option timeout_option(const std::string& group);  // of a whole command, 30m
[[nodiscard]] Option dry_run_option(const std::string& group);
[[nodiscard]] Option include_option(const std::string& group);
// `more` is what else it means to a command: "; on the host they are not touched either".
[[nodiscard]] Option exclude_option(const std::string& group, const std::string& more = {});
// When what was put on a host counts as healthy; read by read_health().
[[nodiscard]] std::vector<Option> health_options();

}  // namespace pca::tunnel_ssh
