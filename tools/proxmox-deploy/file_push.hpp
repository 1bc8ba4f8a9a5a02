#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "cli/inputs.hpp"
#include "proxmox-deploy/guest_script.hpp"

namespace pca::proxmox_deploy {

// A file of this machine on its way into a guest.
struct PushedFile {
  std::string source;
  std::string destination;  // absolute
  std::string content = {};
  std::string digest = {};         // SHA-256, in hex
  std::string mode = {};           // octal; empty = as the file that it replaces
  std::string fallback_mode = {};  // of one that replaces none
};

// The inputs upload and mode. Reads the files: they have to be there before anything is contacted.
[[nodiscard]] std::vector<Option> push_options(const std::string& group);
[[nodiscard]] std::vector<PushedFile> read_pushed_files(const Budget& budget, const Inputs& inputs,
                                                        BadInputs& bad);

// Writes them in a guest by its agent, in pieces into a file beside each destination, which takes
// its place when its SHA-256 is right; until then the old one is there. Those that are as they
// should be are left alone. `told` hears of each file, and how much of it is there. How many were
// written. On an error the files before stay, and nothing of the one that failed. Errors: failed (a
// folder is missing, no room), permission, unreachable, cancelled.
using PushProgress = std::function<void(const PushedFile& file, std::size_t bytes)>;
[[nodiscard]] ApiResult<int> push_files(const Budget& budget, ProxmoxApi& api, const Guest& guest,
                                        const std::vector<PushedFile>& files,
                                        const PushProgress& told);

}  // namespace pca::proxmox_deploy
