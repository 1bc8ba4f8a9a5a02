#include "tunnel-ssh/sync_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

using EntriesByPath = std::unordered_map<std::string_view, const TreeEntry*>;

EntriesByPath by_path(const FileTree& tree) {
  EntriesByPath entries;
  for (const TreeEntry& entry : tree) entries.emplace(entry.path, &entry);
  return entries;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

bool has_same_content(const TreeEntry& a, const TreeEntry& b) {
  if (a.kind == EntryKind::file) return !a.digest.empty() && a.digest == b.digest;
  return a.kind == EntryKind::folder || a.target == b.target;
}

class Planner {
 public:
  Planner(const FileTree& ours, const FileTree& theirs, const SyncRules& rules)
      : ours_(ours), theirs_(theirs), rules_(rules), their_(by_path(theirs)) {}

  Result<SyncPlan> plan() {
    for (const TreeEntry& entry : ours_) PCA_CHECK(place(entry));
    if (rules_.delete_others) PCA_CHECK(delete_others());
    return std::move(plan_);
  }

 private:
  Result<> place(const TreeEntry& entry) {
    if (!new_folder_.empty() && lies_in(entry.path, new_folder_)) {
      upload(entry, false);
      return {};
    }
    const auto found = their_.find(entry.path);
    if (found == their_.end()) {
      upload(entry, false);
      move(entry);
      return {};
    }
    const TreeEntry& their = *found->second;
    if (their.kind != entry.kind) {
      if (their.kind == EntryKind::folder) PCA_CHECK(may_replace(entry.path));
      plan_.replaced.push_back(entry.path);
      upload(entry, true);
      move(entry);
    } else if (!has_same_content(entry, their)) {
      upload(entry, true);
      move(entry);
    } else if (entry.kind == EntryKind::file && entry.is_executable != their.is_executable) {
      (entry.is_executable ? plan_.make_executable : plan_.make_plain).push_back(entry.path);
      ++plan_.updated;
    } else if (entry.kind != EntryKind::folder) {
      ++plan_.unchanged;
    }
    return {};
  }

  void upload(const TreeEntry& entry, bool is_there) {
    plan_.uploads.push_back(entry);
    plan_.bytes += entry.size;
    if (entry.kind != EntryKind::folder) ++(is_there ? plan_.updated : plan_.added);
  }

  // A new folder goes to its place with everything in it.
  void move(const TreeEntry& entry) {
    plan_.moves[parent_of(entry.path)].push_back(entry.path);
    if (entry.kind == EntryKind::folder) new_folder_ = entry.path;
  }

  Result<> may_replace(const std::string& folder) {
    for (const TreeEntry& their : theirs_) {
      if (!lies_in(their.path, folder)) continue;
      if (rules_.delete_others &&
          rules_.filter.takes(their.path, their.kind == EntryKind::folder)) {
        continue;
      }
      return failed(fmt::format("{} is a folder on the host, and holds {}", visible(folder),
                                visible(their.path)),
                    "Move it away there, or set `delete` so that what is not sent is deleted.");
    }
    return {};
  }

  Result<> delete_others() {
    const EntriesByPath our = by_path(ours_);
    std::set<std::string, std::less<>> kept_folders;
    std::size_t all = 0;
    for (const TreeEntry& entry : theirs_) {
      const bool is_folder = entry.kind == EntryKind::folder;
      const bool is_kept = our.contains(entry.path) || !is_ours_to_delete(entry);
      if (!is_folder) ++all;
      if (is_kept) {
        for (std::string up = parent_of(entry.path); !up.empty(); up = parent_of(up)) {
          kept_folders.insert(up);
        }
      } else if (!is_replaced(entry.path)) {
        (is_folder ? plan_.delete_folders : plan_.delete_files).push_back(entry.path);
      }
    }
    std::erase_if(plan_.delete_folders,
                  [&](const std::string& path) { return kept_folders.contains(path); });
    std::sort(plan_.delete_folders.rbegin(), plan_.delete_folders.rend());
    return check_limit(all);
  }

  // An `include` chooses files, so folders are not meant then.
  [[nodiscard]] bool is_ours_to_delete(const TreeEntry& entry) const {
    const bool is_folder = entry.kind == EntryKind::folder;
    if (is_folder && !rules_.filter.include.empty()) return false;
    return rules_.filter.takes(entry.path, is_folder);
  }

  [[nodiscard]] bool is_replaced(const std::string& path) const {
    return std::any_of(plan_.replaced.begin(), plan_.replaced.end(),
                       [&](const std::string& folder) { return lies_in(path, folder); });
  }

  [[nodiscard]] Result<> check_limit(std::size_t all) const {
    const std::size_t deleted = plan_.delete_files.size();
    if (static_cast<double>(deleted) <= rules_.delete_limit * static_cast<double>(all)) return {};
    return failed(
        fmt::format("{} of {} files on the host would be deleted, which is more than delete-limit "
                    "({:.0f}%) allows; nothing was changed",
                    deleted, all, rules_.delete_limit * 100),
        "Look at both sides of the upload. If it is meant, set delete-limit: 100%.");
  }

  const FileTree& ours_;
  const FileTree& theirs_;
  const SyncRules& rules_;
  const EntriesByPath their_;
  std::string new_folder_;
  SyncPlan plan_;
};

}  // namespace

bool SyncPlan::is_empty() const {
  return uploads.empty() && make_executable.empty() && make_plain.empty() && deleted() == 0;
}

Result<SyncPlan> plan_sync(const FileTree& ours, const FileTree& theirs, const SyncRules& rules) {
  return Planner(ours, theirs, rules).plan();
}

std::vector<std::string> describe(const SyncPlan& plan, const FileTree& theirs) {
  const EntriesByPath their = by_path(theirs);
  std::vector<std::string> lines;
  for (const TreeEntry& entry : plan.uploads) {
    const char* sign = their.contains(entry.path) ? "~ " : "+ ";
    lines.push_back(sign + visible(entry.path) + (entry.kind == EntryKind::folder ? "/" : ""));
  }
  for (const auto& [paths, sign] :
       {std::pair{&plan.make_executable, "~ "}, std::pair{&plan.make_plain, "~ "},
        std::pair{&plan.delete_files, "- "}, std::pair{&plan.delete_folders, "- "}}) {
    for (const std::string& path : *paths) lines.push_back(sign + visible(path));
  }
  return lines;
}

Result<double> parse_share(std::string_view text) {
  if (text.ends_with('%')) {
    if (auto percent = parse_integer(text.substr(0, text.size() - 1), 0, 100)) {
      return static_cast<double>(*percent) / 100;
    }
  }
  return bad_input(fmt::format("\"{}\" is no share", visible(text)), "Write 50%, or another one.");
}

}  // namespace pca::tunnel_ssh
