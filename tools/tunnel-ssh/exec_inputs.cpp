#include "tunnel-ssh/exec_inputs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.hpp"
#include "cli/connection_inputs.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::uint64_t capture_most = 512ULL * 1024;  // GitHub allows 1 MiB for a job's outputs
constexpr Milliseconds no_limit = std::chrono::hours(24 * 365);

// What useradd takes, and "#1000"; never an option.
bool is_user_name(std::string_view name) {
  const auto is_good = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '-' ||
           c == '@' || c == '$';
  };
  if (name.empty() || name.size() > 64 || name.front() == '-') return false;
  if (name.front() == '#') return parse_integer(name.substr(1), 0, 4'294'967'294).has_value();
  return std::all_of(name.begin(), name.end(), is_good);
}

OutputSettings read_output(const Inputs& inputs, BadInputs& bad) {
  OutputSettings output;
  const std::string& capture = inputs.text("capture");
  output.grouped = inputs.text("output") == "grouped";
  output.capture_out = capture == "both" || capture == "stdout";
  output.capture_err = capture == "both" || capture == "stderr";
  if (inputs.size("capture-limit") > capture_most) {
    bad.add(
        "capture-limit",
        fmt::format("{} is more than outputs can hold", format_size(inputs.size("capture-limit"))),
        fmt::format("Write {} at most.", format_size(capture_most)));
  }
  output.capture_limit =
      static_cast<std::size_t>(std::min(inputs.size("capture-limit"), capture_most));
  return output;
}

RunLimits read_limits(const Inputs& inputs) {
  RunLimits limits;
  limits.timeout = read_timeout(inputs);
  limits.linger = inputs.duration("linger");
  return limits;
}

}  // namespace

// "true" is the word for the usual case.
std::string read_become(const Inputs& inputs, BadInputs& bad) {
  const std::string& become = inputs.text("become");
  if (become.empty() || become == "false") return {};
  if (become == "true") return "root";
  if (!is_user_name(become)) {
    bad.add("become", fmt::format("\"{}\" is no user name", visible(become)),
            "Write a user of the host, or true for root.");
  }
  return become;
}

Rollout read_rollout(const Inputs& inputs, std::size_t hosts, BadInputs& bad) {
  Rollout rollout;
  rollout.parallel = static_cast<std::size_t>(inputs.integer("parallel"));
  rollout.canary = static_cast<std::size_t>(inputs.integer("canary"));
  if (inputs.has("batch")) {
    const auto batch = parse_batch_size(inputs.text("batch"));
    if (batch) {
      rollout.batch = *batch;
    } else {
      bad.add("batch", batch.error());
    }
  }
  if (hosts > 0 && rollout.canary > hosts) {
    bad.add("canary", fmt::format("{} hosts first, but there are only {}", rollout.canary, hosts),
            "Write a smaller number.");
  }
  return rollout;
}

Milliseconds read_timeout(const Inputs& inputs) {
  const Milliseconds timeout = inputs.duration("timeout");
  return timeout.count() == 0 ? no_limit : timeout;
}

ExecPlan read_exec_plan(const Budget& budget, Inputs& inputs, const ScriptSources& sources,
                        BadInputs& bad) {
  ExecPlan plan;
  plan.connection = read_connection(inputs, sources.redactor, bad, sources.say);
  plan.connection.session_folder = find_session_folder(sources.environment);
  static_cast<ShellScript&>(plan.program) = read_shell_script(budget, inputs, sources, bad);
  plan.program.become = read_become(inputs, bad);
  plan.limits = read_limits(inputs);
  plan.output = read_output(inputs, bad);
  const std::size_t hosts = plan.connection.hosts.size();
  plan.rollout = read_rollout(inputs, hosts, bad);
  plan.pass_exit_code = inputs.flag("pass-exit-code");
  if (plan.pass_exit_code && hosts > 1) {
    bad.add("pass-exit-code", "several hosts have no exit code in common",
            "Leave it out, and read the output results.");
  }
  return plan;
}

}  // namespace pca::tunnel_ssh
