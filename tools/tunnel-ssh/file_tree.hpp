#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/budget.hpp"
#include "base/digest.hpp"
#include "base/glob.hpp"
#include "base/result.hpp"

namespace pca::tunnel_ssh {

enum class EntryKind : std::uint8_t { file, folder, link };

// One file, folder or symbolic link of a tree. Names are bytes: any but NUL and slash.
struct TreeEntry {
  std::string path = {};  // from the tree's root, without a slash at either end
  EntryKind kind = EntryKind::file;
  std::string source = {};  // where this machine has it; empty in a tree of a host
  bool is_executable = false;
  std::uint64_t size = 0;   // bytes; of a file
  std::string digest = {};  // SHA-256 in hex; of a file
  std::string target = {};  // of a link
};

// A tree of files: sorted by path, folders before what they hold. A value type.
using FileTree = std::vector<TreeEntry>;

// Sorts a tree that was put together in any order.
void sort_tree(FileTree& tree);

// Which part of a tree is meant.
struct TreeFilter {
  PathPatterns include;  // empty = everything
  PathPatterns exclude;

  // Whether files and links at `path` are meant. Folders are entered unless they are excluded.
  [[nodiscard]] bool takes(std::string_view path, bool is_folder) const;
};

// What `filter` takes of a sorted tree.
[[nodiscard]] FileTree filtered(FileTree tree, const TreeFilter& filter);

// Reads the tree below `root` of this machine, and every file in it for its digest. Links are kept
// as links, never followed. Folders in which nothing is taken are left out when there is an
// `include`. Errors: failed (cannot be read; a socket, pipe or device is in it), cancelled.
[[nodiscard]] Result<FileTree> read_file_tree(const Budget& budget, const std::string& root,
                                              const TreeFilter& filter);
// A tree of one file of this machine, called `name` there.
[[nodiscard]] Result<FileTree> read_single_file(const Budget& budget, const std::string& source,
                                                const std::string& name);

}  // namespace pca::tunnel_ssh
