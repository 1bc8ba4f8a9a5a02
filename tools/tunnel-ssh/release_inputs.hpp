#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deploy/provenance.hpp"
#include "tunnel-ssh/file_tree.hpp"
#include "tunnel-ssh/folder_hosts.hpp"
#include "tunnel-ssh/health.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_hooks.hpp"

namespace pca::tunnel_ssh {

// Two instances beside each other, of which a route leads to one.
struct BlueGreen {
  std::vector<std::string> ports;  // two; none = one instance that is restarted
  std::string stop;                // shell command that ends the instance on $PORT
  Milliseconds drain{};            // between the switch and the end of the old instance
  Route route;
};
// What stands for the port in health-url and route-template, and for the slug of a preview there
// and in route.
inline constexpr std::string_view port_mark = "@port@";
inline constexpr std::string_view slug_mark = "@slug@";

// What all release commands are told, checked. What a command has no input for keeps its default.
struct ReleaseInputs : FolderPlace {
  Milliseconds lock_wait{};
  Provenance provenance;
  std::string reason;

  std::string source;  // a folder of this machine
  TreeFilter filter;
  std::vector<std::string> shared;
  std::vector<SecretFile> secrets;
  bool dry_run = false;

  std::string restart;  // a shell command; empty = none
  Hooks hooks;
  BlueGreen blue_green;
  std::string log_command;  // shows the application's last log lines
  HealthCheck health;
  std::size_t keep = 5;  // good releases

  std::optional<PreviewPlan> preview;  // whose folder `path` then is

  std::string to;  // a release; empty = the newest good one
  bool sets_hold = true;
};

// Whether shared and secret files have their places to themselves; bad_input when not.
[[nodiscard]] Result<> check_places(const FileTree& tree, const ReleaseInputs& inputs);

// `text` with a value in place of its mark.
[[nodiscard]] std::string with_value(std::string text, std::string_view mark,
                                     std::string_view value);

// The inputs health-command, health-port, health-url and health-timeout.
[[nodiscard]] HealthCheck read_health(const Inputs& inputs, BadInputs& bad);
// The input path.
[[nodiscard]] std::string read_release_path(const Inputs& inputs, BadInputs& bad);
[[nodiscard]] ReleaseInputs read_release_inputs(ToolContext& context, Inputs& inputs,
                                                BadInputs& bad);

}  // namespace pca::tunnel_ssh
