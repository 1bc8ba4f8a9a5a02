#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tunnel-ssh/batches.hpp"
#include "tunnel-ssh/connection.hpp"
#include "tunnel-ssh/sync_plan.hpp"

namespace pca::tunnel_ssh {

// One "SOURCE -> DESTINATION".
struct Upload {
  std::string source;       // a file or folder of this machine
  std::string destination;  // on the host: absolute, or in the user's home by "~/"
};
// The destination must be a whole path without "..", the source must be there. bad_input otherwise.
[[nodiscard]] Result<Upload> parse_upload(std::string_view text);

// One "SOURCE -> DESTINATION" the other way: a folder of the host, one of this machine.
struct Download {
  std::string source;
  std::string destination;
};
[[nodiscard]] Result<Download> parse_download(std::string_view text);

// Whether nobody can mean to delete what is in this folder of a host: /, a home, /etc, ...
[[nodiscard]] bool is_precious(std::string_view folder);

// A path of a host has to be whole: absolute, or in the user's home by "~/", without ".." and line
// breaks. bad_input otherwise.
[[nodiscard]] Result<> check_host_path(const std::string& path);
// The inputs include and exclude.
[[nodiscard]] TreeFilter read_filter(const Inputs& inputs, BadInputs& bad);

// Everything that sync was asked for, checked.
struct SyncInputs {
  ConnectionSettings connection;
  Rollout rollout;
  std::vector<Upload> uploads;
  std::vector<Download> downloads;
  SyncRules rules;
  bool dry_run = false;
  std::string become;
  Milliseconds timeout{};
};
[[nodiscard]] SyncInputs read_sync_inputs(ToolContext& context, Inputs& inputs, BadInputs& bad);

}  // namespace pca::tunnel_ssh
