#include "fuzz/fuzz.hpp"
#include "proxmox-deploy/agent_exec.hpp"
#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/data_volumes.hpp"
#include "proxmox-deploy/firewall_rules.hpp"
#include "proxmox-deploy/guest_address.hpp"
#include "proxmox-deploy/guest_record.hpp"
#include "proxmox-deploy/tasks.hpp"

using namespace pca;
using namespace pca::proxmox_deploy;
using pca::fuzz::require;

// Answers of a cluster's API: inventory, configuration, interfaces, logs of tasks, errors.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  HttpResponse response;
  response.status = size > 0 && data[0] % 2 == 0 ? 500 : 403;
  response.body.assign(reinterpret_cast<const char*>(data), size);
  response.reason = response.body.substr(0, 40);
  const std::string cause = cause_in(response);
  require(cause.size() <= 4000, "a cause is short");
  (void)api_error("GET /x", response.status, cause);
  const auto json = parse_json(response.body);
  if (!json) return 0;
  const ClusterView view = parse_cluster(*json);
  for (const Guest& guest : view.guests) {
    require(guest.vmid >= 100 && guest.node.find('/') == std::string::npos,
            "a guest is one part of a path");
    const GuestConfig config = parse_config(*json, guest.type);
    (void)check_own(guest, config, "web");
  }
  const GuestRules rules = parse_rules(*json);
  std::vector<FirewallRule> there = rules.rules;
  const std::vector<FirewallRule> wanted{{{"action", "DROP"}, {"comment", "[web]"}}};
  for (const RuleStep& step : plan_rules(there, wanted, "web")) there = after(there, step);
  require(plan_rules(there, wanted, "web").empty(), "what is planned leads to what is wanted");
  for (const FirewallRule& rule : rules.rules) (void)describe(rule);
  const GuestConfig container = parse_config(*json, "lxc");
  for (const DataVolume& volume : container.data_volumes()) {
    require(!volume.volume.starts_with('/'), "a folder of the node is no volume");
  }
  (void)free_mounts(container, container);
  const GuestConfig config = parse_config(*json, "qemu");
  (void)choose_address(*json, config.macs(), {});
  (void)list_addresses(*json);
  (void)text_of_log(*json);
  (void)parse_exec_status(*json);
  return 0;
}
