#include "tunnel-ssh/release_folder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "deploy/provenance.hpp"
#include "deploy/release_records.hpp"
#include "tunnel-ssh/archive_upload.hpp"
#include "tunnel-ssh/release_code.hpp"
#include "tunnel-ssh/release_manifest.hpp"
#include "tunnel-ssh/remote_code.hpp"
#include "tunnel-ssh/tar_stream.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t token_bytes = 8;
constexpr auto renewal = std::chrono::seconds(15);
constexpr Milliseconds one_second{1000};

// Functions for all later blocks. $path, $token and $renewals are set before.
//
// leave: what the end of the shell does, whoever ends it; the shell's exit code says whether all
// is undone. attend: runs a command of the user's for so many seconds, of which a signal to the
// shell is the end; it is in the environment, because argument lists are public. fire:
// the revert, once, whoever is first; it is renamed before it runs and removed after, so that half
// a revert is run again. history: a line with the time in front.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
case $path in "~") path=$HOME ;; "~/"*) path=$HOME/${path#"~/"} ;; esac
deploy=$path/.deploy
mine=$deploy/lock.$token
armed=$deploy/armed/$token.sh
staged=
placed=
renewer=
timer=
is_preview=  # then nothing is left of what nobody claimed
holds_lock() { [ -e "$mine" ] && [ "$deploy/lock" -ef "$mine" ]; }
fire() {
  mv "$1" "$1.fired" 2>/dev/null || [ -e "$1.fired" ] || return 0
  sh "$1.fired" && rm -f "$1.fired"
}
history() {
  printf '{"time":"%s",%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${1#?}" >>"$deploy/history.jsonl"
}
# A script that knows in P which folder this is.
keep_script() {
  { printf 'P=%s\n' "'$(printf %s "$path" | sed "s/'/'\\\\''/g")'"; printf %s "$1"; } >"$2.new" && mv -f -- "$2.new" "$2"
}
# Not every program says so. Some file systems count no files.
tell_full() {
  set -- $(df -k --output=avail,iavail -- "$path" 2>/dev/null | tail -n 1)
  case $2 in *[!0-9]*) set -- "$1" 1000 ;; esac
  if [ "${1:-1000}" -lt 100 ] || [ "${2:-1000}" -lt 10 ]; then
    echo "the file system of $path is full ($1 KiB and $2 files are left): delete something, or keep fewer releases" >&2
  fi
}
working=
attend() {
  RELEASE_HOOK=$1 timeout -k 5 "$2" sh -c 'eval "$RELEASE_HOOK"' </dev/null >"$tmp/said" 2>&1 &
  working=$!
  wait "$working"
  code=$?
  working=
  return $code
}
leave() {
  trap '' HUP TERM
  [ -z "$working" ] || kill "$working" 2>/dev/null
  fire "$armed" >/dev/null 2>&1
  undone=$?
  end_of "$timer"
  if [ -n "$staged" ] && [ "$(readlink -- "$path/current")" != "releases/$id" ]; then
    rm -rf -- "$staged" ${placed:+"$placed"} "$deploy/manifests/$id" "$deploy/manifests/.$id.part" "$deploy/secrets/$id"
  fi
  end_of "$renewer"
  if holds_lock; then rm -f -- "$path/.current.new" "$deploy/preview.new" "$deploy/lock"; fi
  rm -f -- "$armed.new" "$mine"
  if [ -n "$is_preview" ] && [ ! -e "$deploy/preview" ]; then
    rmdir -- "$path/releases" "$path/shared" "$deploy/manifests" "$deploy/armed" "$deploy" "$path" \
      "${path%/*}" 2>/dev/null
  fi
  rm -rf -- "$tmp"
  exit $undone
}
tmp=$(mktemp -d) || exit
trap leave EXIT

take_lock() {
  mkdir -p -- "$path/releases" "$path/shared" "$deploy/manifests" "$deploy/armed" || return
  printf '%s\n' "$owner" >"$mine" || return
  ln "$mine" "$deploy/lock" 2>/dev/null && return
  before=$(cat "$deploy/lock" 2>/dev/null)
  then=$(stat -c %Y "$deploy/lock" 2>/dev/null) || then=0
  [ $(($(date +%s) - then)) -gt 60 ] || return 1
  mv "$deploy/lock" "$mine.stolen" 2>/dev/null
  # A thief that was faster may have its own new one here: that is given back.
  [ "$(cat "$mine.stolen" 2>/dev/null)" = "$before" ] || ln "$mine.stolen" "$deploy/lock"
  rm -f "$mine.stolen"
  ln "$mine" "$deploy/lock" 2>/dev/null
}
renew() {
  apart 'n=0; while [ $n -lt $2 ] && sleep 15 && kill -0 '$$' && [ -e "$1" ]; do touch "$1"; n=$((n + 1)); done' \
    "$mine" "$renewals"
  renewer=$leader
}
# What a deploy that was cut off left: its revert is due, what it staged is not wanted.
clean_up() {
  for left in "$deploy"/armed/*; do
    case $left in *.sh | *.fired) fire "${left%.fired}" >/dev/null 2>&1 ;; esac
  done
  rm -f -- "$deploy"/armed/*.new "$deploy"/armed/*.off "$deploy"/route.*
  rm -rf -- "$path"/releases/.*.part "$deploy"/manifests/.*.part
  for left in "$deploy"/secrets/*; do
    [ -d "$path/releases/${left##*/}" ] || rm -rf -- "$left"
  done
  for left in "$deploy"/lock.*; do [ "$left" = "$mine" ] || rm -f -- "$left"; done
}
# Records: the current release, the hold, the lock (where it is ours, also whether gzip is here), the
# history, the releases; then the paths whose content is not what the manifest says, one empty, and
# the manifest.
look() {
  if [ -e "$path/current" ] && [ ! -L "$path/current" ]; then
    echo "$path/current is no link: move it away first, with mv $path/current $path/before" >&2
    return 1
  fi
  current=$(readlink -- "$path/current")
  case $current in
  '' | releases/*) current=${current#releases/} ;;
  *)
    echo "$path/current leads to $current, which is no release here: move it away first, with mv $path/current $path/before" >&2
    return 1
    ;;
  esac
  # Nobody can go back to what is not there.
  [ -d "$path/releases/$current" ] || current=
  printf '%s\0' "$current"
  cat "$deploy/hold" 2>/dev/null
  printf '\0'
  if holds_lock; then
    printf ours
    ! command -v gzip >/dev/null || printf ' gzip'
  else
    cat "$deploy/lock" 2>/dev/null
  fi
  printf '\0'
  tail -n 500 "$deploy/history.jsonl" 2>/dev/null
  printf '\0'
  ls "$path/releases" 2>/dev/null
  printf '\0'
  manifest=$tmp/manifest  # a copy: a reap may remove all this meanwhile
  if [ -n "$current" ] && cp -p -- "$deploy/manifests/$current" "$manifest" 2>/dev/null; then
    sed -z -n 's/^[fx] [0-9]* [0-9a-f]* //p' "$manifest" | sort -z >"$tmp/files"
    (cd "$path/releases/$current" && find . -type f ! -newer "$manifest" -printf '%P\0') |
      sort -z | comm -z -23 "$tmp/files" -
    printf '\0'
    cat "$manifest"
  else
    printf '\0'
  fi
}
)sh";

// Which release is current, told by nothing but the revert itself: it runs when nobody is there.
std::string revert_script(const std::string& environment, const std::string& token,
                          const Switch& how) {
  std::string code =
      "path=$P\n" + environment + assignment("restart", how.restart) +
      assignment("hook", how.rollback_hook) + assignment("record", how.record.dump()) +
      fmt::format("limit={}\n", how.hook_limit.count() / 1000) +
      assignment("port", how.is_beside ? how.port : std::string()) + assignment("stop", how.stop) +
      assignment("route", how.route.file) + assignment("reload", how.route.reload) +
      fmt::format("saved=$path/.deploy/route.{}\n", token);
  code += "unshare() {\n  :\n";  // what the release before has no secret for
  for (const SecretFile& secret : how.secrets) {
    code += fmt::format("  [ -e \"$path/shared\"/{0} ] || rm -f -- \"$path/shared\"/{0}\n",
                        shell_quote(secret.path));
  }
  code += "}\n";
  return code + std::string(script_functions) + R"sh(
is_current=
[ "$(readlink -- "$path/current")" != "releases/$RELEASE" ] || is_current=yes
is_beside=
[ -z "$port" ] || [ "$(readlink -- "$path/ports/$port")" != "../releases/$RELEASE" ] || is_beside=yes
[ -n "$is_current$is_beside" ] || { unshare; exit 0; }
code=0
must_end=$is_beside
if [ -z "$is_current" ]; then
  :
elif [ -n "$RELEASE_PREVIOUS" ]; then
  ln -s -f -n -- "releases/$RELEASE_PREVIOUS" "$path/.current.revert" &&
    mv -T -- "$path/.current.revert" "$path/current" || exit
  [ -z "$restart" ] || run 60 "$restart" || code=$?
else
  rm -f -- "$path/current"
  [ -z "$stop" ] || must_end=yes  # there is nothing that could be restarted
fi
if [ -n "$route" ]; then
  [ ! -L "$route" ] || route=$(readlink -f -- "$route")
  new=$(dirname -- "$route")/.$(basename -- "$route").new
  rm -f -- "$new"
  if [ -e "$saved" ]; then
    cp -p -- "$saved" "$new" && mv -f -- "$new" "$route" || code=1
  elif [ -e "$saved.none" ]; then
    rm -f -- "$route" || code=1
  else
    reload=
  fi
  [ -z "$reload" ] || run 60 "$reload" || code=$?
  [ $code != 0 ] || rm -f -- "$saved" "$saved.none"
fi
if [ -n "$must_end" ]; then
  if ! end_instance; then
    code=1  # by its link the next deploy finds that something is left over
  elif [ -n "$is_beside" ]; then
    rm -f -- "$path/ports/$port"
    rmdir -- "$path/ports" 2>/dev/null
  fi
fi
unshare
[ -z "$hook" ] || run "$limit" "$hook" || code=$?
printf '{"time":"%s",%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${record#?}" >>"$path/.deploy/history.jsonl"
exit $code
)sh";
}

Error broken() {
  return failed("what the host says about its releases cannot be read",
                "The host needs GNU coreutils, findutils and sed, and .deploy in the folder must "
                "not be written to by hand.");
}

// Lines that are none of ours are passed over: a line cut by a full disk must not end all deploys.
std::vector<HistoryEntry> parse_history(std::string_view text) {
  std::vector<HistoryEntry> history;
  for (const std::string& line : split_lines(text)) {
    auto json = parse_json(line);
    if (!json || json->as_object() == nullptr) continue;
    history.push_back({json->text_of("time"), json->text_of("action"), json->text_of("release"),
                       json->text_of("previous"), json->text_of("result"), json->text_of("commit"),
                       *json});
  }
  return history;
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// "../" for each folder that `path` lies in.
std::string way_up(const std::string& path) {
  std::string up;
  for (const char c : path) {
    if (c == '/') up += "../";
  }
  return up;
}

// A link at `path` of what is staged to `place` of the folder of releases.
std::string link_to(const std::string& path, const std::string& place) {
  return fmt::format("mkdir -p -- \"$staged\"/{0}\nln -s -- {1} \"$staged\"/{2}\n",
                     shell_quote(folder_of(path)), shell_quote("../../" + way_up(path) + place),
                     shell_quote(path));
}

// What the release has besides what is sent.
std::string link_into(const NewRelease& release) {
  std::string code;
  for (const std::string& path : release.shared) {
    code += link_to(path, "shared/" + path);
    code += fmt::format("mkdir -p -- \"$path\"/shared/{}\n", shell_quote(folder_of(path)));
  }
  for (const SecretFile& secret : release.secrets) {
    code += link_to(secret.path, fmt::format(".deploy/secrets/{}/{}", release.id, secret.path));
  }
  return code;
}

std::string in_shared(const SecretFile& secret) {
  return "\"$path/shared\"/" + shell_quote(secret.path);
}
// Where a secret file in shared/ leads to.
std::string shared_target(const SecretFile& secret) {
  return shell_quote("../" + way_up(secret.path) + "current/" + secret.path);
}

// Takes the contents off stdin, one after the other. Nobody's own file is replaced.
std::string receive_secrets(std::span<const SecretFile> secrets) {
  std::string code;
  for (const SecretFile& secret : secrets) {
    code += fmt::format(
        "{0} || {{ [ -L {1} ] && [ \"$(readlink -- {1})\" = {2} ]; }} || {{\n"
        "  echo {1} 'was not made by secret-files: move it away first' >&2\n  exit 1\n}}\n",
        fmt::format("{{ [ ! -e {0} ] && [ ! -L {0} ]; }}", in_shared(secret)), in_shared(secret),
        shared_target(secret));
  }
  code += "umask 077\n";
  for (const SecretFile& secret : secrets) {
    code += fmt::format("mkdir -p -- \"$deploy/secrets/$id\"/{}\n",
                        shell_quote(folder_of(secret.path)));
    code += fmt::format("head -c {} >\"$deploy/secrets/$id\"/{}\n", secret.content.size(),
                        shell_quote(secret.path));
  }
  return code;
}

std::string share_secrets(std::span<const SecretFile> secrets) {
  std::string code;
  for (const SecretFile& secret : secrets) {
    code += fmt::format(
        "  [ -L {0} ] || {{ mkdir -p -- \"$path/shared\"/{1} && ln -s -- {2} {0}; }} || return\n",
        in_shared(secret), shell_quote(folder_of(secret.path)), shared_target(secret));
  }
  return code;
}

void append_contents(std::string& text, std::span<const SecretFile> secrets) {
  std::size_t size = text.size();
  for (const SecretFile& secret : secrets) size += secret.content.size();
  text.reserve(size);  // no copy stays behind
  for (const SecretFile& secret : secrets) text += secret.content.expose();
}

}  // namespace

const HistoryEntry* ReleaseState::entry_of(std::string_view release) const {
  for (auto entry = history.rbegin(); entry != history.rend(); ++entry) {
    if (entry->release == release && entry->action == "deploy") return &*entry;
  }
  return nullptr;
}

bool ReleaseState::is_good(std::string_view release) const {
  bool good = false;
  for (const HistoryEntry& entry : history) {
    // What somebody went back from was not; names begin with the time.
    if (entry.action == "rollback" && entry.result == "deployed" && entry.previous == release &&
        entry.release < entry.previous) {
      good = false;
    }
    if (entry.release != release) continue;
    if (entry.action == "deploy" || entry.action == "rollback") good = entry.result == "deployed";
    if (entry.action == "revert") good = false;
  }
  return good;
}

std::string ReleaseState::rollback_target() const {
  for (auto release = releases.rbegin(); release != releases.rend(); ++release) {
    if (*release != current && is_good(*release)) return *release;
  }
  return {};
}

std::vector<std::string> ReleaseState::dispensable(std::size_t kept, std::string_view now,
                                                   std::string_view previous) const {
  std::vector<std::string> out;
  for (auto release = releases.rbegin(); release != releases.rend(); ++release) {
    if (*release == now || *release == previous) {
      if (kept > 0) --kept;
    } else if (kept > 0 && is_good(*release)) {
      --kept;
    } else {
      out.push_back(*release);
    }
  }
  return out;
}

Result<ReleaseState> parse_release_state(std::string_view text) {
  ReleaseState state;
  PCA_TRY(const std::string_view current, take_record(text));
  if (!current.empty() && !is_release_id(current)) return broken();
  state.current = current;
  PCA_TRY(const std::string_view hold, take_record(text));
  if (!hold.empty()) {
    auto json = parse_json(trim(hold));
    if (!json || json->as_object() == nullptr) return broken();
    state.hold = *std::move(json);
  }
  PCA_TRY(const std::string_view lock, take_record(text));
  state.has_gzip = lock == "ours gzip";
  state.is_locked = lock == "ours" || state.has_gzip;
  if (!state.is_locked) state.lock = trim(lock);
  PCA_TRY(const std::string_view history, take_record(text));
  state.history = parse_history(history);
  PCA_TRY(const std::string_view releases, take_record(text));
  for (const std::string& name : split_lines(releases)) {
    if (is_release_id(name)) state.releases.push_back(name);
  }
  std::set<std::string_view> altered;
  for (;;) {
    PCA_TRY(const std::string_view path, take_record(text));
    if (path.empty()) break;
    altered.insert(path);
  }
  PCA_TRY(state.tree, parse_manifest(text));
  for (TreeEntry& entry : state.tree) {
    if (altered.contains(entry.path)) entry.digest.clear();
  }
  return state;
}

ReleaseFolder::ReleaseFolder(RemoteShell& shell, std::string path, Milliseconds lease)
    : shell_(shell), path_(std::move(path)), lease_(lease), token_(random_hex(token_bytes)) {}

void ReleaseFolder::describe(const std::string& release, const std::string& previous,
                             const std::string& host, const std::string& commit) {
  environment_.clear();
  set_variable("RELEASE", release);
  set_variable("RELEASE_PREVIOUS", previous);
  set_variable("RELEASE_HOST", host);
  set_variable("RELEASE_COMMIT", commit);
  environment_ += "export RELEASE_PATH=\"$path/releases/$RELEASE\"\n";
}

void ReleaseFolder::set_variable(const char* name, const std::string& value) {
  environment_ += "export " + assignment(name, value);
}

Result<std::string> ReleaseFolder::run(const Budget& budget, const std::string& code,
                                       const RemoteInput& input) {
  return shell_.run(budget, with_functions(code), input);
}

std::string ReleaseFolder::with_functions(const std::string& code) {
  if (std::exchange(has_functions_, true)) return code;
  return assignment("path", path_) + assignment("token", token_) +
         fmt::format("renewals={}\n{}{}", lease_ / renewal, apart_functions, functions) + code;
}

Result<ReleaseState> ReleaseFolder::look(const Budget& budget) {
  PCA_TRY(const std::string text, run(budget, "look\n"));
  return parse_release_state(text);
}

Result<ReleaseState> ReleaseFolder::lock(const Budget& budget, const Json& owner) {
  PCA_TRY(const std::string text, run(budget, assignment("owner", owner.dump()) + R"sh(
# Once more where a reap has just removed the folder.
if take_lock || { [ ! -e "$deploy" ] && take_lock; }; then
  clean_up
  renew
  look
elif [ -w "$deploy" ]; then
  look
else
  false
fi
)sh"));
  return parse_release_state(text);
}

Result<bool> ReleaseFolder::has_secrets(const Budget& budget, std::span<const SecretFile> secrets) {
  std::string code = fmt::format(
      "same=yes\n[ \"$(find \"$deploy/secrets/$current\" -type f 2>/dev/null | wc -l)\" = {} ] || "
      "same=\n",
      secrets.size());
  for (const SecretFile& secret : secrets) {
    code += fmt::format(
        "[ \"$(head -c {} | sha256sum)\" = \"$(sha256sum <\"$deploy/secrets/$current\"/{})\" ] || "
        "same=\n",
        secret.content.size(), shell_quote(secret.path));
  }
  WipedText contents;
  append_contents(contents.text, secrets);
  PCA_TRY(const std::string same,
          run(budget, code + "printf %s \"$same\"\n", text_input(contents.text)));
  return same == "yes";
}

Result<> ReleaseFolder::stage(
    const Budget& budget, const NewRelease& release,
    const std::function<void(std::uint64_t sent, std::uint64_t all)>& progress) {
  TarStream archive({}, {}, release.uploads);
  const std::string manifest = write_manifest(release.tree);
  const std::string linked = as_records(release.linked);
  std::string code = std::string(upload_pieces) + assignment("id", release.id) + R"sh(
staged=$path/releases/.$id.part
# Known before it is there: who is ended behind the rename takes it back too.
[ -e "$path/releases/$id" ] || placed=$path/releases/$id
new_manifest=$deploy/manifests/.$id.part
(
  set -e
  mkdir -- "$staged"
)sh";
  code += fmt::format("  head -c {} >\"$tmp/linked\"\n", linked.size());
  code += fmt::format("  head -c {} >\"$new_manifest\"\n", manifest.size());
  if (!release.secrets.empty()) code += "(\n" + receive_secrets(release.secrets) + ")\n";
  code += R"sh(
  cd "$tmp"
  unpack_pieces "$staged"
  if [ -s "$tmp/linked" ]; then
    cd "$path/releases/$current"
    xargs -0 cp -l --parents -t "$staged" -- <"$tmp/linked"
    cd "$path"
  fi
)sh";
  code += link_into(release);
  code += R"sh(
  sync -f "$staged"
  touch "$new_manifest"
  mv -f -- "$new_manifest" "$deploy/manifests/$id"
  mv -T -- "$staged" "$path/releases/$id"
)
code=$?
[ $code = 0 ] || tell_full
(exit $code)
)sh";
  WipedText before(linked + manifest);
  append_contents(before.text, release.secrets);
  return ArchiveUpload(shell_, archive, release.host_has_gzip, progress)
      .run(budget, with_functions(code), before.text);
}

namespace {

// Arms the revert that is in $revert.
constexpr std::string_view arm = R"sh(
arm() {
  holds_lock || { echo 'the lock was lost meanwhile' >&2; return 1; }
  keep_script "$revert" "$armed" || return
  # Ends also where nobody knew yet whom to end: without what it is to run.
  apart 'n=$2; while [ "$n" -gt 0 ] && [ -e "$1" ]; do sleep 1; n=$((n - 1)); done; mv "$1" "$1.fired" 2>/dev/null && sh "$1.fired" && rm -f "$1.fired"' \
    "$armed" "$patience"
  timer=$leader
}
arm)sh";

}  // namespace

std::string ReleaseFolder::arming(const Switch& how) const {
  return "revert=" + shell_quote(revert_script(environment_, token_, how)) + "\n" +
         fmt::format("patience={}\n{}", how.patience.count() / 1000, arm);
}

Result<ReleaseFolder::Ports> ReleaseFolder::look_at_ports(const Budget& budget,
                                                          std::span<const std::string> ports) {
  Ports found;
  std::string code;
  for (const std::string& port : ports) {
    code += fmt::format("printf '%s\\n' \"$(readlink -- \"$path/ports/{}\")\"\n", port);
  }
  PCA_TRY(const std::string text, run(budget, code + "printf '../releases/%s\\n' \"$current\"\n"));
  const std::vector<std::string> lines = split_lines(text);
  if (lines.size() != ports.size() + 1) return broken();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (lines[i].starts_with("../previews/")) {
      return failed(fmt::format("port {} belongs to the preview of {}", ports[i],
                                visible(std::string_view(lines[i]).substr(12))),
                    "Choose other ports, or other preview-ports.");
    }
    if (lines[i] == lines.back()) {
      found.live = ports[i];
    } else if (found.free.empty()) {
      found.free = ports[i];
      found.has_left_over = !lines[i].empty();
    }
  }
  return found;
}

Result<> ReleaseFolder::arm_beside(const Budget& budget, const Switch& how) {
  set_variable("PORT", how.port);
  PCA_CHECK(
      run(budget, arming(how) + fmt::format(" && mkdir -p -- \"$path/ports\" && ln -s -f -n -- "
                                            "../releases/{} \"$path/ports/{}\"\n",
                                            how.release, how.port)));
  return {};
}

Result<> ReleaseFolder::switch_to(const Budget& budget, const Switch& how) {
  std::string code = assignment("id", how.release) + assignment("port", how.port) +
                     assignment("route", how.route.file) + assignment("template", how.route.text) +
                     "share_secrets() {\n  :\n" + share_secrets(how.secrets) + "}\n";
  code += R"sh(
reroute() {
  [ -n "$route" ] || return 0
  [ ! -L "$route" ] || route=$(readlink -f -- "$route") || return
  new=$(dirname -- "$route")/.$(basename -- "$route").new
  saved=$deploy/route.$token
  if [ -e "$route" ]; then
    cp -p -- "$route" "$saved.part" && mv -f -- "$saved.part" "$saved" && cp -p -- "$route" "$new" || return
  else
    : >"$saved.none" || return
  fi
  here=$(printf %s "$path" | sed 's/[&\|]/\\&/g')
  printf '%s\n' "$template" |
    sed "s|@port@|$port|g; s|@release@|$id|g; s|@path@|$here|g" >"$new" && mv -f -- "$new" "$route"
}
)sh";
  code += how.is_beside ? std::string(":") : arming(how);
  PCA_CHECK(run(budget, code + R"sh( && share_secrets &&
  ln -s -f -n -- "releases/$id" "$path/.current.new" && mv -T -- "$path/.current.new" "$path/current" &&
  reroute
)sh"));
  return {};
}

Result<CommandCheck> ReleaseFolder::command(const Budget& budget, const std::string& place,
                                            const std::string& command, Milliseconds limit) {
  // Ended a little early by the host, so that the shell is free again when time is up here.
  const auto left = std::min(limit, budget.left() - one_second);
  const auto seconds = std::max<std::int64_t>(1, left.count() / 1000);
  PCA_TRY(std::string said,
          run(budget, environment_ + assignment("place", place) + assignment("command", command) +
                          fmt::format("limit={}\n", seconds) + R"sh(
cd "$path/$place" && attend "$command" "$limit"
printf '%s\n' "$?"
cd /
tail -c 65536 "$tmp/said"
)sh"));
  const std::size_t end = said.find('\n');
  const auto code = parse_integer(said.substr(0, end), 0, 255);
  if (end == std::string::npos || !code) return broken();
  return CommandCheck{*code == 0, said.substr(end + 1), static_cast<int>(*code)};
}

namespace {

std::string hold_code(const std::optional<Json>& hold) {
  if (!hold) return {};
  if (hold->is_null()) return "rm -f -- \"$deploy/hold\"\n";
  return assignment("hold", hold->dump()) +
         "printf '%s\\n' \"$hold\" >\"$deploy/hold.$token\" && mv -f -- \"$deploy/hold.$token\" "
         "\"$deploy/hold\"\n";
}

// Renamed first: nobody ever finds half a release.
std::string delete_code(const std::vector<std::string>& releases) {
  if (releases.empty()) return {};
  return fmt::format(
      "left=\nfor old in{}; do\n"
      "  mv -T -- \"$path/releases/$old\" \"$path/releases/.$old.part\" && "
      "rm -rf -- \"$path/releases/.$old.part\" \"$deploy/manifests/$old\" "
      "\"$deploy/secrets/$old\" || left=yes\ndone\n[ -z \"$left\" ]\n",
      as_words(releases));
}

}  // namespace

Result<> ReleaseFolder::confirm(const Budget& budget, const Json& record,
                                const std::optional<Json>& hold) {
  PCA_TRY(const std::string said, run(budget, assignment("record", record.dump()) + R"sh(
if mv -- "$armed" "$armed.off" 2>/dev/null; then
  rm -f -- "$armed.off"
  end_of "$timer"
  timer=
  staged=
  rm -f -- "$deploy/route.$token"*
  history "$record" || echo "$deploy/history.jsonl cannot be written: this release will not count as good" >&2
)sh" + hold_code(hold) + label_code_ +
                                                  R"sh(
  echo done
else
  echo late
fi
)sh"));
  if (said.ends_with("done\n")) return {};
  return conflict("the host had gone back to the release before when the new one was confirmed",
                  "Deploy again; a longer health-timeout gives it more time.");
}

Result<std::string> ReleaseFolder::revert(const Budget& budget) {
  if (shell_.is_busy()) {
    PCA_CHECK(shell_.terminate(budget));
    return std::string();
  }
  return run(budget, R"sh(
fire "$armed" >"$tmp/revert" 2>&1
code=$?
end_of "$timer"
timer=
[ $code = 0 ] || tail -n 3 "$tmp/revert" >&2
tail -c 65536 "$tmp/revert"
(exit $code)
)sh");
}

Result<> ReleaseFolder::record(const Budget& budget, const Json& record,
                               const std::optional<Json>& hold) {
  PCA_CHECK(
      run(budget, assignment("record", record.dump()) + hold_code(hold) + "history \"$record\"\n"));
  return {};
}

Result<> ReleaseFolder::clean(const Budget& budget, const std::vector<std::string>& releases,
                              bool break_lock) {
  PCA_CHECK(run(budget, (break_lock ? std::string("rm -f -- \"$deploy/lock\"\n") : ":\n") +
                            delete_code(releases)));
  return {};
}

}  // namespace pca::tunnel_ssh
