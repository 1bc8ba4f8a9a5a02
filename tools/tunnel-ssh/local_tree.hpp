#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.hpp"
#include "net/file_descriptor.hpp"
#include "tunnel-ssh/sync_plan.hpp"

namespace pca::tunnel_ssh {

// A folder of this machine that is made like a tree of a host: what is new is put into a folder
// beside the old, which is removed with the object, and renamed into place when all of it is whole.
// What was moved out of the way goes back where nothing took its place; that folder stays where
// that cannot be done.
// The host is not trusted. Not thread safe; the plan outlives it.
class LocalTree {
 public:
  // `plan` was made for `root`, which need not be there yet.
  LocalTree(std::string root, const SyncPlan& plan);
  ~LocalTree();
  LocalTree(const LocalTree&) = delete;
  LocalTree& operator=(const LocalTree&) = delete;

  // Paths of the files that are wanted from the host, in the order their contents are to come.
  [[nodiscard]] const std::vector<std::string>& wanted() const { return wanted_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  // of contents taken
  // Makes the folder for what is new. Errors: failed (no room, not allowed; a link of the host
  // that leads out of the tree).
  Result<> begin();
  // The next bytes from the host: the size of each file as a line, an empty line, the contents.
  // Errors: failed (no room, or not what the plan says).
  Result<> take(std::string_view bytes);
  // Renames into place and deletes. Errors: failed (a file is not whole, or the system's).
  Result<> apply();

 private:
  Result<std::size_t> take_size(std::string_view bytes);
  Result<> open_next();
  Result<> close_current();
  Result<> write(std::string_view bytes);
  [[nodiscard]] std::string staged(const std::string& path) const;
  [[nodiscard]] bool put_back() const;

  const std::string root_;
  const std::string staging_;
  const SyncPlan& plan_;
  std::vector<const TreeEntry*> files_;
  std::vector<std::string> wanted_;
  std::vector<std::uint64_t> sizes_;
  std::string line_;  // a size on its way
  bool has_sizes_ = false;
  std::size_t next_ = 0;  // of files_
  FileDescriptor file_;   // the one before
  std::uint64_t left_ = 0;
  std::uint64_t bytes_ = 0;
  std::size_t away_ = 0;  // how many of the plan's `replaced` were moved out of the way
  Sha256Stream digest_;
};

// Whether a link at `path` of a tree leads to somewhere in it.
[[nodiscard]] bool stays_within(const std::string& path, const std::string& target);

}  // namespace pca::tunnel_ssh
