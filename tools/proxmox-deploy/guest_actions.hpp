#pragma once

#include <string>

#include "proxmox-deploy/app_state.hpp"
#include "proxmox-deploy/tasks.hpp"

namespace pca::proxmox_deploy {

// What is done to guests. Each waits for its task.

// Also ok when it runs already.
[[nodiscard]] ApiResult<> start_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                      const Guest& guest);
// As somebody who presses its button; what has not ended after `patience` is stopped. Also ok when
// it does not run.
[[nodiscard]] ApiResult<> shut_down_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                          const Guest& guest, Milliseconds patience);
// At once, as by pulling its plug.
[[nodiscard]] ApiResult<> stop_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                     const Guest& guest);
// The same of one that is being shut down, which it does not wait for.
[[nodiscard]] ApiResult<> stop_shutting_down(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                             const Guest& guest);
// With all that is its own: disks, snapshots, entries of backup jobs; a container's volumes that
// its configuration does not name only `with_data`. It is stopped first where it runs. The caller
// has made sure that it is the right one. Also ok when it is gone.
[[nodiscard]] ApiResult<> delete_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                       const Guest& guest, bool with_data = false);
// Reads its configuration, and deletes it only if it passes check_own(), is not the active one, and
// no data go with it.
[[nodiscard]] ApiResult<> delete_own_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                           const Guest& guest, const std::string& app);

// The same for shut_down_guest().
[[nodiscard]] ApiResult<> shut_down_own_guest(const Budget& budget, ProxmoxApi& api, Tasks& tasks,
                                              const Guest& guest, const std::string& app,
                                              Milliseconds patience);

// Waits until it is "running", "stopped", ...: where HA looks after a guest, the task that starts
// or stops it ends before that is done.
[[nodiscard]] ApiResult<> wait_for_status(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                          const std::string& wanted);

// "running", "stopped", "paused", as the node itself says.
[[nodiscard]] ApiResult<std::string> status_of(const Budget& budget, ProxmoxApi& api,
                                               const Guest& guest);

}  // namespace pca::proxmox_deploy
