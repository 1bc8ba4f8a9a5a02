#!/usr/bin/env bash
# The arm64 executable under qemu-user: it is static, starts, and reads its inputs.
# usage: bash tests/full/arm64.sh   after 'cmake --build --preset release-arm64 --target tunnel-ssh'
set -euo pipefail
cd "$(dirname "$0")/../.."
tool=build/release-arm64/bin/tunnel-ssh

fail() { echo "arm64: $1" >&2; exit 1; }

file "$tool" | grep -q 'ARM aarch64.*statically linked' || fail "not a static arm64 executable: $(file "$tool")"
[ "$(stat -c %s "$tool")" -le 8388608 ] || fail "larger than 8 MiB"
qemu-aarch64-static "$tool" --version | grep -q libssh2 || fail "--version does not name its libraries"
code=0
qemu-aarch64-static "$tool" exec --host nobody@127.0.0.1:1 --command true 2>/tmp/arm64.$$ || code=$?
grep -q 'key' /tmp/arm64.$$ || fail "a missing key is not named"
rm -f /tmp/arm64.$$
[ "$code" = 2 ] || fail "bad input exits $code instead of 2"
echo "arm64: good"
