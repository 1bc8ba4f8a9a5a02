#include "tunnel-ssh/local_tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_size = 20;  // digits

Error system_failure(const std::string& doing, const std::string& path, const std::string& why) {
  return failed(fmt::format("{} {}: {}", doing, visible(path), why));
}

Error not_as_listed(const std::string& path) {
  return failed(fmt::format("{} changed on the host while it was read", visible(path)),
                "Run this again; nothing was changed here.");
}

Result<> made(const std::string& path, const std::error_code& problem) {
  if (!problem) return {};
  return system_failure("cannot make", path, problem.message());
}

Result<> moved(const std::string& from, const std::string& to) {
  std::error_code problem;
  fs::rename(from, to, problem);
  if (!problem) return {};
  return system_failure("cannot put in place", to, problem.message());
}

}  // namespace

bool stays_within(const std::string& path, const std::string& target) {
  if (target.empty() || target.front() == '/') return false;
  auto depth = static_cast<std::int64_t>(split(path, '/').size()) - 1;
  for (const std::string& name : split(target, '/')) {
    if (name == "..") --depth;
    if (depth < 0) return false;
    if (name != ".." && name != "." && !name.empty()) ++depth;
  }
  return true;
}

LocalTree::LocalTree(std::string root, const SyncPlan& plan)
    : root_(std::move(root)),
      staging_(fmt::format("{}/.tunnel-ssh-{}", root_, random_hex(8))),
      plan_(plan) {
  for (const TreeEntry& entry : plan_.uploads) {
    if (entry.kind != EntryKind::file) continue;
    files_.push_back(&entry);
    wanted_.push_back("./" + entry.path);
  }
}

LocalTree::~LocalTree() {
  std::error_code ignored;
  if (put_back()) fs::remove_all(staging_, ignored);
}

// False where something of it is still in the staging folder only.
bool LocalTree::put_back() const {
  bool is_all_there = true;
  for (std::size_t i = 0; i < away_; ++i) {
    std::error_code problem;
    const std::string path = root_ + "/" + plan_.replaced[i];
    if (fs::exists(fs::symlink_status(path, problem))) continue;
    fs::rename(fmt::format("{}/old/{}", staging_, i), path, problem);
    is_all_there = is_all_there && !problem;
  }
  return is_all_there;
}

std::string LocalTree::staged(const std::string& path) const { return staging_ + "/new/" + path; }

Result<> LocalTree::begin() {
  std::error_code problem;
  for (const std::string& folder : {root_, staging_ + "/new", staging_ + "/old"}) {
    fs::create_directories(folder, problem);
    PCA_CHECK(made(folder, problem));
  }
  for (const TreeEntry& entry : plan_.uploads) {
    const std::string path = staged(entry.path);
    if (entry.kind == EntryKind::link && !stays_within(entry.path, entry.target)) {
      return failed(fmt::format("the link {} of the host leads out of its tree, to {}",
                                visible(entry.path), visible(entry.target)),
                    "Exclude it.");
    }
    const bool is_folder = entry.kind == EntryKind::folder;
    fs::create_directories(is_folder ? fs::path(path) : fs::path(path).parent_path(), problem);
    if (entry.kind == EntryKind::link && !problem) fs::create_symlink(entry.target, path, problem);
    PCA_CHECK(made(path, problem));
  }
  return {};
}

Result<> LocalTree::take(std::string_view bytes) {
  while (!has_sizes_ && !bytes.empty()) {
    PCA_TRY(const std::size_t taken, take_size(bytes));
    bytes.remove_prefix(taken);
  }
  while (!bytes.empty()) {
    if (left_ == 0) {
      return failed("the host sent more than it said", "Run this again; nothing was changed here.");
    }
    const std::string_view part = bytes.substr(0, left_);
    PCA_CHECK(write(part));
    bytes.remove_prefix(part.size());
    left_ -= part.size();
    bytes_ += part.size();
    if (left_ == 0) PCA_CHECK(open_next());
  }
  return {};
}

Result<std::size_t> LocalTree::take_size(std::string_view bytes) {
  const std::size_t end = bytes.find('\n');
  line_ += bytes.substr(0, end);
  if (line_.size() > longest_size) return failed("the host's sizes cannot be read");
  if (end == std::string_view::npos) return bytes.size();
  if (line_.empty()) {
    has_sizes_ = true;
    if (sizes_.size() != files_.size()) return failed("the host's sizes cannot be read");
    PCA_CHECK(open_next());
  } else {
    const auto size = parse_integer(line_, 0, INT64_MAX);
    if (!size) return failed("the host's sizes cannot be read");
    sizes_.push_back(static_cast<std::uint64_t>(*size));
    if (sizes_.size() > files_.size()) return failed("the host's sizes cannot be read");
    line_.clear();
  }
  return end + 1;
}

// Ends the current file and begins the next that has content.
Result<> LocalTree::open_next() {
  PCA_CHECK(close_current());
  while (next_ < files_.size()) {
    const TreeEntry& entry = *files_[next_];
    const std::string path = staged(entry.path);
    file_ =
        FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                              entry.is_executable ? 0755 : 0644));
    if (!file_.is_open()) return system_failure("cannot make", path, std::strerror(errno));
    left_ = sizes_[next_++];
    if (left_ > 0) return {};
    PCA_CHECK(close_current());
  }
  return {};
}

Result<> LocalTree::close_current() {
  if (!file_.is_open()) return {};
  const TreeEntry& entry = *files_[next_ - 1];
  file_.reset();
  const std::string digest = to_hex(digest_.finish());
  // By SFTP nobody told a digest; that all of it came is known by its size.
  if (!digest.starts_with(entry.digest)) return not_as_listed(entry.path);
  return {};
}

Result<> LocalTree::write(std::string_view bytes) {
  digest_.feed(bytes);
  while (!bytes.empty()) {
    const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
    if (written <= 0) {
      return system_failure("cannot write", files_[next_ - 1]->path, std::strerror(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> LocalTree::apply() {
  if (!files_.empty() && (!has_sizes_ || left_ > 0 || next_ < files_.size() || file_.is_open())) {
    return failed("what the host sent was cut short", "Run this again; nothing was changed here.");
  }
  const FileDescriptor folder(::open(staging_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::syncfs(folder.get()) != 0) {
    return system_failure("cannot make lasting what is in", staging_, std::strerror(errno));
  }
  for (const std::string& path : plan_.replaced) {
    PCA_CHECK(moved(root_ + "/" + path, fmt::format("{}/old/{}", staging_, away_)));
    ++away_;
  }
  for (const auto& [parent, paths] : plan_.moves) {
    for (const std::string& path : paths) PCA_CHECK(moved(staged(path), root_ + "/" + path));
  }
  std::error_code problem;
  constexpr auto x_bits = fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  for (const auto& [paths, change] : {std::pair{&plan_.make_executable, fs::perm_options::add},
                                      std::pair{&plan_.make_plain, fs::perm_options::remove}}) {
    for (const std::string& path : *paths) {
      fs::permissions(root_ + "/" + path, x_bits, change, problem);
      if (problem) return system_failure("cannot change", path, problem.message());
    }
  }
  for (const auto* paths : {&plan_.delete_files, &plan_.delete_folders}) {
    for (const std::string& path : *paths) {
      fs::remove(root_ + "/" + path, problem);  // a folder only when it is empty
      if (problem && problem != std::errc::directory_not_empty) {
        return system_failure("cannot delete", path, problem.message());
      }
    }
  }
  return {};
}

}  // namespace pca::tunnel_ssh
