// What a host lists of its files: whatever it says, no entry lies outside of the tree, and what was
// read gives the digests of a tree.

#include "tunnel-ssh/folder_lists.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace pca;
  using namespace pca::fuzz;
  using namespace pca::tunnel_ssh;
  const FileTree ours{{.path = "a", .kind = EntryKind::folder},
                      {.path = "a/x", .digest = std::string(64, '1')}};
  const auto theirs = tree_from_lists(text_of(data, size), ours);
  if (!theirs) return 0;
  for (const TreeEntry& entry : *theirs) {
    const std::vector<std::string> names = split(entry.path, '/');
    require(std::none_of(names.begin(), names.end(),
                         [](const std::string& name) {
                           return name.empty() || name == "." || name == "..";
                         }),
            "a path stays within its tree");
    require(entry.path.find('\0') == std::string::npos, "a path holds no NUL");
  }
  (void)folder_digests(*theirs);
  return 0;
}
