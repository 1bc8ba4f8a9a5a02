#include "sandbox/proxmox_errors.hpp"

#include <fmt/format.h>

namespace pca::sandbox::proxmox {

Failure bad_parameter(const std::string& name, const std::string& why) {
  return {.status = 400, .message = "Parameter verification failed.", .errors = {{name, why}}};
}

Failure forbidden(const std::string& what) {
  const std::string message = "Permission check failed";
  return {.status = 403, .message = what.empty() ? message : fmt::format("{} ({})", message, what)};
}

Failure not_implemented(const std::string& method, const std::string& path) {
  return {.status = 501,
          .message = fmt::format("Method '{} {}' not implemented", method, path),
          .ends_line = false};
}

Failure server_error(const std::string& message) { return {.message = message}; }

Failure no_guest(const std::string& node, int vmid, bool is_container) {
  return server_error(fmt::format("Configuration file 'nodes/{}/{}/{}.conf' does not exist", node,
                                  is_container ? "lxc" : "qemu-server", vmid));
}

Failure is_locked(bool is_container, const std::string& lock) {
  return server_error(is_container ? fmt::format("CT is locked ({})", lock)
                                   : fmt::format("VM is locked ({})", lock));
}

Failure lock_timeout(int vmid, bool is_container) {
  Failure failure = server_error(
      is_container
          ? fmt::format("can't lock file '/run/lock/lxc/pve-config-{}.lock' - got timeout", vmid)
          : fmt::format("can't lock file '/var/lock/qemu-server/lock-{}.conf' - got timeout",
                        vmid));
  failure.patience = timing::lock_wait.time;
  return failure;
}

Failure no_quorum() { return server_error("cluster not ready - no quorum?"); }

}  // namespace pca::sandbox::proxmox
