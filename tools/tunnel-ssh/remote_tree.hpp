#pragma once

#include <string>
#include <string_view>

#include "tunnel-ssh/remote_shell.hpp"
#include "tunnel-ssh/sync_plan.hpp"
#include "tunnel-ssh/tar_stream.hpp"

namespace pca::tunnel_ssh {

// A folder of the host, looked at and changed by POSIX sh, coreutils, findutils and tar there.
//
// The host keeps an index of it (in ~/.local/state/tunnel-ssh/sync, or XDG_STATE_HOME): a record
// "path//mode size inode ctime mtime" and, behind a byte 1, the SHA-256 of each file. Only files
// whose record is not in it are read again. Everything in it can be lost at any time.
// Not thread safe; the shell outlives it.
class RemoteTree {
 public:
  // `path` is absolute, or "~/..." in the user's home.
  RemoteTree(RemoteShell& shell, std::string path) : shell_(shell), path_(std::move(path)) {}

  // What is in the folder; nothing when it is not there yet.
  Result<FileTree> look(const Budget& budget);
  // Carries out `plan`, made from the last look(): unpacks what is new beside the old, makes it
  // lasting (sync -f), then renames it into place, then deletes. A failure before the renames
  // leaves the folder as it was. `progress` hears of bytes sent.
  Result<> apply(const Budget& budget, const SyncPlan& plan,
                 const std::function<void(std::uint64_t sent, std::uint64_t all)>& progress);

 private:
  RemoteShell& shell_;
  const std::string path_;
};

// What look() reads: exposed for its tests.
[[nodiscard]] Result<FileTree> parse_remote_tree(std::string_view text);

}  // namespace pca::tunnel_ssh
