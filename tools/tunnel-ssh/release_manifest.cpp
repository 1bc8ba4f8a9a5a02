#include "tunnel-ssh/release_manifest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "base/text.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t digest_size = 64;

Error broken() {
  return failed("a release's manifest on the host cannot be read",
                "Deploy again: what is there is then sent as if it were not.");
}

bool is_digest(std::string_view text) {
  return text.size() == digest_size &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The next word of a record, taken off it.
std::string_view take_word(std::string_view& record) {
  const std::size_t end = std::min(record.find(' '), record.size());
  const std::string_view word = record.substr(0, end);
  record.remove_prefix(std::min(end + 1, record.size()));
  return word;
}

}  // namespace

std::string write_manifest(const FileTree& tree) {
  std::vector<const TreeEntry*> sorted;
  for (const TreeEntry& entry : tree) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const TreeEntry* a, const TreeEntry* b) { return a->path < b->path; });
  std::string text;
  for (const TreeEntry* entry : sorted) {
    switch (entry->kind) {
      case EntryKind::file:
        text +=
            fmt::format("{} {} {} ", entry->is_executable ? 'x' : 'f', entry->size, entry->digest);
        break;
      case EntryKind::folder:
        text += "d ";
        break;
      case EntryKind::link:
        text += "l ";
        break;
    }
    (text += entry->path) += '\0';
    if (entry->kind == EntryKind::link) (text += entry->target) += '\0';
  }
  return text;
}

Result<FileTree> parse_manifest(std::string_view text) {
  FileTree tree;
  while (!text.empty()) {
    PCA_TRY(std::string_view record, take_record(text));
    const std::string_view kind = take_word(record);
    TreeEntry entry;
    if (kind == "f" || kind == "x") {
      const auto size = parse_integer(take_word(record), 0, INT64_MAX);
      const std::string_view digest = take_word(record);
      if (!size || !is_digest(digest)) return broken();
      entry.is_executable = kind == "x";
      entry.size = static_cast<std::uint64_t>(*size);
      entry.digest = digest;
    } else if (kind == "d") {
      entry.kind = EntryKind::folder;
    } else if (kind == "l") {
      entry.kind = EntryKind::link;
      PCA_TRY(entry.target, take_record(text));
    } else {
      return broken();
    }
    if (record.empty()) return broken();
    entry.path = record;
    tree.push_back(std::move(entry));
  }
  return tree;
}

}  // namespace pca::tunnel_ssh
