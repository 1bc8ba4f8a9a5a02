#pragma once

#include <string>
#include <string_view>

#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// How both sides tell each other what is in a tree: a list for each folder and a digest of each
// list, so that only lists that differ need to be sent.
//
// Everything is records that end with NUL and begin with a folder as find(1) calls it ("." is the
// root, "./a/b" one below) and "//", which no path holds. A list is "folder//", then its entries,
// sorted by bytes: "folder//name" ("folder//./name" when executable), a byte 1 and the beginning of
// the SHA-256 for a file; "folder//name//l", the target and a byte 1 for a link; "folder//name//d"
// for a folder. So only the first record ends with two slashes. Digests of lists are taken with NUL
// and line end swapped, as the host's tools need it.
inline constexpr std::size_t listed_digest_size = 16;  // digits of a file's digest, in hex
inline constexpr std::size_t folder_digest_size = 20;  // digits of a list's

// The record of a file.
[[nodiscard]] std::string file_record(const TreeEntry& entry);

// A record "folder//digest" for each folder of `tree`, sorted by bytes.
[[nodiscard]] std::string folder_digests(const FileTree& tree);

// The tree of which `lists` has the folders that have another digest than those of `ours`. A file's
// digest is the whole one where ours begins with it, else what was listed. Sorted like ours.
// Errors: failed (anything that no file system could have).
[[nodiscard]] Result<FileTree> tree_from_lists(std::string_view lists, const FileTree& ours);

}  // namespace pca::tunnel_ssh
