#include "cli/tool_main.hpp"
#include "proxmox-deploy/api_command.hpp"
#include "proxmox-deploy/app_commands.hpp"
#include "proxmox-deploy/backup_command.hpp"
#include "proxmox-deploy/deploy_command.hpp"
#include "proxmox-deploy/destroy_command.hpp"
#include "proxmox-deploy/doctor_command.hpp"
#include "proxmox-deploy/firewall_command.hpp"
#include "proxmox-deploy/image_command.hpp"
#include "proxmox-deploy/options.hpp"
#include "proxmox-deploy/power_command.hpp"
#include "proxmox-deploy/rollback_command.hpp"
#include "proxmox-deploy/run_command.hpp"
#include "proxmox-deploy/update_command.hpp"

namespace pca::proxmox_deploy {

namespace {

Result<int> run(ToolContext& context, Inputs inputs, BadInputs& bad) {
  const std::string command = inputs.command();
  if (command == "plan" || command == "deploy" || command == "lxc deploy" ||
      command == "preview up")
    return run_deploy(context, inputs, bad);
  if (command == "doctor") return run_doctor(context, inputs, bad);
  if (command == "rollback") return run_rollback(context, inputs, bad);
  if (command == "update") return run_update(context, inputs, bad);
  if (command == "adopt") return run_adopt(context, inputs, bad);
  if (command == "status") return run_status(context, inputs, bad);
  if (command == "hold" || command == "unhold") return run_hold(context, inputs, bad);
  if (command == "unlock") return run_unlock(context, inputs, bad);
  if (command == "destroy" || command == "preview down") return run_destroy(context, inputs, bad);
  if (command == "gc") return run_gc(context, inputs, bad);
  if (command == "run") return run_run(context, inputs, bad);
  if (command == "push") return run_push(context, inputs, bad);
  if (command.starts_with("image ")) return run_image(context, inputs, bad);
  if (command == "power") return run_power(context, inputs, bad);
  if (command == "wait") return run_wait(context, inputs, bad);
  if (command == "snapshot") return run_snapshot(context, inputs, bad);
  if (command == "backup") return run_backup(context, inputs, bad);
  if (command == "firewall apply") return run_firewall(context, inputs, bad);
  if (command == "tasks") return run_tasks(context, inputs, bad);
  if (command == "api") return run_api(context, inputs, bad);
  return tool_bug("no code for the command " + command);
}

}  // namespace

}  // namespace pca::proxmox_deploy

int main(int argc, char** argv) {
  using namespace pca::proxmox_deploy;
  return pca::tool_main(argc, argv, "proxmox-deploy", tool_spec, run);
}
