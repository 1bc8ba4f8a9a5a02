#!/usr/bin/env bash
# The arm64 executables under qemu-user: they are static, start, and tunnel-ssh reads its inputs and passes the end-to-end
# tests of the x64 one: scripts on a real sshd through the edge, and the real ssh, rsync and git by it.
# usage: bash tests/full/arm64.sh   after the presets release-arm64 (the executables) and release (e2e_tests) were built
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$PWD/build/release-arm64/bin
tool=$folder/tunnel-ssh
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || { echo "arm64: there is no qemu-aarch64" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "arm64: $1" >&2; exit 1; }

for name in $(<.ci/tools); do
  file "$folder/$name" | grep -q 'ARM aarch64.*statically linked' || fail "not a static arm64 executable: $(file "$folder/$name")"
  [ "$(stat -c %s "$folder/$name")" -le 8000000 ] || fail "$name is larger than 8 MB"
  "$qemu" "$folder/$name" --version | grep -q "^$name " || fail "$name --version does not name it"
done
"$qemu" "$tool" --version | grep -q libssh2 || fail "--version does not name its libraries"
code=0
"$qemu" "$tool" exec --host nobody@127.0.0.1:1 --command true 2>"$work/errors" || code=$?
grep -q 'key' "$work/errors" || fail "a missing key is not named"
[ "$code" = 2 ] || fail "bad input exits $code instead of 2"

# exec: a signal to the step is one to the tool, as with the tool itself.
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$qemu" "$tool" >"$work/tunnel-ssh"
chmod +x "$work/tunnel-ssh"
# Not TunnelSshEnvironment: under qemu-user /proc shows the environment of qemu, which the tool cannot wipe.
PCA_TUNNEL_SSH=$work/tunnel-ssh build/release/bin/e2e_tests --gtest_brief=1 \
  --gtest_filter='TunnelSshExec*:TunnelSshStdio*:TunnelSshForward*:All/TunnelSshKeyTypes*'
echo "arm64: good"
