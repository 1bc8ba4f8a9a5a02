#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "tunnel-ssh/file_tree.hpp"

namespace pca::tunnel_ssh {

// What a release is made of, as its host keeps it in .deploy/manifests: a record each, ended by a
// NUL and sorted by path, "f SIZE SHA-256 PATH" (x in place of f: executable), "d PATH", "l PATH"
// with the link's target in a record of its own. Equal trees have equal manifests.
[[nodiscard]] std::string write_manifest(const FileTree& tree);
// Reads what a host says: failed when it is no manifest.
[[nodiscard]] Result<FileTree> parse_manifest(std::string_view text);

}  // namespace pca::tunnel_ssh
