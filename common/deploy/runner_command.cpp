#include "deploy/runner_command.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

namespace pca {

namespace {

constexpr Milliseconds term_patience{4'000};
constexpr const char* doing = "running a hook";

// Waits until it has ended.
Result<> attend(const Budget& budget, SshSession* session, ChildProcess& child,
                const Printed& output) {
  for (bool has_ended = false; !has_ended;) {
    const auto handles = child.handles();
    std::vector<short> ready;
    if (session != nullptr) {
      PCA_TRY(ready, session->wait(budget, handles, budget.deadline(), doing));
    } else {
      PCA_TRY(PollResult result, wait_ready(budget, handles, budget.deadline(), doing));
      ready = std::move(result.ready);
    }
    has_ended = ready.size() == handles.size() && ready[1] != 0;
    child.read(output);
  }
  return {};
}

}  // namespace

Result<> run_on_runner(const Budget& budget, SshSession* session, const Printed& output,
                       const std::string& code, const Environment& environment) {
  ChildSpec spec{.words = {"/bin/sh", "-c", "eval \"$RELEASE_HOOK\""},
                 .environment = {},
                 .streams = ChildSpec::Streams::piped};
  for (const auto& [name, value] : environment) spec.environment.push_back(name + "=" + value);
  // An argument list is public on the machine, an environment is not.
  spec.environment.push_back("RELEASE_HOOK=" + code);
  PCA_TRY(const std::unique_ptr<ChildProcess> child, ChildProcess::start(spec));
  const Result<> attended = attend(budget, session, *child, output);
  if (!attended) child->stop(term_patience);
  const int exit_code = child->end().exit_code;
  child->read(output);
  if (!attended) return attended;
  if (exit_code == 0) return {};
  return failed(fmt::format("ended with exit code {}", exit_code));
}

}  // namespace pca
