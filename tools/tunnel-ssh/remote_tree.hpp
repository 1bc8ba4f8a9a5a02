#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tunnel-ssh/host_tree.hpp"

namespace pca::tunnel_ssh {

// A folder of the host, looked at and changed by POSIX sh, coreutils, findutils and tar there (and
// gzip, where it is).
//
// The host keeps an index of it (in ~/.local/state/tunnel-ssh/sync, or XDG_STATE_HOME): a record
// "device inode size ctime mtime" and, behind a byte 1, the beginning of the SHA-256 of each file.
// Only files that are not in it are read again. Everything in it can be lost at any time.
// Not thread safe; the shell outlives it.
class RemoteTree : public HostTree {
 public:
  // `path` is absolute, or "~/..." in the user's home. With `only`, a name, the tree is that entry
  // of the folder alone, whatever else is there.
  RemoteTree(RemoteShell& shell, std::string path, std::string only = {});

  // The host is told what `ours` has, so that it lists only folders that differ.
  Result<FileTree> look(const Budget& budget, const FileTree& ours) override;
  [[nodiscard]] bool is_there() const override { return is_there_; }
  Result<> fetch(const Budget& budget, const std::vector<std::string>& paths,
                 const RemoteSink& sink) override;
  Result<> apply(const Budget& budget, const SyncPlan& plan, const SendProgress& progress) override;

 private:
  [[nodiscard]] std::string variables() const;
  Result<std::string> ask(const Budget& budget, const std::string& code,
                          const std::string& digests);

  RemoteShell& shell_;
  const std::string path_;
  const std::string only_;
  const std::string id_;
  bool has_gzip_ = false;  // the host
  bool is_there_ = false;
};

}  // namespace pca::tunnel_ssh
