#pragma once

#include <string>

#include "tunnel-ssh/file_tree.hpp"

namespace pca::test {

// Everything of a tree that sync promises to bring over, as text; why it cannot be read otherwise.
inline std::string tree_picture(const std::string& root) {
  const auto tree = tunnel_ssh::read_file_tree(Budget::of(Milliseconds{60'000}), root, {});
  if (!tree) return tree.error().message;
  std::string text;
  for (const tunnel_ssh::TreeEntry& entry : *tree) {
    text += entry.path + " " + std::to_string(static_cast<int>(entry.kind)) + " " + entry.digest +
            entry.target + (entry.is_executable ? " x" : "") + "\n";
  }
  return text;
}

}  // namespace pca::test
