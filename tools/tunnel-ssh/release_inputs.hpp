#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/file_tree.hpp"
#include "tunnel-ssh/health.hpp"
#include "tunnel-ssh/release_folder.hpp"
#include "tunnel-ssh/release_hooks.hpp"

namespace pca::tunnel_ssh {

// What the records say about who deploys what. All of it may be empty.
struct Provenance {
  std::string commit;
  std::string commit_time;  // RFC 3339
  std::string branch;
  std::string repository;
  std::string actor;
  std::string run_url;
};

// What all release commands are told, checked. What a command has no input for keeps its default.
struct ReleaseInputs {
  ConnectionSettings connection;
  std::string path;
  std::string become;
  Milliseconds timeout{};
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
  std::string log_command;  // shows the application's last log lines
  HealthCheck health;
  std::size_t keep = 5;  // good releases

  std::string to;  // a release; empty = the newest good one
  bool sets_hold = true;
};

// Whether shared and secret files have their places to themselves; bad_input when not.
[[nodiscard]] Result<> check_places(const FileTree& tree, const ReleaseInputs& inputs);

// The inputs health-command, health-port, health-url and health-timeout.
[[nodiscard]] HealthCheck read_health(const Inputs& inputs, BadInputs& bad);
// Who asks, by the runner's variables; `commit` and `commit_time` are left empty.
[[nodiscard]] Provenance read_provenance(const ToolContext& context);

[[nodiscard]] ReleaseInputs read_release_inputs(ToolContext& context, Inputs& inputs,
                                                BadInputs& bad);

}  // namespace pca::tunnel_ssh
