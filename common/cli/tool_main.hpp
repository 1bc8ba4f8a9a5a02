#pragma once

#include <functional>
#include <stop_token>

#include "cli/inputs.hpp"
#include "cli/options.hpp"
#include "cli/signals.hpp"
#include "runner/reporter.hpp"

namespace pca {

// What a command gets to work with; all borrowed from tool_main, which outlives it.
struct ToolContext {
  Reporter& reporter;
  Redactor& redactor;
  const Environment& environment;  // without the INPUT_ variables of secrets
  std::stop_token stop;            // requested by SIGINT, SIGTERM, SIGHUP
  const SignalWatcher& signals;    // which of them it was
};

// Runs one command; gives the exit code of success (0, or another of the table) or the Error. `bad`
// holds the mistakes found so far: the command adds those it finds while it reads its inputs, and
// returns bad.to_error() before it does anything else if there are any, so that all are told at
// once.
using RunCommand = std::function<Result<int>(ToolContext&, Inputs, BadInputs& bad)>;

// The whole life of a tool's process: early_init(), signals, inputs (--help and
// --version included), run, report the error, exit code. The only place that decides how the
// process ends; an exception that reaches it is exit 70. An Error of kind cancelled after signal n
// is exit 128 + n. Secrets are taken out of the process's own environment before the command runs,
// so no child inherits them.
// `tool` is made only when it is needed: `--version` by itself asks for nothing but the name, and a
// table of many commands takes longer than it may.
int tool_main(int argc, char** argv, const char* name, ToolSpec (*tool)(), const RunCommand& run);

}  // namespace pca
