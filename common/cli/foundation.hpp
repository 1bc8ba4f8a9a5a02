#pragma once

#include <string>
#include <vector>

namespace pca {

// What a tool's process stands on: chosen by its main, so that a tool without network has no
// network library in it.
struct Foundation {
  struct Library {
    std::string name;
    std::string revision;
  };
  void (*prepare)() = nullptr;          // once, before the tool does anything but read argv
  std::vector<Library> libraries = {};  // what --version names
};

[[nodiscard]] Foundation network_foundation();  // libcurl, libssh2, OpenSSL
[[nodiscard]] Foundation local_foundation();    // for a tool that connects to nothing

}  // namespace pca
