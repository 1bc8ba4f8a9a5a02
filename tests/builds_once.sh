#!/usr/bin/env bash
# A second run installs nothing, builds nothing again, and a new clone builds no library again.
# usage: bash tests/builds_once.sh PRESET [TARGET...]   after that preset was built
set -euo pipefail
cd "$(dirname "$0")/.."
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
fail() { # what, a log
  printf 'builds_once: %s\n' "$1" >&2
  sed 's/^/  /' "$2" >&2
  exit 1
}

common/cmake/prepare.sh packages build demo test >"$output/packages"
[ ! -s "$output/packages" ] || fail "packages are installed a second time" "$output/packages"

common/cmake/prepare.sh build "$@" >"$output/build"
tail -n 1 "$output/build" | grep -qx 'ninja: no work to do.' || fail "the preset $1 is built a second time" "$output/build"

# As in a new clone: nothing but the cache is known.
cmake --preset "$1" -B "$output/new" >"$output/configure" 2>&1 || fail "a new clone cannot be configured" "$output/configure"
! grep -q 'Building libcurl' "$output/configure" || fail "a new clone builds the libraries again" "$output/configure"
echo "builds_once: good"
