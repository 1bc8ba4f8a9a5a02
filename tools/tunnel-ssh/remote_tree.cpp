#include "tunnel-ssh/remote_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/gzip.hpp"
#include "base/text.hpp"
#include "tunnel-ssh/archive_upload.hpp"
#include "tunnel-ssh/folder_lists.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t id_bytes = 8;
constexpr int small_level = 9;                                 // of gzip, for what is short
constexpr std::size_t longest_words = std::size_t{64} * 1024;  // of one command, well below ARG_MAX
constexpr std::size_t most_listed = std::size_t{1} << 30U;     // bytes, unpacked
constexpr std::uint64_t disk_block = 4096;                     // what a file takes is a multiple

// What both look and apply need. Given: $dst, $only, $tree and $unpack. Lists are of records that
// end with NUL, sorted by bytes, their fields divided by a byte 1; see folder_lists.hpp. No loop of
// the shell runs over files: it would take longer than all the rest.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
S=$(printf '\001')
if [ -z "$tunnel_ssh_tmp" ]; then
  tunnel_ssh_tmp=$(mktemp -d) || exit
  staging= lists=
  trap 'wait; put_back; rm -rf -- "$tunnel_ssh_tmp" ${staging:+"$staging"} ${lists:+"$lists"}' EXIT
fi
# What made room for something that did not come goes back, or stays in the staging folder.
put_back() {
  [ -z "$staging" ] || [ ! -s "$staging/orders/back" ] || (cd "$dst" && . "$staging/orders/back") ||
    { echo "what was there before is in $staging" >&2; staging=; }
}
there() { [ -e "$1" ] || [ -L "$1" ]; }
go_back() {
  there "$2" || ! there "$staging/old/$1" || mv -T -- "$staging/old/$1" "$2" || is_kept=yes
}
prepare() {
  work=$tunnel_ssh_tmp/$tree
  staging=$dst/.tunnel-ssh-$tree
  state=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/sync
  index=$state/$(printf %s "$dst/$only" | sha256sum | cut -c-64)
}
# Files as "stat", "folder//name", which is a path too ("folder//./name" when executable).
list() (
  cd "$dst" || exit
  if [ -z "$only" ]; then set -- . -mindepth 1
  elif [ -e "$only" ] || [ -L "$only" ]; then set -- "./$only"
  else set -- . -mindepth 1 -maxdepth 0
  fi
  printf './/\0' >"$work/folders"
  find "$@" -name '.tunnel-ssh-*' -prune -o \
    -type f \( -perm -100 -fprintf "$work/files" '%D %i %s %C@ %T@\001%h//./%f\0' -o \
      -fprintf "$work/files" '%D %i %s %C@ %T@\001%h//%f\0' \) -o \
    -type l -fprintf "$work/others" '%h//%f//l%l\001\0' -o \
    -type d -fprintf "$work/others" '%h//%f//d\0' -fprintf "$work/dirs" '%p//\0' || exit
  cd "$work" && cat dirs >>folders && sort -z -o files files && sort -z -o folders folders &&
    { join -z -t "$S" -v 1 files index >unknown 2>/dev/null || { : >index; cp files unknown; }; }
)
store() {
  mkdir -p "$state" && cp index "$index.$tree" && mv -f "$index.$tree" "$index"
}
)sh";

// Reads `ours` from its input. The lists go to a file each, in memory where that is possible: there
// may be many.
constexpr std::string_view look_code = R"sh(
look() {
  command -v tar >/dev/null || { echo "$no_tar" >&2; return 1; }
  prepare
  lists=$(mktemp -d /dev/shm/tunnel-ssh.XXXXXXXX 2>/dev/null) || lists=
  look_there
  code=$?
  rm -rf -- ${lists:+"$lists"}
  lists=
  return $code
}
look_there() (
  set -e
  mkdir "$work"
  cd "$work"
  head -c "$size" | $unpack >ours
  if [ ! -e "$dst" ] && [ ! -L "$dst" ]; then : >index; : >files; exit; fi
  if [ ! -d "$dst" ]; then echo "$dst is no folder" >&2; exit 1; fi
  cp "$index" index 2>/dev/null || : >index
  list
  if [ -s unknown ]; then
    cut -z -d "$S" -f 2- unknown >paths
    (cd "$dst" && xargs -0 sha256sum -z -- <"$work/paths" >"$work/sums")
    cut -z -c-"$digits" sums >digests
    cut -z -d "$S" -f 1 unknown | paste -z -d "$S" - digests >read
    join -z -t "$S" -o 0,2.2 files index >known
    sort -z -u -o index known read
    store 2>/dev/null || :
  fi
  cd "${lists:-.}"
  join -z -t "$S" "$work/files" "$work/index" | cut -z -d "$S" -f 2- |
    sort -z - "$work/others" "$work/folders" | tr '\0\n' '\n\0' |
    csplit -s -z -n 9 -f list - '/\/\/$/' '{*}'
  printf '%s\0' list* >"$work/names"
  xargs -0 sha256sum -z -- <"$work/names" | cut -z -c-"$width" |
    paste -z -d "\\0$S" "$work/folders" - "$work/names" |
    join -z -t "$S" -v 1 -o 1.2 - "$work/ours" >"$work/different"
  echo there
  xargs -0 -r cat -- <"$work/different" | tr '\0\n' '\n\0' | $pack
)
)sh";

constexpr std::string_view fetch_code = R"sh(
fetch() (
  set -e
  prepare
  head -c "$size" >"$work/wanted"
  cd "$dst"
  xargs -0 -r stat --printf '%s\n' -- <"$work/wanted"
  echo
  xargs -0 -r cat -- <"$work/wanted"
)
)sh";

// Reads an archive in pieces from its input (see upload_lanes.hpp): orders/ of what to do, and
// new/. Nothing is touched before all of it has come.
constexpr std::string_view apply_code = R"sh(
room() { df -Pk "$staging" | tail -n 1; }
# Ends it unless there are $1 KiB.
need_room() {
  room | { read -r device all used free share mount
    [ "${free:-$1}" -ge "$1" ] || { echo "the file system at $mount has $free KiB free, and $need KiB are to be unpacked beside what is there: make room, then run this again" >&2; exit 1; }; }
}
# What was sent need not be read for the index.
remember() (
  cd "$work" && cut -z -d "$S" -f 2 sent | paste -z -d "$S" keys - >new &&
    join -z -t "$S" -o 0,2.2 files index | sort -z -u -o index - new && store
)
# A process for nothing takes as long as one for something.
for_each() { # order, command...
  order=$orders/$1
  shift
  [ ! -s "$order" ] || xargs -0 "$@" -- <"$order"
}
carry_out() (
  set -e
  mkdir -p -- "$dst"
  mkdir -- "$staging" "$staging/old"
  cd "$work"
  need_room "$need"
  unpack_pieces "$staging" || { need_room 64; exit 1; }
  sync -f "$staging"
  cd "$dst"
  orders=$staging/orders
  xargs -0 -r sh -c 'for d do [ -w "$d" ] || { echo "$(id -un) may not write to $d" >&2; exit 1; }; done' sh <"$orders/touched"
  . "$orders/moves"
  for_each executable chmod a+x
  for_each plain chmod a-x
  for_each delete-files rm -f
  for_each delete-folders rmdir --ignore-fail-on-non-empty
  # As they are now: what changes from here on is not what was sent.
  mv -- "$orders/sent" "$work/sent"
  cut -z -d "$S" -f 1 "$work/sent" | xargs -0 -r sh -c 'find "$@" -maxdepth 0 -printf "%D %i %s %C@ %T@\0"' sh >"$work/keys" || :
)
# Nobody waits for the index but the shell's end.
apply() {
  prepare
  carry_out
  code=$?
  [ $code = 0 ] || put_back
  rm -rf -- ${staging:+"$staging"}
  staging=
  if [ $code = 0 ]; then
    remember </dev/null >/dev/null 2>&1 &
  fi
  return $code
}
)sh";

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

// The way back for what was moved out of the way; see go_back in the host's code.
std::string back_code(const SyncPlan& plan) {
  if (plan.replaced.empty()) return {};
  std::string code = "is_kept=\n";
  for (std::size_t i = 0; i < plan.replaced.size(); ++i) {
    code += fmt::format("go_back {} {}\n", i, shell_quote("./" + plan.replaced[i]));
  }
  return code + "[ -z \"$is_kept\" ]\n";
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

// Digests of the files sent, by their names in the host's list.
std::string sent_files(const SyncPlan& plan) {
  std::vector<std::string> records;
  for (const TreeEntry& entry : plan.uploads) {
    if (entry.kind == EntryKind::file) records.push_back(file_record(entry));
  }
  std::sort(records.begin(), records.end());
  return as_records(records);
}

}  // namespace

RemoteTree::RemoteTree(RemoteShell& shell, std::string path, std::string only)
    : shell_(shell), path_(std::move(path)), only_(std::move(only)), id_(random_hex(id_bytes)) {}

std::string RemoteTree::variables() const {
  return assignment("dst", path_) + assignment("only", only_) + assignment("tree", id_) +
         assignment("no_tar", std::string(no_tar)) +
         "case $dst in '~') dst=$HOME;; '~/'*) dst=$HOME/${dst#'~/'};; esac\n";
}

// What is asked is packed if the host can unpack, which it says when asked that way.
Result<FileTree> RemoteTree::look(const Budget& budget, const FileTree& ours) {
  std::string code = fmt::format("{}{}{}{}", functions, look_code, upload_pieces, apply_code);
  std::string digests = folder_digests(ours);
  has_gzip_ = true;
  PCA_TRY(std::string answer, ask(budget, gzip(code, small_level), gzip(digests, small_level)));
  if (answer == "no gzip\n") {
    has_gzip_ = false;
    PCA_TRY(answer, ask(budget, code, digests));
  }
  constexpr std::string_view there = "there\n";
  is_there_ = answer.starts_with(there);
  if (!is_there_) return FileTree();
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

Result<> RemoteTree::fetch(const Budget& budget, const std::vector<std::string>& paths,
                           const RemoteSink& sink) {
  const std::string wanted = as_records(paths);
  PCA_CHECK(shell_.run(budget,
                       fmt::format("{}size={}\n{}fetch", variables(), wanted.size(), fetch_code),
                       text_input(wanted), sink));
  return {};
}

Result<> RemoteTree::apply(const Budget& budget, const SyncPlan& plan,
                           const SendProgress& progress) {
  TarStream archive({{"orders/touched", touched_folders(plan)},
                     {"orders/moves", move_code(plan)},
                     {"orders/back", back_code(plan)},
                     {"orders/sent", sent_files(plan)},
                     {"orders/executable", as_records(plan.make_executable)},
                     {"orders/plain", as_records(plan.make_plain)},
                     {"orders/delete-files", as_records(plan.delete_files)},
                     {"orders/delete-folders", as_records(plan.delete_folders)}},
                    "new/", plan.uploads);
  ArchiveUpload upload(shell_, archive, has_gzip_, progress);
  const auto done =
      upload.run(budget, fmt::format("{}need={}\napply", variables(), needed_kib(plan)));
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
