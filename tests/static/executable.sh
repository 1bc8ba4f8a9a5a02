#!/usr/bin/env bash
# A release executable is static, stripped, small, and cheap to start.
# usage: executable.sh EXECUTABLE LIBRARY...   what its --version names
set -euo pipefail
tool=$1
shift
fail() { echo "FAILED: $1" >&2; exit 1; }

kind=$(file --brief "$tool")
[[ $kind == *"statically linked"* ]] || fail "not static: $kind"
[[ $kind == *", stripped" ]] || fail "not stripped: $kind"
size=$(stat -c %s "$tool")
[ "$size" -le 8000000 ] || fail "$size bytes are more than 8 MB"

version=$("$tool" --version)
for library in "$@"; do
  [[ $version == *"$library"* ]] || fail "--version does not name $library: $version"
done

# The least of many runs is what it costs; the rest is the machine's noise. What a process costs that does
# nothing is the machine's, too; on one where that alone takes as long, it may be twice as much.
spend() { # command...
  bash -c 'TIMEFORMAT="%U %S"; time "$0" "$@" >/dev/null' "$@" 2>&1 | awk '{print int(($1 + $2) * 1000)}'
}
least=1000000 nothing=1000000
for _ in $(seq 30); do
  spent=$(spend "$tool" --version)
  [ "$spent" -ge "$least" ] || least=$spent
  spent=$(spend /bin/true)
  [ "$spent" -ge "$nothing" ] || nothing=$spent
done
[ $((least - nothing)) -le 5 ] || [ "$least" -le $((2 * nothing)) ] || fail "--version costs $least ms of CPU, and a process that does nothing $nothing ms"
echo "$(basename "$tool"): static, stripped, $size bytes, --version costs $least ms of CPU ($nothing ms to be there at all)"
