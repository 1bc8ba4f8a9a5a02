#include "tunnel-ssh/remote_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr char field_end = '\1';
constexpr std::size_t digest_size = 64;
constexpr std::size_t longest_words = std::size_t{64} * 1024;  // of one command, well below ARG_MAX

// Functions for both blocks. Lists are of records that end with NUL, sorted by bytes.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
S=$(printf '\001')
case $dst in '~') dst=$HOME;; '~/'*) dst=$HOME/${dst#'~/'};; esac
# Files, links and folders below $dst into $tmp; what an earlier run left is none of them.
list() {
  (cd "$dst" && find . -mindepth 1 -name '.tunnel-ssh-*' -prune -o \
    -type f -fprintf "$tmp/files" '%P//%m %s %i %C@ %T@\0' -o \
    -type l -fprintf "$tmp/links" '%P\0%l\0' -o -type d -fprintf "$tmp/folders" '%P\0') &&
    sort -z -o "$tmp/files" "$tmp/files"
}
# The paths of the records on stdin.
paths() { xargs -0 -r sh -c 'for r do printf "%s\0" "${r%%//*}"; done' sh; }
# Splits $tmp/files by whether $1 knows its digest: $tmp/known, with it, and $tmp/unknown.
split() {
  join -z -t "$S" "$tmp/files" "$1" >"$tmp/known" 2>/dev/null || cp /dev/null "$tmp/known"
  cut -z -d "$S" -f 1 "$tmp/known" | comm -z -23 "$tmp/files" - >"$tmp/unknown"
}
)sh";

constexpr std::string_view look_code = R"sh(
tmp=$(mktemp -d) || exit
staging=
trap 'rm -rf -- "$tmp" ${staging:+"$staging"}' EXIT
index=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/sync
mkdir -p "$index" 2>/dev/null
index=$index/$(printf %s "$dst" | sha256sum | cut -c-64)
[ -r "$index" ] || index=$tmp/index
cp "$index" "$tmp/index" 2>/dev/null || : >"$tmp/index"
(
  set -e
  if [ -e "$dst" ] || [ -L "$dst" ]; then
    if [ ! -d "$dst" ]; then echo "$dst is no folder" >&2; exit 1; fi
    list
    split "$tmp/index"
    paths <"$tmp/unknown" >"$tmp/paths"
    if [ -s "$tmp/paths" ]; then
      (cd "$dst" && xargs -0 sha256sum -z -- <"$tmp/paths" >"$tmp/sums")
      cut -z -c-64 "$tmp/sums" >"$tmp/digests"
      paste -z -d "$S" "$tmp/unknown" "$tmp/digests" >"$tmp/read"
      sort -z -m -o "$tmp/index" "$tmp/known" "$tmp/read"
    else
      cp "$tmp/known" "$tmp/index"
    fi
    cat "$tmp/index"; printf '\0'; cat "$tmp/links"; printf '\0'; cat "$tmp/folders"; printf '\0'
  fi
)
)sh";

std::string assignment(const char* name, const std::string& value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

Error broken() {
  return failed("the host's list of files cannot be read",
                "The host needs GNU coreutils 8.25 or later and findutils.");
}

// Records one after the other.
class Records {
 public:
  explicit Records(std::string_view text) : rest_(text) {}
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  Result<std::string_view> next() {
    const std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return broken();
    const std::string_view record = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return record;
  }

 private:
  std::string_view rest_;
};

Result<TreeEntry> parse_file(std::string_view record) {
  TreeEntry entry;
  const std::size_t separator = record.find("//");
  if (separator == std::string_view::npos || separator == 0) return broken();
  entry.path = record.substr(0, separator);
  const std::vector<std::string> parts = split(record.substr(separator + 2), ' ');
  if (parts.size() < 3) return broken();
  const auto mode = parts[0].size() < 3 ? '0' : parts[0][parts[0].size() - 3];
  entry.is_executable = ((mode - '0') & 1) != 0;
  if (auto size = parse_integer(parts[1], 0, INT64_MAX))
    entry.size = static_cast<std::uint64_t>(*size);
  // Anything odd (a byte 1 in the name) makes a digest that is unlike all: the file is sent again.
  const std::size_t field = record.find(field_end);
  const std::string_view digest =
      field == std::string_view::npos ? std::string_view() : record.substr(field + 1);
  if (digest.size() == digest_size) entry.digest = digest;
  return entry;
}

std::string as_records(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) (text += item) += '\0';
  return text;
}

// "mv -f -t FOLDER -- STAGED...", as many as it takes.
std::string move_code(const SyncPlan& plan) {
  std::string code;
  for (const auto& [folder, paths] : plan.moves) {
    const std::string to = folder.empty() ? "./" : shell_quote("./" + folder);
    std::string words;
    for (const std::string& path : paths) {
      words += " \"$staging\"/" + shell_quote(path);
      if (words.size() < longest_words && path != paths.back()) continue;
      code += fmt::format("mv -f -t {} --{}\n", to, words);
      words.clear();
    }
  }
  return code;
}

// Whose digests are known because they are ours, in the order of the records there.
void sort_as_records(std::vector<const TreeEntry*>& files) {
  std::sort(files.begin(), files.end(),
            [](const TreeEntry* a, const TreeEntry* b) { return a->path + "//" < b->path + "//"; });
}

}  // namespace

Result<FileTree> parse_remote_tree(std::string_view text) {
  FileTree tree;
  if (text.empty()) return tree;
  Records records(text);
  for (;;) {
    PCA_TRY(const std::string_view record, records.next());
    if (record.empty()) break;
    PCA_TRY(tree.emplace_back(), parse_file(record));
  }
  for (;;) {
    PCA_TRY(const std::string_view path, records.next());
    if (path.empty()) break;
    PCA_TRY(const std::string_view target, records.next());
    tree.push_back(
        {.path = std::string(path), .kind = EntryKind::link, .target = std::string(target)});
  }
  for (;;) {
    PCA_TRY(const std::string_view path, records.next());
    if (path.empty()) break;
    tree.push_back({.path = std::string(path), .kind = EntryKind::folder});
  }
  if (!records.at_end()) return broken();
  return tree;
}

Result<FileTree> RemoteTree::look(const Budget& budget) {
  PCA_TRY(const std::string text,
          shell_.run(budget,
                     assignment("dst", path_) + std::string(functions) + std::string(look_code)));
  return parse_remote_tree(text);
}

Result<> RemoteTree::apply(
    const Budget& budget, const SyncPlan& plan,
    const std::function<void(std::uint64_t sent, std::uint64_t all)>& progress) {
  std::vector<const TreeEntry*> files;
  for (const TreeEntry& entry : plan.uploads) {
    if (entry.kind == EntryKind::file) files.push_back(&entry);
  }
  sort_as_records(files);
  std::string paths;
  std::string digests;
  for (const TreeEntry* file : files) {
    (paths += file->path) += '\0';
    (digests += file->digest) += '\0';
  }
  TarStream archive(plan.uploads);
  struct List {
    const char* name;
    std::string text;
  };
  const std::vector<List> lists{{"sent", paths},
                                {"digests", digests},
                                {"executable", as_records(plan.make_executable)},
                                {"plain", as_records(plan.make_plain)},
                                {"delete-files", as_records(plan.delete_files)},
                                {"delete-folders", as_records(plan.delete_folders)}};
  const std::string id = random_hex(8);
  std::string code = assignment("id", id) + R"sh(
staging=$dst/.tunnel-ssh-$id
(
  set -e
  mkdir -p -- "$dst"
  mkdir -- "$staging" "$staging/.old"
)sh";
  std::string input;
  for (const List& list : lists) {
    code += fmt::format("  head -c {} >\"$tmp/{}\"\n", list.text.size(), list.name);
    input += list.text;
  }
  code += fmt::format("  head -c {} | tar -x -o -m -f - -C \"$staging\"\n", archive.size());
  // tar takes an archive that ends between two entries for a whole one, and lists can be cut within
  // a name: nothing is touched before the last line has come.
  code += R"sh(
  read -r last || :
  if [ "$last" != "$id" ]; then echo 'what was sent was cut short' >&2; exit 1; fi
  sync -f "$staging"
  cd "$dst"
)sh";
  std::size_t number = 0;
  for (const std::string& path : plan.replaced) {
    code += fmt::format("mv -T -- {} \"$staging/.old/{}\"\n", shell_quote("./" + path), number++);
  }
  code += move_code(plan);
  code += R"sh(
  xargs -0 -r chmod a+x -- <"$tmp/executable"
  xargs -0 -r chmod a-x -- <"$tmp/plain"
  xargs -0 -r rm -f -- <"$tmp/delete-files"
  xargs -0 -r rmdir --ignore-fail-on-non-empty -- <"$tmp/delete-folders"
)
code=$?
rm -rf -- "$staging"
staging=
if [ $code = 0 ]; then
  (
    set -e
    list
    split "$tmp/index"
    paths <"$tmp/unknown" >"$tmp/paths"
    cp "$tmp/known" "$tmp/index"
    if cmp -s "$tmp/paths" "$tmp/sent"; then
      paste -z -d "$S" "$tmp/unknown" "$tmp/digests" | sort -z -m -o "$tmp/index" - "$tmp/known"
    fi
    state=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/sync
    mkdir -p "$state"
    name=$(printf %s "$dst" | sha256sum | cut -c-64)
    cp "$tmp/index" "$state/$name.$id"
    mv -f "$state/$name.$id" "$state/$name"
  ) 2>/dev/null
fi
(exit $code)
)sh";
  std::size_t lists_sent = 0;
  std::uint64_t sent = 0;
  std::string last = id + "\n";
  const auto done = shell_.run(budget, code, [&](std::span<char> into) -> Result<std::size_t> {
    if (lists_sent < input.size()) {
      const std::size_t count = input.copy(into.data(), into.size(), lists_sent);
      lists_sent += count;
      return count;
    }
    PCA_TRY(const std::size_t count, archive.read(into));
    if (count == 0) return std::exchange(last, {}).copy(into.data(), into.size());
    sent += count;
    if (progress) progress(sent, archive.size());
    return count;
  });
  if (done) return {};
  Error error = done.error();
  // With the archive cut short nothing is renamed.
  if (error.kind == ErrorKind::unreachable && sent == archive.size()) {
    error.kind = ErrorKind::outcome_unknown;
    error.hint = "Run it again: what has arrived is not sent a second time.";
  }
  return error;
}

}  // namespace pca::tunnel_ssh
