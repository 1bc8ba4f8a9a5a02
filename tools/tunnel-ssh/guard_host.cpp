#include "tunnel-ssh/guard_host.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.hpp"

namespace pca::tunnel_ssh {

namespace {

// $place: owner, until (seconds since 1970), armed (the script), saved or absent, candidate.
constexpr std::string_view functions = R"sh(
export LC_ALL=C
place=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/guard
armed=$place/armed
tmp=$(mktemp -d) || exit
trap 'rm -rf -- "$tmp"' EXIT
apart() { setsid sh -c "trap '' HUP; $1" sh "$2" "$3" </dev/null >/dev/null 2>&1 & }
# Armed, or fired and not yet at its end.
pending() { [ -e "$armed" ] || [ -e "$armed.fired" ]; }
pending_text() {
  until=$(cat "$place/until")
  printf '%s %s\n' "$((until - $(date +%s)))" "$(date -u -d "@$until" +%Y-%m-%dT%H:%M:%SZ)"
  cat "$place/owner"
}
disarm_timer() { # ours may be what calls it: then there is nothing to end
  if [ -s "$place/unit" ]; then systemctl stop "$(cat "$place/unit")" >/dev/null 2>&1; fi
  if [ -s "$place/timer" ]; then kill -s TERM -- "-$(cat "$place/timer")" 2>/dev/null; fi
}
)sh";

std::string assignment(const char* name, const std::string& value) {
  return fmt::format("{}={}\n", name, shell_quote(value));
}

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

}  // namespace

Result<std::string> GuardHost::run(const Budget& budget, const std::string& code,
                                   const RemoteInput& input) {
  if (std::exchange(has_functions_, true)) return shell_.run(budget, code, input);
  return shell_.run(budget, std::string(functions) + code, input);
}

Result<std::optional<PendingGuard>> GuardHost::status(const Budget& budget) {
  PCA_TRY(const std::string text, run(budget, "if pending; then pending_text; fi\n"));
  if (text.empty()) return std::optional<PendingGuard>();
  return std::optional(parse_pending(text));
}

Result<PendingGuard> GuardHost::arm(const Budget& budget, const GuardedChange& change) {
  std::string code = assignment("target", change.target) + assignment("validate", change.validate) +
                     assignment("revert", change.revert) +
                     assignment("owner", change.owner.dump()) +
                     fmt::format("patience={}\nsize={}\n", change.revert_after.count() / 1000,
                                 change.candidate.size());
  code += R"sh(
arm() {
  (umask 077; mkdir -p -- "$place") || return
  head -c "$size" >"$tmp/candidate"
  [ "$(wc -c <"$tmp/candidate")" = "$size" ] || { echo 'the candidate was cut short' >&2; return 1; }
  # The folder is the lock: two that come at once cannot both make it.
  if pending || ! mkdir -- "$place/busy" 2>/dev/null; then echo pending; pending_text 2>/dev/null; return 0; fi
  arm_alone
  code=$?
  rmdir -- "$place/busy"
  return $code
}
arm_alone() {
  rm -f -- "$place"/saved "$place"/absent "$place"/unit "$place"/timer "$place"/applied
  cp -- "$tmp/candidate" "$place/candidate" || return
  export CANDIDATE="$place/candidate"
  if [ -n "$validate" ]; then
    sh -c "$validate" </dev/null >"$tmp/said" 2>&1 || {
      tail -n 3 "$tmp/said" >&2; echo 'the candidate is not valid' >&2; return 1; }
  fi
  if [ -n "$target" ]; then
    if [ -e "$target" ] || [ -L "$target" ]; then cp -p -P -- "$target" "$place/saved"; else : >"$place/absent"; fi || return
  fi
  printf '%s\n' "$owner" >"$place/owner" && printf '%s\n' "$(($(date +%s) + patience))" >"$place/until" || return
  quote() { printf "'%s'" "$(printf %s "$1" | sed "s/'/'\\\\''/g")"; }
  {
    printf 'place=%s\ntarget=%s\nrevert=%s\n' "$(quote "$place")" "$(quote "$target")" "$(quote "$revert")"
    cat <<'script'
code=0
if [ -n "$target" ]; then
  if [ -e "$place/absent" ]; then rm -f -- "$target" || code=1; else
    cp -p -P -- "$place/saved" "$target.tunnel-ssh-guard" && mv -f -T -- "$target.tunnel-ssh-guard" "$target" || code=1
  fi
fi
if [ -n "$revert" ]; then (cd / && sh -c "$revert") </dev/null >"$place/reverted" 2>&1 || code=1; fi
exit $code
script
  } >"$armed.new" && sync -f "$place" && mv -f -- "$armed.new" "$armed" || return
  fire='mv "$1" "$1.fired" && sh "$1.fired" && rm -f "$1.fired"'
  if [ -d /run/systemd/system ] && [ "$(id -u)" = 0 ] && command -v systemd-run >/dev/null; then
    unit=tunnel-ssh-guard-$$
    systemd-run --quiet --collect --unit="$unit" --on-active="$patience" sh -c "$fire" sh "$armed" &&
      printf '%s\n' "$unit.timer" >"$place/unit"
  else
    apart "sleep \"\$2\"; $fire" "$armed" "$patience"
    printf '%s\n' "$!" >"$place/timer"
  fi || { rm -f -- "$armed"; echo 'no timer could be started' >&2; return 1; }
  echo armed
  pending_text
}
arm
)sh";
  std::size_t taken = 0;
  PCA_TRY(const std::string said,
          run(budget, code, [&](std::span<char> into) -> Result<std::size_t> {
            const std::size_t count = change.candidate.copy(into.data(), into.size(), taken);
            taken += count;
            return count;
          }));
  const std::size_t line_end = said.find('\n');
  if (line_end == std::string::npos) return failed("the host does not say what it did");
  const PendingGuard guard = parse_pending(std::string_view(said).substr(line_end + 1));
  if (said.starts_with("armed\n")) return guard;
  return conflict(fmt::format("a guard is pending on the host until {}: {}", guard.reverts_at,
                              visible(guard.owner)),
                  "Confirm or revert it first: \"tunnel-ssh guard confirm\" or \"guard revert\".");
}

Result<std::string> GuardHost::apply(const Budget& budget, const GuardedChange& change) {
  PCA_TRY(const std::string said, run(budget, assignment("target", change.target) +
                                                  assignment("apply", change.apply) + R"sh(
apply() {
  pending || { echo 'the guard is gone' >&2; return 1; }
  if [ -n "$target" ]; then
    # Beside the target first, so that its place is taken by rename; with the old one's mode.
    cp -- "$place/candidate" "$target.tunnel-ssh-guard" || return
    if [ -e "$place/saved" ]; then chmod --reference="$place/saved" -- "$target.tunnel-ssh-guard"; fi
    sync -f "$target.tunnel-ssh-guard"
    mv -f -T -- "$target.tunnel-ssh-guard" "$target" || return
  fi
  export CANDIDATE="${target:-$place/candidate}"
  apart 'sh -c "$1" >"$2.said" 2>&1; echo $? >"$2.new" && mv -f "$2.new" "$2"' "$apply" "$place/applied"
  while [ ! -e "$place/applied" ]; do sleep 0.1; done
  tail -c 65536 "$place/applied.said"
  code=$(cat "$place/applied")
  [ "$code" = 0 ] || { tail -n 3 "$place/applied.said" >&2; echo "apply ended with exit code $code" >&2; return 1; }
}
apply
)sh"));
  return said;
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
  const std::size_t end = said.find('\n');
  if (end == std::string::npos) return failed("the host does not say how a check went");
  return CommandCheck{said.substr(0, end) == "0", said.substr(end + 1)};
}

Result<> GuardHost::confirm(const Budget& budget) {
  PCA_TRY(const std::string said, run(budget, R"sh(
if mv -- "$armed" "$armed.off" 2>/dev/null; then
  disarm_timer
  rm -f -- "$armed.off" "$place"/saved "$place"/absent "$place"/candidate
  echo done
fi
)sh"));
  if (said == "done\n") return {};
  return nothing_pending();
}

Result<> GuardHost::revert(const Budget& budget) {
  PCA_TRY(const std::string said, run(budget, R"sh(
if mv -- "$armed" "$armed.fired" 2>/dev/null || [ -e "$armed.fired" ]; then
  sh "$armed.fired" && rm -f -- "$armed.fired" && { disarm_timer; echo done; } || { tail -n 3 "$place/reverted" >&2; false; }
fi
)sh"));
  if (said == "done\n") return {};
  return nothing_pending();
}

}  // namespace pca::tunnel_ssh
