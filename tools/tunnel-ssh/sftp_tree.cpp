#include "tunnel-ssh/sftp_tree.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <set>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "net/file_descriptor.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t chunk = std::size_t{32} * 1024;  // what every server takes in one packet
constexpr std::size_t most_open = 16;                  // files and folders at once
constexpr std::size_t most_entries = 300'000;
constexpr std::size_t longest_path = 4096;
constexpr std::uint64_t largest_index = std::uint64_t{256} << 20U;
constexpr std::size_t id_bytes = 8;
constexpr Milliseconds cleanup_limit{5000};
constexpr std::string_view staging_begin = ".tunnel-ssh-";
constexpr std::string_view index_folder = ".tunnel-ssh-index";
constexpr std::int64_t abandoned_after = 24 * 60 * 60;  // seconds; no upload takes as long
constexpr char field_end = '\1';
constexpr std::uint32_t mode_bits = 07777;
constexpr std::uint32_t x_bits = 0111;

// A path for the server, which starts in the folder of the login.
std::string server_path(std::string path) {
  if (path == "~") return ".";
  if (path.starts_with("~/")) path.erase(0, 2);
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path.empty() ? "." : path;
}

std::string joined(std::string_view folder, std::string_view name) {
  if (folder.empty() || folder == ".") return std::string(name);
  return fmt::format("{}{}{}", folder, folder.ends_with('/') ? "" : "/", name);
}

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(path.substr(0, slash));
}

std::size_t depth_of(std::string_view path) {
  return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

bool is_kind(const SftpAttributes& attributes, mode_t kind) {
  return attributes.permissions && (*attributes.permissions & S_IFMT) == kind;
}

// SFTP's times are whole seconds. With an earlier one than now, whoever changes the file after us
// gives it another, however soon that is.
std::uint32_t time_before_now() {
  constexpr auto earlier = std::chrono::seconds(2);
  const auto since_1970 = (std::chrono::system_clock::now() - earlier).time_since_epoch();
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::seconds>(since_1970).count());
}

// Of this tool: a staging folder or that of the index, neither of which is anybody's content.
bool is_ours(std::string_view path) {
  return path.substr(path.rfind('/') + 1).starts_with(staging_begin);
}
bool is_staging(std::string_view path) { return is_ours(path) && path != index_folder; }

SftpClient::Then ignored() {
  return [](const SftpAnswer&) -> Result<> { return {}; };
}

Error changed_here(const std::string& path) {
  return failed(fmt::format("{} changed while it was being sent", visible(path)),
                "Let nothing write there meanwhile, and run this again: the host is as before.");
}

Error changed_there(const std::string& path) {
  return failed(fmt::format("{} changed on the host while it was read", visible(path)),
                "Run this again; nothing was changed here.");
}

std::string reason_of(const SftpAnswer& answer) {
  constexpr std::size_t longest_reason = 200;
  switch (answer.code) {
    case SftpAnswer::no_such_file:
      return "no such file or folder";
    case SftpAnswer::permission_denied:
      return "permission denied";
    case SftpAnswer::not_supported:
      return "the server cannot do that";
    default:
      break;
  }
  const std::string said = visible(cut_utf8(trim(answer.text), longest_reason));
  return said.empty() ? fmt::format("failed (SFTP status {})", answer.code) : to_lower(said);
}

// One of our files on its way into a new one there.
class Sending {
 public:
  using Done = std::function<void(const SftpAttributes&)>;

  Sending(SftpClient& client, const TreeEntry& entry, std::string to, Done done)
      : client_(client), entry_(entry), to_(std::move(to)), done_(std::move(done)) {}

  Result<> begin(std::function<Error(const SftpAnswer&)> problem) {
    problem_ = std::move(problem);
    file_ = FileDescriptor(::open(entry_.source.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_.is_open()) return changed_here(entry_.source);
    left_ = entry_.size;
    ask(SftpRequest::create(to_, entry_.is_executable ? 0755 : 0644),
        [this](const SftpAnswer& answer) -> Result<> {
          if (!answer.is_ok() || answer.kind != SftpAnswer::Kind::handle) return problem_(answer);
          handle_ = answer.text;
          is_open_ = true;
          return {};
        });
    return {};
  }

  // Asks for the next thing, if there is one now.
  Result<bool> more(std::uint64_t& sent) {
    if (!is_open_ || is_all_asked_) return false;
    if (left_ == 0) {
      PCA_CHECK(end());
      return true;
    }
    std::string data(std::min<std::uint64_t>(chunk, left_), '\0');
    const ssize_t got = ::read(file_.get(), data.data(), data.size());
    if (got <= 0) return changed_here(entry_.source);
    data.resize(static_cast<std::size_t>(got));
    digest_.feed(data);
    ask(SftpRequest::write(handle_, entry_.size - left_, data), must_succeed());
    left_ -= data.size();
    sent += data.size();
    return true;
  }
  [[nodiscard]] bool is_done() const { return is_all_asked_ && unanswered_ == 0; }

 private:
  // A server may answer in any order: it is done when nothing is left to be answered.
  void ask(const SftpRequest& request, SftpClient::Then then) {
    ++unanswered_;
    client_.ask(request, [this, then = std::move(then)](const SftpAnswer& answer) -> Result<> {
      --unanswered_;
      PCA_CHECK(then(answer));
      if (is_done()) done_(attributes_);
      return {};
    });
  }

  SftpClient::Then must_succeed() {
    return [this](const SftpAnswer& answer) -> Result<> {
      if (!answer.is_ok()) return problem_(answer);
      return {};
    };
  }

  Result<> end() {
    char one_more = 0;
    if (::read(file_.get(), &one_more, 1) != 0 || to_hex(digest_.finish()) != entry_.digest) {
      return changed_here(entry_.source);
    }
    file_.reset();
    if (client_.has("fsync@openssh.com")) {
      ask(SftpRequest::sync_file(handle_), must_succeed());
    }
    ask(SftpRequest::set_time(handle_, time_before_now()), ignored());
    ask(SftpRequest::fstat(handle_), [this](const SftpAnswer& answer) -> Result<> {
      if (answer.is_ok()) attributes_ = answer.attributes;
      return {};
    });
    ask(SftpRequest::close(handle_), must_succeed());
    is_all_asked_ = true;
    return {};
  }

  SftpClient& client_;
  const TreeEntry& entry_;
  const std::string to_;
  const Done done_;
  std::function<Error(const SftpAnswer&)> problem_;
  FileDescriptor file_;
  Sha256Stream digest_;
  std::uint64_t left_ = 0;
  std::string handle_;
  SftpAttributes attributes_;
  bool is_open_ = false;
  bool is_all_asked_ = false;
  std::size_t unanswered_ = 0;
};

// A file there on its way to us, of the size that was told.
class Fetching {
 public:
  Fetching(SftpClient& client, std::string path, std::uint64_t size)
      : client_(client), path_(std::move(path)), size_(size) {}

  void begin(std::function<Error(const SftpAnswer&)> problem) {
    problem_ = std::move(problem);
    client_.ask(SftpRequest::open_to_read(path_), [this](const SftpAnswer& answer) -> Result<> {
      if (!answer.is_ok() || answer.kind != SftpAnswer::Kind::handle) return problem_(answer);
      handle_ = answer.text;
      is_open_ = true;
      if (size_ == 0) close();
      return {};
    });
  }

  Result<bool> more() {
    if (!is_open_ || asked_ == size_) return false;
    const auto size = static_cast<std::uint32_t>(std::min<std::uint64_t>(chunk, size_ - asked_));
    read(std::exchange(asked_, asked_ + size), size);
    return true;
  }

  // Gives what has come and is next.
  Result<> drain(const RemoteSink& sink) {
    for (auto at = parts_.begin(); at != parts_.end() && at->first == given_;
         at = parts_.erase(at)) {
      given_ += at->second.size();
      PCA_CHECK(sink(at->second));
    }
    return {};
  }
  [[nodiscard]] bool is_done() const { return is_open_ && given_ == size_; }
  [[nodiscard]] std::size_t held() const { return parts_.size() * chunk; }

 private:
  void read(std::uint64_t offset, std::uint32_t size) {
    client_.ask(
        SftpRequest::read(handle_, offset, size),
        [this, offset, size](const SftpAnswer& answer) -> Result<> {
          if (answer.code == SftpAnswer::end_of_file) return changed_there(path_);
          if (!answer.is_ok()) return problem_(answer);
          if (answer.kind != SftpAnswer::Kind::data || answer.text.empty() ||
              answer.text.size() > size) {
            return changed_there(path_);
          }
          const auto got = static_cast<std::uint32_t>(answer.text.size());
          parts_.emplace(offset, answer.text);
          arrived_ += got;
          if (got < size) read(offset + got, size - got);  // a server may give less
          if (arrived_ == size_) close();
          return {};
        },
        size);
  }
  void close() { client_.ask(SftpRequest::close(handle_), ignored()); }

  SftpClient& client_;
  const std::string path_;
  const std::uint64_t size_;
  std::function<Error(const SftpAnswer&)> problem_;
  std::string handle_;
  bool is_open_ = false;
  std::uint64_t asked_ = 0;
  std::uint64_t arrived_ = 0;
  std::uint64_t given_ = 0;
  std::map<std::uint64_t, std::string> parts_;  // by their offset
};

}  // namespace

SftpTree::SftpTree(SftpClient& client, const std::string& path, std::string only)
    : client_(client),
      root_(server_path(path)),
      only_(std::move(only)),
      staging_(joined(root_, std::string(staging_begin) + random_hex(id_bytes))),
      index_(std::string(index_folder) + "/" + to_hex(sha256(root_ + "/" + only_))) {}

std::string SftpTree::at(std::string_view path) const { return joined(root_, path); }

Error SftpTree::problem(std::string_view doing, std::string_view path,
                        const SftpAnswer& answer) const {
  std::string hint;
  if (answer.code == SftpAnswer::permission_denied) {
    hint = "See who owns it on the host, and as whom this logs in.";
  } else if (answer.code == SftpAnswer::failure) {
    hint =
        "SFTP does not say why: the file system may be full, or something of that name be there.";
  }
  return failed(
      fmt::format("{}: {} {}: {}", client_.who(), doing, visible(path), reason_of(answer)),
      std::move(hint));
}

SftpClient::Then SftpTree::must_succeed(std::string doing, std::string path) const {
  return [this, doing = std::move(doing),
          path = std::move(path)](const SftpAnswer& answer) -> Result<> {
    if (!answer.is_ok()) return problem(doing, path, answer);
    return {};
  };
}

// ---- looking

Result<SftpTree::ListedTree> SftpTree::list(const Budget& budget, const std::string& folder) const {
  ListedTree listed;
  std::deque<std::string> folders{""};
  std::size_t open = 0;
  // Names of one answer, of which each is one of the folder's.
  std::size_t told = 0;
  const auto take = [&](const std::string& in, const SftpAnswer& answer) -> Result<> {
    told += answer.names.size();
    if (answer.names.empty() || told > most_entries) {
      return failed(fmt::format("{}: the list of {} does not end", client_.who(),
                                visible(joined(folder, in))),
                    "This holds 300,000 entries at most: sync parts of it.");
    }
    for (const SftpAnswer::Name& found : answer.names) {
      if (found.name == "." || found.name == "..") continue;
      const std::string path = joined(in, found.name);
      if (found.name.empty() ||
          found.name.find_first_of(std::string_view("/\0", 2)) != std::string::npos ||
          path.size() > longest_path) {
        return failed(fmt::format("{}: the list of {} cannot be read", client_.who(),
                                  visible(joined(folder, in))),
                      "It has names that no file has.");
      }
      listed.push_back({path, found.attributes, {}});
      if (is_kind(found.attributes, S_IFDIR) && !is_ours(path)) folders.push_back(path);
      if (!is_kind(found.attributes, S_IFLNK)) continue;
      client_.ask(SftpRequest::read_link(joined(folder, path)),
                  [&, index = listed.size() - 1, path](const SftpAnswer& link) -> Result<> {
                    if (!link.is_ok()) return problem("cannot read the link", path, link);
                    if (link.names.size() == 1) listed[index].target = link.names.front().name;
                    return {};
                  });
    }
    return {};
  };
  std::function<void(const std::string&, const std::string&)> read =
      [&](const std::string& in, const std::string& handle) {
        client_.ask(
            SftpRequest::read_folder(handle),
            [&, in, handle](const SftpAnswer& answer) -> Result<> {
              if (answer.code == SftpAnswer::end_of_file) {
                client_.ask(SftpRequest::close(handle), ignored());
                --open;
                return {};
              }
              if (!answer.is_ok()) return problem("cannot list", joined(folder, in), answer);
              PCA_CHECK(take(in, answer));
              read(in, handle);
              return {};
            },
            chunk);
      };
  PCA_CHECK(client_.finish(budget, [&]() -> Result<bool> {
    if (folders.empty() || open == most_open) return false;
    const std::string in = std::move(folders.front());
    folders.pop_front();
    ++open;
    client_.ask(SftpRequest::open_folder(joined(folder, in.empty() ? "." : in)),
                [&, in](const SftpAnswer& answer) -> Result<> {
                  if (!answer.is_ok() || answer.kind != SftpAnswer::Kind::handle) {
                    return problem("cannot list", joined(folder, in), answer);
                  }
                  read(in, answer.text);
                  return {};
                });
    return true;
  }));
  return listed;
}

Result<FileTree> SftpTree::look(const Budget& budget, const FileTree& /*ours*/) {
  known_.clear();
  abandoned_.clear();
  PCA_TRY(const SftpAnswer root, client_.ask(budget, SftpRequest::stat(root_)));
  is_there_ = root.code != SftpAnswer::no_such_file;
  if (!is_there_) return FileTree();
  if (!root.is_ok()) return problem("cannot look at", root_, root);
  if (!is_kind(root.attributes, S_IFDIR)) {
    return failed(fmt::format("{}: {} is no folder", client_.who(), visible(root_)));
  }
  ListedTree listed;
  if (only_.empty()) {
    PCA_TRY(listed, list(budget, root_));
  } else {
    PCA_TRY(const SftpAnswer one, client_.ask(budget, SftpRequest::lstat(at(only_))));
    if (one.is_ok() && is_kind(one.attributes, S_IFDIR)) {
      PCA_TRY(listed, list(budget, at(only_)));
      for (Listed& entry : listed) entry.path = joined(only_, entry.path);
    }
    if (one.is_ok())
      listed.push_back({only_, one.attributes, {}});
    else if (one.code != SftpAnswer::no_such_file)
      return problem("cannot look at", only_, one);
  }
  FileTree tree;
  for (const Listed& entry : listed) {
    const SftpAttributes& has = entry.attributes;
    if (is_ours(entry.path)) {
      const std::int64_t age = std::int64_t{time_before_now()} - has.mtime.value_or(UINT32_MAX);
      const bool is_old = age > abandoned_after;
      if (is_old && is_staging(entry.path) && is_kind(has, S_IFDIR))
        abandoned_.push_back(entry.path);
      continue;
    }
    if (!has.permissions) {
      return failed(
          fmt::format("{}: the SFTP server does not tell files and folders apart", client_.who()));
    }
    if (is_kind(has, S_IFREG)) {
      known_[entry.path] = {has.size.value_or(0), has.mtime.value_or(0), *has.permissions, {}};
      tree.push_back({.path = entry.path,
                      .is_executable = (*has.permissions & S_IXUSR) != 0,
                      .size = has.size.value_or(0)});
    } else if (is_kind(has, S_IFDIR)) {
      tree.push_back({.path = entry.path, .kind = EntryKind::folder});
    } else if (is_kind(has, S_IFLNK)) {
      tree.push_back({.path = entry.path, .kind = EntryKind::link, .target = entry.target});
    }
  }
  PCA_CHECK(read_index(budget));
  for (TreeEntry& entry : tree) {
    if (entry.kind == EntryKind::file) entry.digest = known_.at(entry.path).digest;
  }
  sort_tree(tree);
  return tree;
}

Result<> SftpTree::fetch(const Budget& budget, const std::vector<std::string>& paths,
                         const RemoteSink& sink) {
  std::deque<std::unique_ptr<Fetching>> files;
  std::size_t next = 0;
  std::string sizes;
  for (const std::string& path : paths) {
    const auto known = known_.find(path.substr(2));  // behind "./"
    if (known == known_.end()) return changed_there(path);
    sizes += fmt::format("{}\n", known->second.size);
  }
  PCA_CHECK(sink(sizes + "\n"));
  // What came of files behind one that is slow is held here.
  constexpr std::size_t most_held = std::size_t{16} << 20U;
  const auto more = [&]() -> Result<bool> {
    std::size_t held = 0;
    while (!files.empty()) {
      PCA_CHECK(files.front()->drain(sink));
      if (!files.front()->is_done()) break;
      files.pop_front();
    }
    for (const auto& file : files) held += file->held();
    if (held > most_held) return files.front()->more();
    for (const auto& file : files) {
      PCA_TRY(const bool asked, file->more());
      if (asked) return true;
    }
    if (next == paths.size() || files.size() == most_open) return false;
    const std::string path = paths[next++].substr(2);
    files.push_back(std::make_unique<Fetching>(client_, at(path), known_.at(path).size));
    files.back()->begin(
        [this, path](const SftpAnswer& answer) { return problem("cannot read", path, answer); });
    return true;
  };
  // Until all was taken: the last answers ask nothing further, but are to be given away.
  do {
    PCA_CHECK(client_.finish(budget, more));
  } while (!files.empty());
  return {};
}

// ---- changing

Result<> SftpTree::make_folders(const Budget& budget, const std::string& path) const {
  std::vector<std::string> chain;
  for (std::string up = path; !up.empty() && up != "." && up != "/"; up = parent_of(up)) {
    chain.push_back(up);
  }
  // Those that are there make it fail, and it is the last that counts.
  for (auto folder = chain.rbegin(); folder != chain.rend(); ++folder) {
    PCA_CHECK(client_.ask(budget, SftpRequest::make_folder(*folder, 0755)));
  }
  PCA_TRY(const SftpAnswer there, client_.ask(budget, SftpRequest::stat(path)));
  if (!there.is_ok()) return problem("cannot make the folder", path, there);
  return {};
}

Result<> SftpTree::check_room(const Budget& budget, const std::string& folder,
                              std::uint64_t bytes) const {
  if (!client_.has("statvfs@openssh.com")) return {};
  PCA_TRY(const SftpAnswer answer, client_.ask(budget, SftpRequest::file_system(folder)));
  const auto free = answer.is_ok() ? free_bytes(answer) : std::nullopt;
  if (!free || *free >= bytes) return {};
  return failed(
      fmt::format("{}: the file system of {} has {} free, and {} are to be put beside "
                  "what is there",
                  client_.who(), visible(folder), rounded_size(*free), rounded_size(bytes)),
      "Make room, then run this again.");
}

Result<> SftpTree::send(const Budget& budget, const SyncPlan& plan, const SendProgress& progress) {
  const std::string folder = staging_ + "/new";
  // Folders first, each behind the one that it is in.
  std::set<std::string> folders;
  for (const TreeEntry& entry : plan.uploads) {
    if (entry.kind == EntryKind::folder) folders.insert(entry.path);
    for (std::string up = parent_of(entry.path); !up.empty(); up = parent_of(up))
      folders.insert(up);
  }
  std::map<std::size_t, std::vector<std::string>> by_depth;
  for (const std::string& path : folders) by_depth[depth_of(path)].push_back(path);
  for (const auto& [depth, paths] : by_depth) {
    for (const std::string& path : paths) {
      client_.ask(SftpRequest::make_folder(joined(folder, path), 0755),
                  must_succeed("cannot make the folder", path));
    }
    PCA_CHECK(client_.finish(budget));
  }
  std::vector<const TreeEntry*> files;
  for (const TreeEntry& entry : plan.uploads) {
    if (entry.kind == EntryKind::file) files.push_back(&entry);
    if (entry.kind != EntryKind::link) continue;
    client_.ask(SftpRequest::make_link(joined(folder, entry.path), entry.target),
                must_succeed("cannot make the link", entry.path));
  }
  std::vector<std::unique_ptr<Sending>> sending;
  std::size_t next = 0;
  std::uint64_t sent = 0;
  return client_.finish(budget, [&]() -> Result<bool> {
    std::erase_if(sending, [](const auto& file) { return file->is_done(); });
    for (const auto& file : sending) {
      PCA_TRY(const bool asked, file->more(sent));
      if (!asked) continue;
      if (progress) progress(sent, plan.bytes);
      return true;
    }
    if (next == files.size() || sending.size() == most_open) return false;
    const TreeEntry& entry = *files[next++];
    sending.push_back(std::make_unique<Sending>(
        client_, entry, joined(folder, entry.path), [this, &entry](const SftpAttributes& has) {
          known_[entry.path] = {has.size.value_or(entry.size), has.mtime.value_or(0),
                                has.permissions.value_or(0), entry.digest};
        }));
    PCA_CHECK(sending.back()->begin([this, &entry](const SftpAnswer& answer) {
      return problem("cannot write", entry.path, answer);
    }));
    return true;
  });
}

Result<> SftpTree::move_into_place(const Budget& budget, const SyncPlan& plan) {
  is_moving_ = true;
  const bool replaces = client_.has("posix-rename@openssh.com");
  for (const std::string& path : plan.replaced) move_away(path);
  PCA_CHECK(client_.finish(budget));
  for (const auto& [folder, paths] : plan.moves) {
    for (const std::string& path : paths) {
      const std::string from = fmt::format("{}/new/{}", staging_, path);
      if (replaces) {
        client_.ask(SftpRequest::posix_rename(from, at(path)),
                    must_succeed("cannot put in place", path));
        continue;
      }
      PCA_TRY(const SftpAnswer there, client_.ask(budget, SftpRequest::lstat(at(path))));
      if (there.is_ok()) move_away(path);
      client_.ask(SftpRequest::rename(from, at(path)), must_succeed("cannot put in place", path));
      PCA_CHECK(client_.finish(budget));
    }
  }
  for (const auto& [paths, is_executable] :
       {std::pair{&plan.make_executable, true}, std::pair{&plan.make_plain, false}}) {
    for (const std::string& path : *paths) {
      Known& known = known_.at(path);
      const std::uint32_t mode = known.permissions & mode_bits;
      client_.ask(
          SftpRequest::set_permissions(at(path), is_executable ? mode | x_bits : mode & ~x_bits),
          must_succeed("cannot change the mode of", path));
    }
  }
  return client_.finish(budget);
}

void SftpTree::move_away(const std::string& path) {
  client_.ask(SftpRequest::rename(at(path), fmt::format("{}/old/{}", staging_, away_.size())),
              must_succeed("cannot move away", path));
  away_.push_back(path);
}

// After a failure: what was moved away and has nothing in its place goes back. False where that
// cannot be said of all of it.
bool SftpTree::put_back(const Budget& budget) {
  if (!client_.finish(budget)) return false;  // what is still on its way
  bool is_all_there = true;
  for (std::size_t i = 0; i < away_.size(); ++i) {
    const auto there = client_.ask(budget, SftpRequest::lstat(at(away_[i])));
    if (there && there->is_ok()) continue;
    const auto back = client_.ask(
        budget, SftpRequest::rename(fmt::format("{}/old/{}", staging_, i), at(away_[i])));
    is_all_there = is_all_there && back && back->is_ok();
  }
  return is_all_there;
}

Result<> SftpTree::remove_others(const Budget& budget, const SyncPlan& plan) {
  for (const std::string& path : plan.delete_files) {
    known_.erase(path);
    client_.ask(SftpRequest::remove(at(path)), [this, path](const SftpAnswer& answer) -> Result<> {
      if (answer.is_ok() || answer.code == SftpAnswer::no_such_file) return {};
      return problem("cannot delete", path, answer);
    });
  }
  PCA_CHECK(client_.finish(budget));
  // Deepest first. One that is not empty stays.
  for (const std::string& path : plan.delete_folders) {
    PCA_TRY(const SftpAnswer answer, client_.ask(budget, SftpRequest::remove_folder(at(path))));
    if (answer.code == SftpAnswer::permission_denied) return problem("cannot delete", path, answer);
  }
  return {};
}

Result<> SftpTree::remove_tree(const Budget& budget, const std::string& folder) const {
  PCA_TRY(const ListedTree listed, list(budget, folder));
  std::map<std::size_t, std::vector<std::string>> folders;
  for (const Listed& entry : listed) {
    if (is_kind(entry.attributes, S_IFDIR))
      folders[depth_of(entry.path)].push_back(entry.path);
    else
      client_.ask(SftpRequest::remove(joined(folder, entry.path)), ignored());
  }
  PCA_CHECK(client_.finish(budget));
  for (auto level = folders.rbegin(); level != folders.rend(); ++level) {
    for (const std::string& path : level->second) {
      client_.ask(SftpRequest::remove_folder(joined(folder, path)), ignored());
    }
    PCA_CHECK(client_.finish(budget));
  }
  client_.ask(SftpRequest::remove_folder(folder),
              must_succeed("cannot remove what it was sent to,", folder));
  return client_.finish(budget);
}

Result<> SftpTree::carry_out(const Budget& budget, const SyncPlan& plan,
                             const SendProgress& progress) {
  for (const std::string& folder : {staging_, staging_ + "/new", staging_ + "/old"}) {
    client_.ask(SftpRequest::make_folder(folder, 0755),
                must_succeed("cannot make the folder", folder));
  }
  PCA_CHECK(client_.finish(budget));
  PCA_CHECK(send(budget, plan, progress));
  PCA_CHECK(move_into_place(budget, plan));
  return remove_others(budget, plan);
}

Result<> SftpTree::apply(const Budget& budget, const SyncPlan& plan, const SendProgress& progress) {
  PCA_CHECK(make_folders(budget, root_));
  PCA_CHECK(check_room(budget, root_, plan.bytes));
  auto done = carry_out(budget, plan, progress);
  // Also of a run that was cancelled, as far as the connection is still there.
  const Budget farewell = Budget::of(cleanup_limit);
  const bool is_back = done || !is_moving_ || put_back(farewell);
  const auto removed = is_back ? remove_tree(farewell, staging_) : Result<>();
  if (!done) {
    Error error = std::move(done).error();
    if (!is_back) error.message += "; what was there before is in " + visible(staging_);
    if (is_moving_ && error.kind == ErrorKind::unreachable) {
      error.kind = ErrorKind::outcome_unknown;
      error.hint = "Run it again: what has arrived is not sent a second time.";
    } else if (is_moving_) {
      error.message += "; some of it may be in place";
    }
    return error;
  }
  PCA_CHECK(removed);
  for (const std::string& path : abandoned_) {
    // It may be a link by now.
    const auto there = client_.ask(farewell, SftpRequest::lstat(at(path)));
    if (there && is_kind(there->attributes, S_IFDIR)) (void)remove_tree(farewell, at(path));
  }
  write_index(farewell);
  return {};
}

// ---- the index

Result<> SftpTree::read_index(const Budget& budget) {
  PCA_TRY(const SftpAnswer there, client_.ask(budget, SftpRequest::stat(index_)));
  if (!there.is_ok() || there.attributes.size.value_or(0) > largest_index) return {};
  Fetching file(client_, index_, there.attributes.size.value_or(0));
  std::string text;
  file.begin([](const SftpAnswer& answer) { return failed(reason_of(answer)); });
  const auto read = client_.finish(budget, [&] { return file.more(); });
  if (!read) {
    // Without it everything counts as changed.
    if (read.error().kind == ErrorKind::failed) return {};
    return read.error();
  }
  PCA_CHECK(file.drain([&text](std::string_view part) -> Result<> {
    text += part;
    return {};
  }));
  const SftpIndex index = parse_index(text);
  for (auto& [path, known] : known_) {
    const auto found = index.find(path);
    if (found == index.end()) continue;
    if (found->second.size == known.size && found->second.mtime == known.mtime) {
      known.digest = found->second.digest;
    }
  }
  return {};
}

// As good as it goes: without it more is sent the next time.
void SftpTree::write_index(const Budget& budget) const {
  SftpIndex index;
  for (const auto& [path, known] : known_) {
    if (!known.digest.empty()) index[path] = {known.size, known.mtime, known.digest};
  }
  const std::string text = index_text(index);
  const std::string fresh = index_ + "." + random_hex(id_bytes);
  // Where it is there already, that fails, and is as good.
  client_.ask(SftpRequest::make_folder(index_folder, 0700), ignored());
  std::string handle;
  client_.ask(SftpRequest::create(fresh, 0600), [&](const SftpAnswer& answer) -> Result<> {
    if (!answer.is_ok()) return failed(reason_of(answer));
    handle = answer.text;
    return {};
  });
  if (!client_.finish(budget)) return;
  std::size_t sent = 0;
  bool is_whole = true;
  const auto note = [&](const SftpAnswer& answer) -> Result<> {
    is_whole = is_whole && answer.is_ok();
    return {};
  };
  const auto written = client_.finish(budget, [&]() -> Result<bool> {
    if (sent == text.size()) return false;
    const std::string_view part = std::string_view(text).substr(sent, chunk);
    client_.ask(SftpRequest::write(handle, sent, part), note);
    sent += part.size();
    return true;
  });
  if (!written) return;
  client_.ask(SftpRequest::close(handle), note);
  if (!client_.finish(budget)) return;
  if (is_whole && !client_.has("posix-rename@openssh.com")) {
    client_.ask(SftpRequest::remove(index_), ignored());
  }
  client_.ask(!is_whole                                 ? SftpRequest::remove(fresh)
              : client_.has("posix-rename@openssh.com") ? SftpRequest::posix_rename(fresh, index_)
                                                        : SftpRequest::rename(fresh, index_),
              ignored());
  (void)client_.finish(budget);
}

std::string index_text(const SftpIndex& index) {
  std::string text;
  for (const auto& [path, record] : index) {
    text += fmt::format("{} {} {}", record.size, record.mtime, record.digest);
    text.append(1, field_end).append(path).append(1, '\0');
  }
  return text;
}

SftpIndex parse_index(std::string_view text) {
  constexpr std::size_t digest_size = 64;
  SftpIndex index;
  for (const std::string& record : split(text, '\0')) {
    const std::size_t end = record.find(field_end);
    if (end == std::string::npos) continue;
    const std::vector<std::string> fields = split(record.substr(0, end), ' ');
    if (fields.size() != 3 || fields[2].size() != digest_size) continue;
    const auto size = parse_integer(fields[0], 0, INT64_MAX);
    const auto mtime = parse_integer(fields[1], 0, UINT32_MAX);
    if (!size || !mtime) continue;
    index[record.substr(end + 1)] = {static_cast<std::uint64_t>(*size),
                                     static_cast<std::uint32_t>(*mtime), fields[2]};
  }
  return index;
}

}  // namespace pca::tunnel_ssh
