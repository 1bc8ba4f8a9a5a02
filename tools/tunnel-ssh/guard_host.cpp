#include "tunnel-ssh/guard_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/digest.hpp"
#include "base/text.hpp"
#include "tunnel-ssh/remote_code.hpp"

namespace pca::tunnel_ssh {

namespace {

constexpr std::size_t token_bytes = 8;
constexpr Milliseconds one_wait{2000};  // of a block that waits, so that a cancel finds it free

// $pending is the link to the folder of the change that waits: owner, until (seconds since 1970),
// armed (the script), saved or absent, candidate, and how to end timer and apply.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
place=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/guard
pending=$place/pending
export CANDIDATE="$pending/candidate"
tmp=$(mktemp -d) || exit
trap 'rm -rf -- "$tmp"' EXIT
describe() {
  until=$(cat "$pending/until") || return
  printf '%s %s\n' "$((until - $(date +%s)))" "$(date -u -d "@$until" +%Y-%m-%dT%H:%M:%SZ)"
  cat "$pending/owner"
}
forget() {
  folder=$(readlink -f -- "$pending") && rm -f -- "$pending" && rm -rf -- "$folder"
}
end_timer() {
  if [ -s "$pending/unit" ]; then systemctl stop "$(cat "$pending/unit")" >/dev/null 2>&1; fi
  end_of "$(cat "$pending/timer" 2>/dev/null)"
}
)sh";

// Runs when nobody is there: by the timer, or by `guard revert`. $folder is set before, and the
// user's $target and $revert.
constexpr std::string_view revert_script = R"sh(
code=0
if [ -s "$folder/applying" ]; then kill -s TERM -- "-$(cat "$folder/applying")" 2>/dev/null; fi
if [ -n "$target" ]; then
  if [ -e "$folder/absent" ]; then rm -f -- "$target" || code=1; else
    cp -p -P -- "$folder/saved" "$target.tunnel-ssh-guard" &&
      mv -f -T -- "$target.tunnel-ssh-guard" "$target" || code=1
  fi
fi
export CANDIDATE="$folder/candidate"
if [ -n "$revert" ]; then (cd / && sh -c "$revert") </dev/null >"$folder/reverted" 2>&1 || code=1; fi
exit $code
)sh";

// Reads the candidate from its input.
constexpr std::string_view arm_code = R"sh(
quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
prepare() {
  (umask 077; mkdir -p -- "$folder") || return
  head -c "$size" >"$folder/candidate"
  [ "$(wc -c <"$folder/candidate")" = "$size" ] || { echo 'the candidate was cut short' >&2; return 1; }
  if [ -n "$validate" ]; then
    export CANDIDATE="$folder/candidate"
    sh -c "$validate" </dev/null >"$tmp/said" 2>&1 || {
      tail -n 3 "$tmp/said" >&2; echo 'the candidate is not valid' >&2; return 1; }
  fi
  if [ -n "$target" ]; then
    if [ -e "$target" ] || [ -L "$target" ]; then cp -p -P -- "$target" "$folder/saved"; else : >"$folder/absent"; fi || return
  fi
  printf '%s\n' "$owner" >"$folder/owner" && printf '%s\n' "$(($(date +%s) + patience))" >"$folder/until" || return
  {
    printf 'folder=%s\ntarget=%s\nrevert=%s\n' "$(quote "$folder")" "$(quote "$target")" "$(quote "$revert")"
    printf %s "$script"
  } >"$folder/armed" && sync -f "$folder"
}
start_timer() {
  fire='mv "$1/armed" "$1/fired" && sh "$1/fired" && rm -f "$2" && rm -rf "$1"'
  if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && command -v systemd-run >/dev/null; then
    unit=tunnel-ssh-guard-${folder##*/}
    # Without AccuracySec systemd may be a minute late.
    printf '%s\n' "$unit.timer" >"$folder/unit" &&
      systemd-run --quiet --collect --unit="$unit" --on-active="$patience" --timer-property=AccuracySec=1s \
        sh -c "$fire" sh "$folder" "$pending"
  else
    apart "sleep $patience; $fire" "$folder" "$pending"
    printf '%s\n' "$leader" >"$folder/timer"
  fi
}
arm() {
  folder=$place/$token
  prepare || { code=$?; rm -rf -- "$folder"; return $code; }
  if ! ln -s -n -- "$folder" "$pending" 2>/dev/null; then
    rm -rf -- "$folder"
    echo pending
    describe
    return 0
  fi
  start_timer || { forget; echo 'no timer could be started' >&2; return 1; }
  echo armed
  describe
}
arm
)sh";

constexpr std::string_view apply_code = R"sh(
apply() {
  [ -e "$pending/armed" ] || { echo 'the guard is gone' >&2; return 1; }
  if [ -n "$target" ]; then
    # Beside the target first, so that its place is taken by rename; with the old one's mode.
    cp -- "$pending/candidate" "$target.tunnel-ssh-guard" || return
    if [ -e "$pending/saved" ]; then chmod --reference="$pending/saved" -- "$target.tunnel-ssh-guard"; fi
    sync -f "$target.tunnel-ssh-guard"
    mv -f -T -- "$target.tunnel-ssh-guard" "$target" || return
  fi
  export CANDIDATE="${target:-$pending/candidate}"
  folder=$(readlink -f -- "$pending")
  apart 'sh -c "$1" >"$2/said" 2>&1; echo $? >"$2/code.new" && mv -f "$2/code.new" "$2/code"' "$apply" "$folder"
  printf '%s\n' "$leader" >"$folder/applying"
}
apply
)sh";

constexpr std::string_view wait_code = R"sh(
n=0
while [ -e "$pending/armed" ] && [ ! -e "$pending/code" ] && [ $n -lt 20 ]; do sleep 0.1; n=$((n + 1)); done
if [ -e "$pending/code" ]; then cat "$pending/code"; tail -c 65536 "$pending/said"; fi
[ -e "$pending/armed" ] || { echo 'the guard is gone' >&2; false; }
)sh";

PendingGuard parse_pending(std::string_view text) {
  PendingGuard guard;
  const std::size_t line_end = text.find('\n');
  const std::vector<std::string> words = split(text.substr(0, line_end), ' ');
  if (const auto left = parse_integer(words[0], INT32_MIN, INT32_MAX)) guard.seconds_left = *left;
  if (words.size() > 1) guard.reverts_at = visible(words[1]);
  if (line_end != std::string_view::npos) guard.owner = trim(text.substr(line_end + 1));
  return guard;
}

Error nothing_pending() {
  return conflict("no guard is pending on the host",
                  "It was confirmed or reverted already: \"tunnel-ssh guard status\" shows it.");
}

// "code\noutput" of a command of the user's.
Result<CommandCheck> parse_check(const std::string& said) {
  const std::size_t end = said.find('\n');
  if (end == std::string::npos) return failed("the host does not say how a command went");
  return CommandCheck{said.substr(0, end) == "0", said.substr(end + 1)};
}

}  // namespace

Result<std::string> GuardHost::run(const Budget& budget, const std::string& code,
                                   const RemoteInput& input) {
  if (std::exchange(has_functions_, true)) return shell_.run(budget, code, input);
  return shell_.run(budget, fmt::format("{}{}{}", apart_functions, functions, code), input);
}

Result<std::optional<PendingGuard>> GuardHost::status(const Budget& budget) {
  PCA_TRY(const std::string text, run(budget, "if [ -L \"$pending\" ]; then describe; fi\n"));
  if (text.empty()) return std::optional<PendingGuard>();
  return std::optional(parse_pending(text));
}

Result<PendingGuard> GuardHost::arm(const Budget& budget, const GuardedChange& change) {
  const std::string code =
      assignment("token", random_hex(token_bytes)) + assignment("target", change.target) +
      assignment("validate", change.validate) + assignment("revert", change.revert) +
      assignment("script", std::string(revert_script)) + assignment("owner", change.owner.dump()) +
      fmt::format("patience={}\nsize={}\n", change.revert_after.count() / 1000,
                  change.candidate.size()) +
      std::string(arm_code);
  std::size_t taken = 0;
  PCA_TRY(const std::string said,
          run(budget, code, [&](std::span<char> into) -> Result<ByteStream::Read> {
            const std::size_t count = change.candidate.copy(into.data(), into.size(), taken);
            taken += count;
            return ByteStream::Read{count, taken == change.candidate.size()};
          }));
  const std::size_t line_end = said.find('\n');
  if (line_end == std::string::npos) return failed("the host does not say what it did");
  const PendingGuard guard = parse_pending(std::string_view(said).substr(line_end + 1));
  if (said.starts_with("armed\n")) return guard;
  return conflict(fmt::format("a guard is pending on the host until {}: {}", guard.reverts_at,
                              visible(guard.owner)),
                  "Confirm or revert it first: \"tunnel-ssh guard confirm\" or \"guard revert\".");
}

Result<> GuardHost::apply(const Budget& budget, const GuardedChange& change) {
  PCA_CHECK(run(budget, assignment("target", change.target) + assignment("apply", change.apply) +
                            std::string(apply_code)));
  return {};
}

Result<std::string> GuardHost::wait_applied(const Budget& budget) {
  std::string said;
  while (said.empty()) {
    PCA_CHECK(budget.check("waiting for apply to end"));
    // The block ends by itself: a budget that is over must not leave the shell busy.
    const Budget block(std::max(budget.deadline(), Clock::now() + 2 * one_wait), budget.stop());
    PCA_TRY(said, run(block, std::string(wait_code)));
  }
  PCA_TRY(CommandCheck applied, parse_check(said));
  if (applied.is_good) return std::move(applied.said);
  const std::vector<std::string> lines = split_list(applied.said);
  return failed(fmt::format("apply ended with exit code {}{}", said.substr(0, said.find('\n')),
                            lines.empty() ? std::string() : ": " + visible(lines.back())));
}

Result<CommandCheck> GuardHost::check(const Budget& budget, const std::string& command,
                                      Milliseconds limit) {
  const auto seconds = std::max<std::int64_t>(1, limit.count() / 1000);
  PCA_TRY(const std::string said,
          run(budget, assignment("check", command) + fmt::format("limit={}\n", seconds) + R"sh(
timeout -k 1 "$limit" sh -c "$check" </dev/null >"$tmp/said" 2>&1
printf '%s\n' "$?"
tail -c 4096 "$tmp/said"
)sh"));
  return parse_check(said);
}

Result<> GuardHost::confirm(const Budget& budget) {
  PCA_TRY(const std::string said, run(budget, R"sh(
if mv -- "$pending/armed" "$pending/confirmed" 2>/dev/null; then
  end_timer
  forget
  echo done
fi
)sh"));
  if (said == "done\n") return {};
  return nothing_pending();
}

Result<> GuardHost::revert(const Budget& budget) {
  PCA_TRY(const std::string said, run(budget, R"sh(
if mv -- "$pending/armed" "$pending/fired" 2>/dev/null || [ -e "$pending/fired" ]; then
  if sh "$pending/fired"; then end_timer; forget; echo done; else tail -n 3 "$pending/reverted" >&2; false; fi
elif [ -L "$pending" ]; then
  forget # confirmed, and cut off then
fi
)sh"));
  if (said == "done\n") return {};
  return nothing_pending();
}

}  // namespace pca::tunnel_ssh
