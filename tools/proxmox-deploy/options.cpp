#include "proxmox-deploy/options.hpp"

#include "proxmox-deploy/api_command.hpp"
#include "proxmox-deploy/app_commands.hpp"
#include "proxmox-deploy/backup_command.hpp"
#include "proxmox-deploy/deploy_command.hpp"
#include "proxmox-deploy/destroy_command.hpp"
#include "proxmox-deploy/doctor_command.hpp"
#include "proxmox-deploy/firewall_command.hpp"
#include "proxmox-deploy/image_command.hpp"
#include "proxmox-deploy/power_command.hpp"
#include "proxmox-deploy/rollback_command.hpp"
#include "proxmox-deploy/run_command.hpp"
#include "proxmox-deploy/update_command.hpp"

namespace pca::proxmox_deploy {

ToolSpec tool_spec() {
  // In the order in which the help shows them. Made one by one: a list of them would copy each.
  constexpr CommandSpec (*commands[])() = {doctor_command,
                                           plan_command,
                                           deploy_command,
                                           container_deploy_command,
                                           rollback_command,
                                           update_command,
                                           adopt_command,
                                           status_command,
                                           hold_command,
                                           unhold_command,
                                           unlock_command,
                                           destroy_command,
                                           preview_up_command,
                                           preview_down_command,
                                           gc_command,
                                           run_command,
                                           push_command,
                                           power_command,
                                           wait_command,
                                           snapshot_command,
                                           backup_command,
                                           firewall_apply_command,
                                           tasks_command,
                                           image_upload_command,
                                           image_download_url_command,
                                           image_oci_pull_command,
                                           image_list_command,
                                           image_prune_command,
                                           api_command};
  ToolSpec tool{
      .name = "proxmox-deploy",
      .summary =
          "Deploys guests to a Proxmox VE cluster over its API: a new one for each release, which "
          "takes the place of the old one only once it is healthy",
      .examples = {{"What would a deploy do?",
                    "proxmox-deploy plan --api pve1.example.com "
                    "--api-token-file token.txt "
                    "--name shop-web --template debian-12 --health-port 443"}},
  };
  for (const auto make : commands) tool.commands.push_back(make());
  return tool;
}

}  // namespace pca::proxmox_deploy
