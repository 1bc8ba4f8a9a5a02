#include "tunnel-ssh/remote_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "tunnel-ssh/folder_lists.hpp"
#include "tunnel-ssh/tar_upload.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t id_bytes = 8;
constexpr int small_level = 9;                                 // of gzip, for what is short
constexpr std::size_t longest_words = std::size_t{64} * 1024;  // of one command, well below ARG_MAX
constexpr std::size_t most_listed = std::size_t{1} << 30U;     // bytes, unpacked
constexpr std::uint64_t disk_block = 4096;                     // what a file takes is a multiple

// What both look and apply need. Given: $dst, $only, $tree and $unpack. Lists are of records that
// end with NUL, sorted by bytes; see folder_lists.hpp.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
S=$(printf '\001')
index=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/sync
if [ -z "$tunnel_ssh_tmp" ]; then
  tunnel_ssh_tmp=$(mktemp -d) || exit
  staging=
  trap 'rm -rf -- "$tunnel_ssh_tmp" ${staging:+"$staging"}' EXIT
fi
list() {
  cd "$dst" || return
  if [ -z "$only" ]; then set -- . -mindepth 1
  elif [ -e "$only" ] || [ -L "$only" ]; then set -- "./$only"
  else set -- . -maxdepth 0 -name /
  fi
  find "$@" -name '.tunnel-ssh-*' -prune -o \
    -type f -fprintf "$work/files" '%h//%f//%m %s %i %C@ %T@\0' -o \
    -type l -fprintf "$work/links" '%h//%f//l%l\0' -o \
    -type d -fprintf "$work/folders" '%h//%f//d\0' -fprintf "$work/paths" '%p\0' &&
    sort -z -o "$work/files" "$work/files"
}
names() { xargs -0 -r sh -c 's=$0; for r do n=${r#*//}; printf "%s$s%s\0" "${r%%//*}" "${n%%//*}"; done' "$1"; }
split() {
  join -z -t "$S" files index >known 2>/dev/null || cp /dev/null known
  cut -z -d "$S" -f 1 known | comm -z -23 files - >unknown
}
store() {
  state=$index/$(printf %s "$dst/$only" | sha256sum | cut -c-64)
  mkdir -p "$index" && cp index "$state.$tree" && mv -f "$state.$tree" "$state"
}
)sh";

// Reads `ours` from its input. Lists are made in folders that mirror those of $dst.
constexpr std::string_view look_code = R"sh(
look() (
  set -e
  work=$tunnel_ssh_tmp/$tree
  mkdir "$work"
  cd "$work"
  head -c "$size" | $unpack >ours
  if [ ! -e "$dst" ] && [ ! -L "$dst" ]; then exit; fi
  if [ ! -d "$dst" ]; then echo "$dst is no folder" >&2; exit 1; fi
  cp "$index/$(printf %s "$dst/$only" | sha256sum | cut -c-64)" index 2>/dev/null || : >index
  (list)
  split
  if [ -s unknown ]; then
    names / <unknown >changed
    (cd "$dst" && xargs -0 sha256sum -z -- <"$work/changed" >"$work/sums")
    cut -z -c-64 sums >digests
    paste -z -d "$S" unknown digests >read
    sort -z -m -o index known read
  else
    cp known index
  fi
  mkdir lists
  cd lists
  { printf '.\0'; cat ../paths; } | xargs -0 sh -c 'mkdir -p -- "$@"
    for d do printf "%s\0" "$d" >"$d/.tunnel-ssh-list"; done' sh
  sort -z ../index ../links ../folders | xargs -0 -r sh -c 's=$0 now=
    for r do
      folder=${r%%//*} r=${r#*//}
      if [ "$folder" != "$now" ]; then now=$folder; exec >>"$now/.tunnel-ssh-list"; fi
      name=${r%%//*} r=${r#*//}
      case $r in
        [ld]*) printf "%s//%s\0" "$name" "$r";;
        *) case ${r%% *} in *[1357]??) x=x;; *) x=-;; esac
           printf "%s//$x%.$digits""s\0" "$name" "${r##*"$s"}";;
      esac
    done' "$S"
  find . -name .tunnel-ssh-list -fprintf ../folders '%h//\0' -fprintf ../paths '%p\0'
  xargs -0 sha256sum -z -- <../paths | cut -z -c-"$width" | paste -z -d '\0' ../folders - |
    sort -z | comm -z -13 ../ours - >../different
  echo there
  xargs -0 -r sh -c 'for r do printf "%s/.tunnel-ssh-list\0" "${r%//*}"; done' sh <../different |
    xargs -0 -r cat -- | $pack
)
)sh";

// Reads an archive in pieces from its input (see tar_upload.hpp): lists/ of what to do, and new/.
// Nothing is touched before all of it has come: tar takes an archive that ends between two entries
// for a whole one.
constexpr std::string_view apply_code = R"sh(
pieces() {
  while read -r n && [ "$n" != end ]; do head -c "$n" || return; done
  [ "$n" = end ] && : >whole
}
room() { df -Pk "$staging" | tail -n 1; }
# Ends it unless there are $1 KiB.
need_room() {
  room | { read -r device all used free share mount
    [ "${free:-$1}" -ge "$1" ] || { echo "the file system at $mount has $free KiB free, and $need KiB are to be unpacked beside what is there: make room, then run this again" >&2; exit 1; }; }
}
carry_out() (
  set -e
  mkdir -p -- "$dst"
  mkdir -- "$staging" "$staging/old"
  cd "$work"
  rm -f whole
  need_room "$need"
  pieces | $unpack_archive | tar -x -o -m -f - -C "$staging" || { need_room 64; exit 1; }
  if [ ! -e whole ]; then echo 'what was sent was cut short' >&2; exit 1; fi
  sync -f "$staging"
  cd "$dst"
  lists=$staging/lists
  xargs -0 -r sh -c 'for d do [ -w "$d" ] || { echo "$(id -un) may not write to $d" >&2; exit 1; }; done' sh <"$lists/touched"
  . "$lists/moves"
  xargs -0 -r chmod a+x -- <"$lists/executable"
  xargs -0 -r chmod a-x -- <"$lists/plain"
  xargs -0 -r rm -f -- <"$lists/delete-files"
  xargs -0 -r rmdir --ignore-fail-on-non-empty -- <"$lists/delete-folders"
  set +e
  cd "$work"
  (list) && split && names // <unknown >changed && cp known index || exit 0
  ! cmp -s changed "$lists/sent" || {
    paste -z -d "$S" unknown "$lists/digests" | sort -z -m -o index - known
  }
  store 2>/dev/null
  :
)
apply() {
  work=$tunnel_ssh_tmp/$tree
  staging=$dst/.tunnel-ssh-$tree
  carry_out
  code=$?
  rm -rf -- "$staging"
  staging=
  return $code
}
)sh";

std::string assignment(const char* name, const std::string& value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

std::string as_records(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) (text += item) += '\0';
  return text;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : "./" + path.substr(0, slash);
}

// "mv -f -t FOLDER -- STAGED...", as many as it takes.
std::string move_code(const SyncPlan& plan) {
  std::string code;
  std::size_t number = 0;
  for (const std::string& path : plan.replaced) {
    code += fmt::format("mv -T -- {} \"$staging/old/{}\"\n", shell_quote("./" + path), number++);
  }
  for (const auto& [folder, paths] : plan.moves) {
    const std::string to = folder.empty() ? "./" : shell_quote("./" + folder);
    std::string words;
    for (const std::string& path : paths) {
      words += " \"$staging/new\"/" + shell_quote(path);
      if (words.size() < longest_words && path != paths.back()) continue;
      code += fmt::format("mv -f -t {} --{}\n", to, words);
      words.clear();
    }
  }
  return code;
}

// Folders that are there and whose entries change.
std::string touched_folders(const SyncPlan& plan) {
  std::vector<std::string> folders;
  for (const auto& [folder, paths] : plan.moves) {
    folders.push_back(folder.empty() ? "." : "./" + folder);
  }
  for (const auto* paths : {&plan.replaced, &plan.delete_files, &plan.delete_folders}) {
    for (const std::string& path : *paths) folders.push_back(folder_of(path));
  }
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  // One that is new where something else was is not there yet.
  std::erase_if(folders, [&](const std::string& folder) {
    return std::any_of(plan.replaced.begin(), plan.replaced.end(), [&](const std::string& path) {
      return folder == "./" + path || folder.starts_with("./" + path + "/");
    });
  });
  return as_records(folders);
}

// What unpacking it takes on most file systems.
std::uint64_t needed_kib(const SyncPlan& plan) {
  std::uint64_t blocks = 0;
  for (const TreeEntry& entry : plan.uploads) blocks += (entry.size + disk_block - 1) / disk_block;
  return blocks * disk_block / 1024;
}

// What the index will know without reading it: the files sent, in the order of its records.
struct SentFiles {
  std::string names;
  std::string digests;
};
SentFiles sent_files(const SyncPlan& plan) {
  std::vector<std::pair<std::string, const TreeEntry*>> files;
  for (const TreeEntry& entry : plan.uploads) {
    if (entry.kind != EntryKind::file) continue;
    const std::string name = entry.path.substr(entry.path.find_last_of('/') + 1);
    files.emplace_back(folder_of(entry.path) + "//" + name + "//", &entry);
  }
  std::sort(files.begin(), files.end());
  SentFiles sent;
  for (const auto& [record, entry] : files) {
    sent.names.append(record, 0, record.size() - 2) += '\0';
    (sent.digests += entry->digest) += '\0';
  }
  return sent;
}

}  // namespace

RemoteTree::RemoteTree(RemoteShell& shell, std::string path, std::string only)
    : shell_(shell), path_(std::move(path)), only_(std::move(only)), id_(random_hex(id_bytes)) {}

std::string RemoteTree::variables() const {
  return assignment("dst", path_) + assignment("only", only_) + assignment("tree", id_) +
         "case $dst in '~') dst=$HOME;; '~/'*) dst=$HOME/${dst#'~/'};; esac\n";
}

// What is asked is packed if the host can unpack, which it says when asked that way.
Result<FileTree> RemoteTree::look(const Budget& budget, const FileTree& ours) {
  std::string code = fmt::format("{}{}{}", functions, look_code, apply_code);
  std::string digests = folder_digests(ours);
  has_gzip_ = true;
  PCA_TRY(std::string answer, ask(budget, gzip(code, small_level), gzip(digests, small_level)));
  if (answer == "no gzip\n") {
    has_gzip_ = false;
    PCA_TRY(answer, ask(budget, code, digests));
  }
  constexpr std::string_view there = "there\n";
  if (!answer.starts_with(there)) return FileTree();
  const std::string_view lists = std::string_view(answer).substr(there.size());
  if (!has_gzip_) return tree_from_lists(lists, ours);
  PCA_TRY(const std::string unpacked, gunzip(lists, most_listed));
  return tree_from_lists(unpacked, ours);
}

Result<std::string> RemoteTree::ask(const Budget& budget, const std::string& code,
                                    const std::string& digests) {
  const std::string input = code + digests;
  const std::string begin = fmt::format("{}size={}\nexport digits={}\nwidth={}\n", variables(),
                                        digests.size(), listed_digest_size, folder_digest_size);
  const std::string run = has_gzip_
                              ? fmt::format(
                                    "pack=gzip unpack='gzip -dc'\n"
                                    "if command -v gzip >/dev/null; then "
                                    "code=$(head -c {} | gzip -dc) && eval \"$code\" && look\n"
                                    "else head -c {} >/dev/null; echo no gzip; fi",
                                    code.size(), input.size())
                              : fmt::format(
                                    "pack=cat unpack=cat\n"
                                    "code=$(head -c {}) && eval \"$code\" && look",
                                    code.size());
  return shell_.run(budget, begin + run, text_input(input));
}

Result<> RemoteTree::apply(
    const Budget& budget, const SyncPlan& plan,
    const std::function<void(std::uint64_t sent, std::uint64_t all)>& progress) {
  const SentFiles sent = sent_files(plan);
  TarStream archive({{"lists/touched", touched_folders(plan)},
                     {"lists/moves", move_code(plan)},
                     {"lists/sent", sent.names},
                     {"lists/digests", sent.digests},
                     {"lists/executable", as_records(plan.make_executable)},
                     {"lists/plain", as_records(plan.make_plain)},
                     {"lists/delete-files", as_records(plan.delete_files)},
                     {"lists/delete-folders", as_records(plan.delete_folders)}},
                    "new/", plan.uploads);
  const int level = has_gzip_ ? compression_level(plan.uploads, shell_.round_trip()) : 0;
  const std::string code = fmt::format("{}need={}\nunpack_archive={}\napply", variables(),
                                       needed_kib(plan), level == 0 ? "cat" : "'gzip -dc'");
  TarUpload upload(archive, level, progress);
  const auto done =
      shell_.run(budget, code, [&](std::span<char> into) { return upload.read(into); });
  if (done) return {};
  Error error = done.error();
  // With the archive cut short nothing is renamed.
  if (error.kind == ErrorKind::unreachable && upload.is_at_end()) {
    error.kind = ErrorKind::outcome_unknown;
    error.hint = "Run it again: what has arrived is not sent a second time.";
  }
  return error;
}

}  // namespace pca::tunnel_ssh
