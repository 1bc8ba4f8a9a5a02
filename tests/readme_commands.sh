#!/usr/bin/env bash
# Runs every command that the README shows: its ```bash blocks, and --help of each command of tunnel-ssh that it names.
# usage: bash tests/readme_commands.sh   tests/run.sh calls it
set -euo pipefail
cd "$(dirname "$0")/.."

blocks() { awk '/^```bash$/ {inside = 1; next} /^```/ {inside = 0} inside' README.md; }
named() { grep -oE '`tunnel-ssh [a-z]+( [a-z]+)?`' README.md | tr -d '`' | sort -u; }

output=$(mktemp)
trap 'rm -f "$output"' EXIT
run() { # command line
  bash -euo pipefail -c "$1" >"$output" 2>&1 && echo "README: good: $1" && return
  printf 'README: this command failed: %s\n' "$1" >&2
  sed 's/^/  /' "$output" >&2
  exit 1
}

mapfile -t lines < <(blocks)
[ "${#lines[@]}" -ge 4 ] || { echo "README: only ${#lines[@]} commands were found" >&2; exit 1; }
for line in "${lines[@]}"; do
  case $line in
  'bash tests/run.sh') echo "README: good: $line (it runs just now)" ;;
  *) run "$line" ;;
  esac
done
# What no test can run is marked as such, with the reason.
awk '/^<!-- external: .* -->$/ {reason = $0; sub(/^<!-- external: /, "", reason); sub(/ -->$/, "", reason); marked = NR}
  /^```sh$/ {if (marked != NR - 1) {print "README: line " NR ": a block of sh is not marked <!-- external: REASON -->" >"/dev/stderr"; exit 1} inside = 1; next}
  /^```/ {inside = 0} inside {print "README: not run (" reason "): " $0}' README.md
[ -n "$(named)" ] || { echo "README: it names no command of tunnel-ssh" >&2; exit 1; }
while read -r command; do run "build/release/bin/$command --help"; done < <(named)
