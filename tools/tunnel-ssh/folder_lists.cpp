#include "tunnel-ssh/folder_lists.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/digest.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::string_view root = ".";
constexpr std::string_view name_end = "//";  // never within a path
constexpr std::string_view executable = "./";
constexpr char field_end = '\1';
constexpr std::size_t longest_name = 255;   // NAME_MAX
constexpr std::size_t longest_path = 4096;  // PATH_MAX

struct SplitPath {
  std::string folder;  // as find(1) calls it
  std::string name;
};

std::string folder_of_path(const std::string& path) {
  return path.empty() ? std::string(root) : "./" + path;
}

SplitPath split_path(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return {std::string(root), path};
  return {"./" + path.substr(0, slash), path.substr(slash + 1)};
}

std::string path_in(std::string_view folder, std::string_view name) {
  if (folder == root) return std::string(name);
  return std::string(folder.substr(2)) + "/" + std::string(name);
}

std::string record_of(const TreeEntry& entry) {
  const SplitPath at = split_path(entry.path);
  const std::string start = at.folder + std::string(name_end);
  switch (entry.kind) {
    case EntryKind::link:
      return start + at.name + "//l" + entry.target + field_end;
    case EntryKind::folder:
      return start + at.name + "//d";
    case EntryKind::file:
      break;
  }
  return start + (entry.is_executable ? std::string(executable) : "") + at.name + field_end +
         entry.digest.substr(0, listed_digest_size);
}

std::string list_digest(std::string list) {
  for (char& c : list) {
    if (c == '\0') {
      c = '\n';
    } else if (c == '\n') {
      c = '\0';
    }
  }
  return to_hex(sha256(list)).substr(0, folder_digest_size);
}

Error broken() {
  return failed("the host's list of files cannot be read",
                "The host needs GNU coreutils 8.25 or later and findutils.");
}

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= longest_name &&
         name.find('/') == std::string_view::npos;
}

bool is_folder(std::string_view folder) {
  if (folder == root) return true;
  if (!folder.starts_with("./") || folder.size() > longest_path) return false;
  folder.remove_prefix(2);
  while (true) {
    const std::size_t slash = folder.find('/');
    if (!is_name(folder.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    folder.remove_prefix(slash + 1);
  }
}

// `rest` is what follows "folder//".
Result<TreeEntry> parse_entry(std::string_view folder, std::string_view rest) {
  TreeEntry entry;
  const std::size_t end = rest.find(name_end);
  if (end == std::string_view::npos) {
    entry.is_executable = rest.starts_with(executable);
    if (entry.is_executable) rest.remove_prefix(executable.size());
    const std::size_t field = rest.rfind(field_end);
    if (field == std::string_view::npos) return broken();
    const std::string_view digest = rest.substr(field + 1);
    if (digest.size() > listed_digest_size) return broken();
    // Anything odd is unlike all, so the file is sent again.
    if (digest.size() == listed_digest_size) entry.digest = digest;
    rest = rest.substr(0, field);
  } else {
    const std::string_view value = rest.substr(end + name_end.size());
    rest = rest.substr(0, end);
    if (value.starts_with('l') && value.ends_with(field_end) && value.size() <= longest_path) {
      entry.kind = EntryKind::link;
      entry.target = value.substr(1, value.size() - 2);
    } else if (value == "d") {
      entry.kind = EntryKind::folder;
    } else {
      return broken();
    }
  }
  if (!is_name(rest)) return broken();
  entry.path = path_in(folder, rest);
  return entry;
}

// Lists by folder.
using Lists = std::map<std::string, FileTree, std::less<>>;

Result<Lists> parse_lists(std::string_view text) {
  Lists lists;
  auto current = lists.end();
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    if (end == std::string_view::npos) return broken();
    const std::string_view record = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t at = record.find(name_end);
    if (at == std::string_view::npos) return broken();
    const std::string_view folder = record.substr(0, at);
    const std::string_view rest = record.substr(at + name_end.size());
    if (rest.empty()) {
      bool is_new = false;
      if (!is_folder(folder)) return broken();
      std::tie(current, is_new) = lists.try_emplace(std::string(folder));
      if (!is_new) return broken();
    } else {
      if (current == lists.end() || current->first != folder) return broken();
      PCA_TRY(current->second.emplace_back(), parse_entry(folder, rest));
    }
  }
  return lists;
}

// The digests that are ours, in full.
void complete_digests(FileTree& theirs, const FileTree& ours) {
  std::map<std::string_view, const TreeEntry*> our;
  for (const TreeEntry& entry : ours) our.emplace(entry.path, &entry);
  for (TreeEntry& entry : theirs) {
    if (entry.kind != EntryKind::file || entry.digest.empty()) continue;
    const auto found = our.find(entry.path);
    if (found != our.end() && found->second->digest.starts_with(entry.digest)) {
      entry.digest = found->second->digest;
    }
  }
}

}  // namespace

std::string file_record(const TreeEntry& entry) { return record_of(entry); }

std::string folder_digests(const FileTree& tree) {
  std::map<std::string, std::vector<std::string>> records;
  records[std::string(root)];
  for (const TreeEntry& entry : tree) {
    records[split_path(entry.path).folder].push_back(record_of(entry));
    if (entry.kind == EntryKind::folder) records[folder_of_path(entry.path)];
  }
  std::vector<std::string> lines;
  for (auto& [folder, entries] : records) {
    std::sort(entries.begin(), entries.end());
    const std::string start = folder + std::string(name_end);
    std::string list = start + '\0';
    for (const std::string& entry : entries) (list += entry) += '\0';
    lines.push_back(start + list_digest(std::move(list)) + '\0');
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line;
  return text;
}

Result<FileTree> tree_from_lists(std::string_view text, const FileTree& ours) {
  PCA_TRY(const Lists lists, parse_lists(text));
  FileTree theirs;
  std::set<std::string> folders{std::string(root)};  // that are there, among ours
  // A folder of ours that is not among the lists is like ours, if it is there at all: its parent
  // tells, which stands before it in `ours`.
  for (const auto& [folder, entries] : lists) {
    for (const TreeEntry& entry : entries) {
      theirs.push_back(entry);
      if (entry.kind == EntryKind::folder) folders.insert(folder_of_path(entry.path));
    }
  }
  for (const TreeEntry& entry : ours) {
    const std::string folder = split_path(entry.path).folder;
    if (!folders.contains(folder) || lists.contains(folder)) continue;
    theirs.push_back(entry);
    if (entry.kind == EntryKind::folder) folders.insert(folder_of_path(entry.path));
  }
  // Nothing lies in what is no folder, and nothing is two things: a path could lead through a link.
  for (const auto& [folder, entries] : lists) {
    if (!folders.contains(folder)) return broken();
  }
  complete_digests(theirs, ours);
  sort_tree(theirs);
  const auto twice =
      std::adjacent_find(theirs.begin(), theirs.end(),
                         [](const TreeEntry& a, const TreeEntry& b) { return a.path == b.path; });
  if (twice != theirs.end()) return broken();
  return theirs;
}

}  // namespace pca::tunnel_ssh
