#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "net/http.hpp"

namespace pca::proxmox_deploy {

// What a failure is about, however it was told: by an HTTP status, or at the end of a task.
enum class Trouble : std::uint8_t {
  other,
  token,      // 401
  right,      // 403: a privilege is missing
  busy,       // somebody else has a lock; passes
  id_taken,   // another guest has the ID
  gone,       // there is no such guest (any more)
  changed,    // the digest that was given is not the configuration's any more
  no_quorum,  // the cluster takes no writes now
  node_away,  // the asked node cannot reach the guest's
  agent_off,  // no agent is configured
  agent_away  // it does not answer (yet)
};
[[nodiscard]] Trouble trouble_of(int status, std::string_view text);

// The cause in an answer that is not good: its map of errors, else its message, else the reason
// behind the status, which is all that releases before 8.3 give. One line, visible().
[[nodiscard]] std::string cause_in(const HttpResponse& response);

// One Error for the same cause, whether an answer or a task told it (then status is 0). `what` is
// "POST /nodes/pve1/qemu/9000/clone", or "the task qmclone of 101". Kinds: permission (token,
// right), conflict (busy, id_taken, changed), unreachable (no_quorum, node_away), else failed.
// Transient: busy and agent_away.
[[nodiscard]] Error api_error(const std::string& what, int status, std::string_view text);

}  // namespace pca::proxmox_deploy
