#include "cli/tool_main.hpp"
#include "tunnel-ssh/check.hpp"
#include "tunnel-ssh/exec.hpp"
#include "tunnel-ssh/forward.hpp"
#include "tunnel-ssh/guard.hpp"
#include "tunnel-ssh/options.hpp"
#include "tunnel-ssh/pin.hpp"
#include "tunnel-ssh/previews.hpp"
#include "tunnel-ssh/release.hpp"
#include "tunnel-ssh/session.hpp"
#include "tunnel-ssh/stdio.hpp"
#include "tunnel-ssh/sync.hpp"

namespace pca::tunnel_ssh {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "exec") return run_exec(context, std::move(inputs), bad);
  if (command == "sync") return run_sync(context, std::move(inputs), bad);
  if (command.starts_with("guard ")) return run_guard(context, std::move(inputs), bad);
  if (command.starts_with("release ")) return run_release(context, std::move(inputs), bad);
  if (command.starts_with("preview ")) return run_preview(context, std::move(inputs), bad);
  if (command == "stdio") return run_stdio(context, std::move(inputs), bad);
  if (command == "forward") return run_forward(context, std::move(inputs), bad);
  if (command == "session open") return run_session_open(context, std::move(inputs), bad);
  if (command == "session close") return run_session_close(context, inputs, bad);
  if (command == "session status") return run_session_status(context, bad);
  if (command == "pin") return run_pin(context, std::move(inputs), bad);
  if (command == "check") return run_check(context, std::move(inputs), bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::tunnel_ssh

int main(int argc, char** argv) {
  using namespace pca::tunnel_ssh;
  return pca::tool_main(argc, argv, "tunnel-ssh", tool_spec, run);
}
