#pragma once

#include <functional>
#include <string>

#include "cli/inputs.hpp"
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

// Where exec_inputs reads what is not an input itself.
struct ExecSources {
  const Environment& environment;  // for pass-env, whose names the user gives
  Redactor& redactor;
  std::function<void(std::string)> say;  // repairs that were made
};

// Reads and checks; all mistakes go to `bad`, and the plan is only good when it stays empty.
[[nodiscard]] ExecPlan read_exec_plan(const Budget& budget, Inputs& inputs,
                                      const ExecSources& sources, BadInputs& bad);

// The parts of it that are more than a look at one input, for tests.
[[nodiscard]] std::string read_script(const Budget& budget, const Inputs& inputs,
                                      const ExecSources& sources, BadInputs& bad);
[[nodiscard]] std::vector<EnvironmentLine> read_environment_lines(const Inputs& inputs,
                                                                  const ExecSources& sources,
                                                                  BadInputs& bad);

// Whether a shell can have a variable of this name.
[[nodiscard]] bool is_variable_name(std::string_view name);

// Inputs that other commands have too. Durations of 0 mean no limit.
[[nodiscard]] std::string read_become(const Inputs& inputs, BadInputs& bad);
[[nodiscard]] Milliseconds read_timeout(const Inputs& inputs);
[[nodiscard]] Rollout read_rollout(const Inputs& inputs, std::size_t hosts, BadInputs& bad);

}  // namespace pca::tunnel_ssh
