#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// When a release counts as healthy: all checks that are given, several times in a row.
struct HealthCheck {
  std::string command;      // runs on the host, in the release; empty = none
  std::uint16_t port = 0;   // takes connections on the host's loopback; 0 = none
  std::string url;          // answers with 2xx, asked for from the host; empty = none
  Milliseconds timeout{};   // for all of it
  int successes = 2;        // in a row
  Milliseconds pause{500};  // between two checks

  [[nodiscard]] bool is_needed() const { return !command.empty() || port != 0 || !url.empty(); }
};

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
  bool dry_run = false;

  std::string restart;      // a shell command; empty = none
  std::string log_command;  // shows the application's last log lines
  HealthCheck health;
  std::size_t keep = 5;  // good releases

  std::string to;  // a release; empty = the newest good one
  bool sets_hold = true;
};

// Whom an http or https address is about, with the port it implies; bad_input when it is none.
[[nodiscard]] Result<HostAddress> host_of_url(const std::string& url);

[[nodiscard]] ReleaseInputs read_release_inputs(ToolContext& context, Inputs& inputs,
                                                BadInputs& bad);

}  // namespace pca::tunnel_ssh
