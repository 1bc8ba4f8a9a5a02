#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// How a folder of the host shall become like a tree of ours.
struct SyncRules {
  TreeFilter filter;           // what it leaves out is not deleted either
  bool delete_others = false;  // what the tree does not have
  double delete_limit = 0.5;   // at most this share of the host's files and links
};

// What has to happen; nothing when both are alike. Paths are relative to the folder.
struct SyncPlan {
  std::vector<TreeEntry> uploads;     // new or different, new folders included
  std::vector<std::string> replaced;  // of another kind there: out of the way first
  // What goes to its place as a whole, by the folder (which is there) that it goes to.
  std::map<std::string, std::vector<std::string>> moves;
  std::vector<std::string> make_executable;  // alike but for the x-bit
  std::vector<std::string> make_plain;
  std::vector<std::string> delete_files;    // and links
  std::vector<std::string> delete_folders;  // deepest first

  std::size_t added = 0;  // files and links
  std::size_t updated = 0;
  std::size_t unchanged = 0;
  std::uint64_t bytes = 0;  // of the files among `uploads`

  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] std::size_t deleted() const { return delete_files.size() + delete_folders.size(); }
};

// Compares `ours` with what the host has (a file whose digest is empty there is unlike all).
// Errors: failed when `rules` forbid what it would take.
[[nodiscard]] Result<SyncPlan> plan_sync(const FileTree& ours, const FileTree& theirs,
                                         const SyncRules& rules);

// For a dry run: a line each, "+ new", "~ different", "- deleted".
[[nodiscard]] std::vector<std::string> describe(const SyncPlan& plan, const FileTree& theirs);

// A share: "50%", at most 100%. bad_input otherwise.
[[nodiscard]] Result<double> parse_share(std::string_view text);

}  // namespace pca::tunnel_ssh
