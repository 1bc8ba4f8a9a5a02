#pragma once

#include "proxmox-deploy/app_run.hpp"
#include "proxmox-deploy/deploy_plan.hpp"
#include "proxmox-deploy/guest_spec.hpp"
#include "proxmox-deploy/provision.hpp"

namespace pca::proxmox_deploy {

struct DeployInputs {
  AppRunInputs run;
  GuestSpec spec;
  Provision provision;        // of the new guest; the spec knows its digest
  bool keeps_failed = false;  // a guest that failed, for people to look at
  bool is_plan = false;       // nothing is written
};

// Makes a new guest, a clone of a template or a container, and the active one of its application
// once it is healthy. On a failure or a cancel before that it is removed, and the old one was never
// touched.
[[nodiscard]] GuestRun run_deployment(ToolContext& context, ProxmoxApi& api,
                                      const DeployInputs& inputs);

}  // namespace pca::proxmox_deploy
