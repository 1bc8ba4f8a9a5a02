#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tunnel-ssh/remote_shell.hpp"
#include "tunnel-ssh/sync_plan.hpp"

namespace pca::tunnel_ssh {

// Hears how many of all bytes were read for sending.
using SendProgress = std::function<void(std::uint64_t sent, std::uint64_t all)>;

// A folder of a host that is looked at and changed. Not thread safe.
class HostTree {
 public:
  virtual ~HostTree() = default;

  // What is in the folder; nothing when it is not there yet. `ours` is what it is compared with:
  // what is alike need not be listed anew.
  virtual Result<FileTree> look(const Budget& budget, const FileTree& ours) = 0;
  [[nodiscard]] virtual bool is_there() const = 0;  // as of the last look()
  // Gives `sink` the sizes of files, a line each, an empty line, and their contents one after the
  // other. Paths as LocalTree::wanted() has them. After a look().
  virtual Result<> fetch(const Budget& budget, const std::vector<std::string>& paths,
                         const RemoteSink& sink) = 0;
  // Carries out `plan`, made from the last look(), once: puts what is new beside the old, makes it
  // lasting, then renames it into place, then deletes. A failure before the renames leaves the
  // folder as it was.
  virtual Result<> apply(const Budget& budget, const SyncPlan& plan,
                         const SendProgress& progress) = 0;
};

}  // namespace pca::tunnel_ssh
