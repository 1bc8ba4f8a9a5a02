// Serves what stands in for the outside: read the options, start, say where it is, serve until told
// to stop.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "cli/tool_main.hpp"
#include "sandbox/compass_state.hpp"
#include "sandbox/delay.hpp"
#include "sandbox/edge.hpp"
#include "sandbox/github_api.hpp"
#include "sandbox/options.hpp"
#include "sandbox/proxmox_server.hpp"

namespace {

using namespace pca;
using namespace pca::sandbox;

// Asks the kernel for a SIGTERM when the parent ends. False when it has ended already.
bool die_with_parent() {
  const pid_t parent = ::getppid();
  return ::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && ::getppid() == parent;
}

// Says where `server` is, in one line of JSON, and serves.
template <typename Server>
int serve(ToolContext& context, const Inputs& inputs, Server& server) {
  if (inputs.flag("die-with-parent") && !die_with_parent()) return 0;
  context.reporter.info(server.where().dump());
  server.serve(context.stop);
  return 0;
}

Result<int> run_edge(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  EdgeSettings settings = read_edge_settings(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  settings.log = [&](const std::string& text) { context.reporter.debug(text); };
  PCA_TRY(const auto edge, Edge::start(std::move(settings)));
  return serve(context, inputs, *edge);
}

Result<int> run_github(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ApiSettings settings = read_api_settings(inputs, FaultServer::github, bad);
  GithubWorld world = read_github_world(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto server, ApiServer::start(std::move(settings), github_api(std::move(world))));
  return serve(context, inputs, *server);
}

Result<int> run_compass(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ApiSettings settings = read_api_settings(inputs, FaultServer::compass, bad);
  CompassWorld world = read_compass_world(inputs);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto server, ApiServer::start(std::move(settings), compass_api(std::move(world))));
  return serve(context, inputs, *server);
}

Result<int> run_proxmox(ToolContext& context, Inputs& inputs, BadInputs& bad) {
  ProxmoxSettings settings = read_proxmox_settings(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto server, ProxmoxServer::start(std::move(settings)));
  return serve(context, inputs, *server);
}

Result<int> run_delay(ToolContext& context, const Inputs& inputs, BadInputs& bad) {
  const DelaySettings settings = read_delay_settings(inputs, bad);
  if (!bad.empty()) return bad.to_error();
  PCA_TRY(const auto server,
          DelayServer::start(settings.listen, settings.target, settings.round_trip));
  return serve(context, inputs, *server);
}

int list_faults(ToolContext& context) {
  for (const auto& [title, server] :
       {std::pair("edge", FaultServer::edge), std::pair("github", FaultServer::github),
        std::pair("compass", FaultServer::compass), std::pair("proxmox", FaultServer::proxmox)}) {
    context.reporter.info(fmt::format("{}:", title));
    for (const FaultHelp& fault : fault_help(server)) {
      context.reporter.info(fmt::format("  {:<26}{}", fault.spelling, fault.meaning));
    }
  }
  context.reporter.info("proxmox, told while it runs by POST /sandbox/faults:");
  for (const proxmox::FaultKindHelp& fault : proxmox::injected_fault_help()) {
    context.reporter.info(fmt::format("  {:<26}{}", fault.name, fault.meaning));
  }
  return 0;
}

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  if (inputs.command() == "edge") return run_edge(context, inputs, bad);
  if (inputs.command() == "github") return run_github(context, inputs, bad);
  if (inputs.command() == "compass") return run_compass(context, inputs, bad);
  if (inputs.command() == "proxmox") return run_proxmox(context, inputs, bad);
  if (inputs.command() == "delay") return run_delay(context, inputs, bad);
  return list_faults(context);
}

}  // namespace

int main(int argc, char** argv) {
  return tool_main(argc, argv, "private-cloud-sandbox", sandbox_spec, run);
}
