#pragma once

#include <string>

#include "cli/inputs.hpp"
#include "cli/script_inputs.hpp"
#include "net/connect.hpp"
#include "tunnel-ssh/batches.hpp"
#include "tunnel-ssh/host_output.hpp"
#include "tunnel-ssh/program.hpp"
#include "tunnel-ssh/remote_run.hpp"

namespace pca::tunnel_ssh {

// Everything `exec` was asked to do, checked.
struct ExecPlan {
  ConnectionSettings connection;
  ProgramSpec program;
  RunLimits limits;
  OutputSettings output;
  Rollout rollout;
  bool pass_exit_code = false;
};

// Reads and checks; all mistakes go to `bad`, and the plan is only good when it stays empty.
[[nodiscard]] ExecPlan read_exec_plan(const Budget& budget, Inputs& inputs,
                                      const ScriptSources& sources, BadInputs& bad);

// Inputs that other commands have too. Durations of 0 mean no limit.
[[nodiscard]] std::string read_become(const Inputs& inputs, BadInputs& bad);
[[nodiscard]] Milliseconds read_timeout(const Inputs& inputs);
[[nodiscard]] Rollout read_rollout(const Inputs& inputs, std::size_t hosts, BadInputs& bad);

}  // namespace pca::tunnel_ssh
