#!/usr/bin/env bash
# What a newcomer types first, on a Debian 12 that has nothing but git and sudo: the demo as a user who may use sudo,
# and as root. It says what it installs, shows the main job, and a second run builds nothing.
# usage: bash tests/full/newcomer.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "SKIPPED: debootstrap needs root" >&2; [ "${REQUIRE_E2E:-}" != 1 ]; exit; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fail() { echo "newcomer: $1" >&2; tail -n 40 "$log" >&2; exit 1; }

for user in newcomer root; do
  tests/full/in_debian.sh --new --as "$user" bookworm '
    bash tools/sandbox/demo.sh
    echo "== the second run"
    bash tools/sandbox/demo.sh' >"$log" 2>&1 || fail "the demo failed for $user"
  grep -q '^== Installing Debian packages that are missing: .*libssl-dev' "$log" || fail "what is installed was not named for $user"
  sed '/^== the second run/,$d' "$log" | grep -q 'Hello from .*, as '"$user" || fail "the script did not run for $user"
  second=$(sed -n '/^== the second run/,$p' "$log")
  grep -q 'Hello from .*, as '"$user" <<<"$second" || fail "the second run did not run the script for $user"
  ! grep -qE 'Building C(XX)? object|Linking|Installing' <<<"$second" || fail "the second run built or installed again for $user"
  echo "newcomer: the demo runs for $user"
done
