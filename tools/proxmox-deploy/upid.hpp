#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pca::proxmox_deploy {

// A task of a node: "UPID:pve1:00005163:000235E1:6B043769:qmstart:101:ci@pve!deploy:".
struct Upid {
  std::string text;
  std::string node;  // where it runs, and where it is asked for
  std::int64_t start_time = 0;
  std::string type;  // "qmclone"
  std::string id;    // of the guest; may be empty, or another thing's name
  std::string user;  // with the token behind a "!"
};

// Hostile text.
[[nodiscard]] Result<Upid> parse_upid(std::string_view text);

}  // namespace pca::proxmox_deploy
