#include "proxmox-deploy/one_guest.hpp"

#include <fmt/format.h>

#include "proxmox-deploy/agent_exec.hpp"
#include "proxmox-deploy/contract.hpp"

namespace pca::proxmox_deploy {

namespace {

constexpr Milliseconds longest_boot{120'000};  // as far as its agent

}  // namespace

Option guest_option() {
  return {.name = "guest",
          .help = "The guest: its ID, or its name",
          .placeholder = "ID|NAME",
          .required = true,
          .group = "Guest"};
}

std::vector<Output> guest_outputs() {
  return {{contract::vmid, "The guest's ID"}, {contract::node, "The node it is on"}};
}

std::string example_of(const std::string& rest) {
  return "proxmox-deploy " + rest + " --api pve1.example.com --api-token-file token.txt";
}

ApiResult<FoundGuest> find_one_guest(const Budget& budget, ToolContext& context, const ApiWay& way,
                                     const std::string& name) {
  FoundGuest found;
  PCA_TRY(found.api, connect_api(budget, context, way));
  PCA_TRY(const ClusterView view, read_cluster(budget, *found.api));
  auto guest = find_guest(view, name);
  if (!guest) return {ApiFailure(std::move(guest).error())};
  found.guest = *std::move(guest);
  if (view.nodes.size() > 1) found.api->learn_nodes(budget);
  context.reporter.output(contract::vmid, std::to_string(found.guest.vmid));
  context.reporter.output(contract::node, found.guest.node);
  return found;
}

ApiResult<FoundGuest> find_one_machine(const Budget& budget, ToolContext& context,
                                       const ApiWay& way, const std::string& name) {
  PCA_TRY(FoundGuest found, find_one_guest(budget, context, way, name));
  if (found.guest.type == "qemu") {
    PCA_CHECK(wait_for_agent(
        budget.at_most(longest_boot), *found.api, found.guest, [&](const Error& error) {
          context.reporter.info(fmt::format("Waiting for the agent of guest {}: {}",
                                            found.guest.text(), error.message));
        }));
    return found;
  }
  return {ApiFailure(
      failed(fmt::format("guest {} is a container, and these have no agent", found.guest.text()),
             fmt::format(
                 "Use \"tunnel-ssh exec\" with \"pct exec {}\" on its node, or the container's own "
                 "sshd.",
                 found.guest.vmid)))};
}

void show_logs(ToolContext& context, const Tasks& tasks) {
  for (const TaskLog& log : tasks.logs()) {
    context.reporter.group("Log of the task " + log.title);
    context.reporter.remote("")->feed(log.text);
    context.reporter.end_group();
  }
}

}  // namespace pca::proxmox_deploy
