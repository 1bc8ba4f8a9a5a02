#pragma once

#include <string>
#include <string_view>

#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// How both sides tell each other what is in a tree: a list for each folder and a digest of each
// list, so that only lists that differ need to be sent.
//
// Everything is records that end with NUL. A list begins with its folder as find(1) calls it ("."
// is the root, "./a/b" one below); then come its entries, sorted by their bytes: "name//", and "x"
// (executable) or "-" and the beginning of the SHA-256 for a file, "l" and the target for a link,
// "d" for a folder.
inline constexpr std::size_t listed_digest_size = 16;  // digits of a file's digest, in hex
inline constexpr std::size_t folder_digest_size = 20;  // digits of a list's

// A record "folder//digest" for each folder of `tree`, sorted by bytes.
[[nodiscard]] std::string folder_digests(const FileTree& tree);

// The tree of which `lists` has the folders that have another digest than those of `ours`. A file's
// digest is the whole one where ours begins with it, else what was listed. Sorted like ours.
// Errors: failed (anything that no file system could have).
[[nodiscard]] Result<FileTree> tree_from_lists(std::string_view lists, const FileTree& ours);

}  // namespace pca::tunnel_ssh
