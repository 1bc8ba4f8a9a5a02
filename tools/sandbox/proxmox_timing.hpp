#pragma once

#include <chrono>
#include <span>

namespace pca::sandbox::proxmox {

using Milliseconds = std::chrono::milliseconds;

// How long something takes in the model, and how that is known.
struct Duration {
  const char* name;
  Milliseconds time;
  const char* source;
};

// "measured": on a Proxmox VE 9.2 server. "server's own": a limit in its code, seen at work.
// "assumption": nobody has measured it here.
namespace timing {
inline constexpr Duration linked_clone{"linked-clone", Milliseconds{300}, "measured"};
inline constexpr Duration start{"start", Milliseconds{500}, "measured"};
inline constexpr Duration refused_token{"refused-token", Milliseconds{3'000}, "server's own"};
inline constexpr Duration idle{"idle-connection", Milliseconds{5'000}, "server's own"};
inline constexpr Duration lock_wait{"lock-wait", Milliseconds{10'000}, "server's own"};
inline constexpr Duration silent_agent{"silent-agent", Milliseconds{3'000}, "server's own"};
inline constexpr Duration task_stop{"task-stop", Milliseconds{5'000}, "server's own"};
inline constexpr Duration silent_node{"silent-node", Milliseconds{30'000}, "server's own"};
inline constexpr Duration lost_node{"lost-node", Milliseconds{3'000}, "server's own"};
inline constexpr Duration statistics{"statistics", Milliseconds{10'000}, "server's own"};
inline constexpr Duration storage_lock{"storage-lock", Milliseconds{10'000}, "server's own"};
inline constexpr Duration boot{"boot-to-agent", Milliseconds{8'000}, "assumption"};
inline constexpr Duration container_boot{"container-boot", Milliseconds{1'000}, "assumption"};
inline constexpr Duration first_upgrade{"first-upgrade", Milliseconds{60'000}, "assumption"};
inline constexpr Duration shutdown{"shutdown", Milliseconds{2'000}, "assumption"};
inline constexpr Duration stop{"stop", Milliseconds{300}, "assumption"};
inline constexpr Duration configure{"configure", Milliseconds{100}, "assumption"};
inline constexpr Duration resize{"resize", Milliseconds{200}, "assumption"};
inline constexpr Duration destroy{"destroy", Milliseconds{300}, "assumption"};
inline constexpr Duration snapshot{"snapshot", Milliseconds{300}, "assumption"};
inline constexpr Duration rollback{"rollback", Milliseconds{500}, "assumption"};
inline constexpr Duration migrate{"migrate", Milliseconds{1'000}, "assumption"};
inline constexpr Duration make_template{"make-template", Milliseconds{300}, "assumption"};
inline constexpr Duration create{"create", Milliseconds{300}, "assumption"};
inline constexpr Duration unpack{"unpack-container", Milliseconds{2'000}, "assumption"};
inline constexpr Duration copy_file{"copy-file", Milliseconds{100}, "assumption"};
inline constexpr Duration copy_gibibyte{"copy-1GiB", Milliseconds{2'000}, "assumption"};
inline constexpr Duration high_availability{"ha-manager-round", Milliseconds{10'000}, "assumption"};

inline constexpr Duration all[] = {linked_clone,   start,         refused_token, idle,
                                   lock_wait,      silent_agent,  task_stop,     silent_node,
                                   lost_node,      statistics,    storage_lock,  boot,
                                   container_boot, first_upgrade, shutdown,      stop,
                                   configure,      resize,        destroy,       snapshot,
                                   rollback,       migrate,       make_template, create,
                                   unpack,         copy_file,     copy_gibibyte, high_availability};
}  // namespace timing

}  // namespace pca::sandbox::proxmox
