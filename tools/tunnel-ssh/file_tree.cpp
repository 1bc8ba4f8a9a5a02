#include "tunnel-ssh/file_tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>

#include "base/text.hpp"
#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t read_size = std::size_t{128} * 1024;
constexpr const char* doing = "reading the files to send";

Error unreadable(const std::string& path) {
  return failed(fmt::format("{} cannot be read: {}", visible(path), std::strerror(errno)),
                "Make it readable, or exclude it.");
}

int rank(char c) { return c == '/' ? 0 : 1 + static_cast<unsigned char>(c); }

// Walks a tree and fills a FileTree.
class Reader {
 public:
  Reader(const Budget& budget, std::string root, TreeFilter filter)
      : budget_(budget), root_(std::move(root)), filter_(std::move(filter)), buffer_(read_size) {}

  Result<FileTree> read_single(const std::string& source, const std::string& name) {
    struct stat status {};
    if (::stat(source.c_str(), &status) != 0) return unreadable(source);
    TreeEntry entry{.path = name, .source = source};
    entry.is_executable = (status.st_mode & S_IXUSR) != 0;
    PCA_CHECK(read_file(entry, 0));
    return FileTree{std::move(entry)};
  }

  Result<FileTree> read() {
    PCA_CHECK(read_folder(""));
    sort_tree(tree_);
    return std::move(tree_);
  }

 private:
  Result<> read_folder(const std::string& folder) {
    PCA_CHECK(budget_.check(doing));
    const std::string where = folder.empty() ? root_ : root_ + "/" + folder;
    std::error_code problem;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(where, problem), end; at != end && !problem;
         at.increment(problem)) {
      names.push_back(at->path().filename().native());
    }
    if (problem) {
      errno = problem.value();
      return unreadable(where);
    }
    for (const std::string& name : names) {
      PCA_CHECK(read_entry(folder.empty() ? name : folder + "/" + name));
    }
    return {};
  }

  Result<> read_entry(const std::string& path) {
    const std::string where = root_ + "/" + path;
    struct stat status {};
    if (::lstat(where.c_str(), &status) != 0) return unreadable(where);
    const bool is_folder = S_ISDIR(status.st_mode);
    if (!filter_.takes(path, is_folder)) return {};
    TreeEntry entry{.path = path, .source = where};
    if (is_folder) {
      const std::size_t before = tree_.size();
      PCA_CHECK(read_folder(path));
      if (tree_.size() == before && !filter_.include.empty()) return {};
      entry.kind = EntryKind::folder;
    } else if (S_ISLNK(status.st_mode)) {
      std::error_code problem;
      entry.kind = EntryKind::link;
      entry.target = std::filesystem::read_symlink(where, problem).native();
      if (problem) return unreadable(where);
    } else if (S_ISREG(status.st_mode)) {
      entry.is_executable = (status.st_mode & S_IXUSR) != 0;
      PCA_CHECK(read_file(entry, O_NOFOLLOW));
    } else {
      return failed(fmt::format("{} is a socket, a pipe or a device", visible(where)),
                    "Only files, folders and links can be sent: exclude it.");
    }
    tree_.push_back(std::move(entry));
    return {};
  }

  // The size is what was read, so that digest and size always belong together.
  Result<> read_file(TreeEntry& entry, int open_flags) {
    const FileDescriptor file(::open(entry.source.c_str(), O_RDONLY | O_CLOEXEC | open_flags));
    if (!file.is_open()) return unreadable(entry.source);
    while (true) {
      const ssize_t got = ::read(file.get(), buffer_.data(), buffer_.size());
      if (got < 0) return unreadable(entry.source);
      if (got == 0) break;
      digest_.feed({buffer_.data(), static_cast<std::size_t>(got)});
      entry.size += static_cast<std::uint64_t>(got);
      PCA_CHECK(budget_.check(doing));
    }
    entry.digest = to_hex(digest_.finish());
    return {};
  }

  const Budget& budget_;
  const std::string root_;
  const TreeFilter filter_;
  FileTree tree_;
  Sha256Stream digest_;
  std::vector<char> buffer_;
};

}  // namespace

// Names are compared with the slash below all else, so that a folder stands before its content and
// its content before the folder's neighbours.
void sort_tree(FileTree& tree) {
  std::sort(tree.begin(), tree.end(), [](const TreeEntry& a, const TreeEntry& b) {
    return std::lexicographical_compare(a.path.begin(), a.path.end(), b.path.begin(), b.path.end(),
                                        [](char x, char y) { return rank(x) < rank(y); });
  });
}

bool TreeFilter::takes(std::string_view path, bool is_folder) const {
  if (exclude.takes(path, is_folder)) return false;
  return is_folder || include.empty() || include.takes(path, false);
}

FileTree filtered(FileTree tree, const TreeFilter& filter) {
  std::string left_out;  // a folder, with a slash at its end
  std::erase_if(tree, [&](const TreeEntry& entry) {
    if (!left_out.empty() && entry.path.starts_with(left_out)) return true;
    const bool is_folder = entry.kind == EntryKind::folder;
    if (filter.takes(entry.path, is_folder)) return false;
    if (is_folder) left_out = entry.path + "/";
    return true;
  });
  if (filter.include.empty()) return tree;
  FileTree taken;  // from its end, where the content of a folder comes before it
  for (auto entry = tree.rbegin(); entry != tree.rend(); ++entry) {
    const bool is_empty = entry->kind == EntryKind::folder &&
                          (taken.empty() || !taken.back().path.starts_with(entry->path + "/"));
    if (!is_empty) taken.push_back(std::move(*entry));
  }
  std::reverse(taken.begin(), taken.end());
  return taken;
}

Result<FileTree> read_file_tree(const Budget& budget, const std::string& root,
                                const TreeFilter& filter) {
  return Reader(budget, root, filter).read();
}

Result<FileTree> read_single_file(const Budget& budget, const std::string& source,
                                  const std::string& name) {
  return Reader(budget, {}, {}).read_single(source, name);
}

}  // namespace pca::tunnel_ssh
