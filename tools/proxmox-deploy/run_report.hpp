#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/tool_main.hpp"
#include "proxmox-deploy/cluster_view.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

// A part of a run, for the report and the summary's chart.
struct Phase {
  std::string name;
  double begin_ms = 0;  // since the run's start
  double end_ms = 0;
};

// What a run that makes another guest the active one came to.
struct GuestRun {
  std::string command;
  std::string app;
  std::string outcome;  // of contract::outcome
  std::optional<Error> error = {};
  std::string release = {};
  std::string previous = {};        // what was current before
  std::optional<Guest> guest = {};  // that serves now, or of what was tried and kept
  std::string ip = {};
  std::string url = {};
  std::string health = {};
  int changed = 0;                        // guests that were made, switched or removed, and stay so
  std::vector<std::string> removed = {};  // for people
  std::vector<std::string> plan = {};
  std::vector<std::string> warnings = {};
  std::vector<Phase> phases = {};
  std::vector<TaskLog> logs = {};  // of tasks that failed or warned
};

// The failed tasks' logs, the outputs, the report and the summary.
void tell_run(ToolContext& context, const GuestRun& run, Clock::time_point start);

// The exit code, or the run's error.
[[nodiscard]] Result<int> end_of(ToolContext& context, const GuestRun& run);

}  // namespace pca::proxmox_deploy
