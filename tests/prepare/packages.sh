#!/usr/bin/env bash
# Installing openssh-server, nginx-light and docker.io starts no server, is told for each, and leaves nothing else
# behind. In a mount namespace of its own, with stand-ins for all that would change the machine.
# usage: packages.sh SOURCE_FOLDER
set -euo pipefail

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}

if [ "${inside_namespace:-}" != yes ]; then
  [ "$(id -u)" = 0 ] || skip "a mount namespace needs root"
  unshare --mount true 2>/dev/null || skip "namespaces cannot be made here"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  inside_namespace=yes work=$work unshare --mount "$0" "$@"
  exit
fi

prepare=$1/common/cmake/prepare.sh
fail() {
  printf 'FAILED: %s\n' "$1" >&2
  head -n 50 "$work/said" "$work/done" >&2 || true
  exit 1
}

# /usr/sbin and /run of our own: all the programs, and nothing that the machine said about services.
mkdir "$work/sbin" "$work/bin" "$work/cache"
mount --bind /usr/sbin "$work/sbin"
mount -t tmpfs none /usr/sbin
ln -s "$work"/sbin/* /usr/sbin
rm -f /usr/sbin/policy-rc.d
mount -t tmpfs none /run

stand_in() { # program; its script on stdin
  { printf '#!/bin/bash\n' && cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
stand_in dpkg-query <<<'exit 1'
stand_in docker <<<'echo Docker version 28.0.0'
stand_in systemctl <<<'echo "systemctl $*" >>"$work/done"'
stand_in apt-get <<'END'
[[ " $* " != *" update "* ]] || exit 0
/usr/sbin/policy-rc.d ssh start 2>/dev/null
echo "apt-get install: policy $?" >>"$work/done"
END
stand_in id <<<'[ "$1" = -u ] && echo "${as_user:-0}" || exec /usr/bin/id "$@"'
stand_in sudo <<<'echo "sudo $*" >>"$work/done"; exec env as_user=0 "$@"'
mkdir -p "$work/cache/docker-registry/usr/bin"
stand_in ../cache/docker-registry/usr/bin/docker-registry <<<'exit 1'
export work PATH="$work/bin:$PATH" PCA_CACHE="$work/cache"

packages() { # variables...
  : >"$work/done"
  env "$@" "$prepare" packages demo test >"$work/said" 2>&1 || fail "exit code $?"
}
is_told() { # words
  for server in "openssh-server is needed for its sshd" "nginx-light is needed for its nginx" "docker.io is needed for its dockerd"; do
    [ "$(grep -c "^$server program only: $1" "$work/said")" = 1 ] || fail "not told: $server ... $1"
  done
}

packages
is_told 'no service is started while it is installed'
grep -qx 'apt-get install: policy 101' "$work/done" || fail "services may start while they are installed"
[ ! -e /usr/sbin/policy-rc.d ] || fail "policy-rc.d stays behind"
! grep -q systemctl "$work/done" || fail "systemctl is called where there is no systemd"
echo "good: without systemd"

packages as_user=1000
grep -qx 'apt-get install: policy 101' "$work/done" || fail "services may start while sudo installs them"
grep -qx 'sudo rm -f /usr/sbin/policy-rc.d' "$work/done" || fail "policy-rc.d is not removed by sudo"
[ ! -e /usr/sbin/policy-rc.d ] || fail "policy-rc.d stays behind"
echo "good: without systemd, by sudo"

printf '#!/bin/sh\nexit 104\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
packages
grep -qx 'apt-get install: policy 104' "$work/done" || fail "the machine's own policy-rc.d is not what counts"
grep -qx 'exit 104' /usr/sbin/policy-rc.d || fail "the machine's own policy-rc.d is gone"
rm /usr/sbin/policy-rc.d
echo "good: a machine with a policy-rc.d of its own"

mkdir -p /run/systemd/system
packages
is_told 'its service is masked'
for units in 'ssh.service ssh.socket' nginx.service 'docker.service docker.socket containerd.service'; do
  grep -qx "systemctl mask $units" "$work/done" || fail "not masked: $units"
  grep -qF "('systemctl unmask $units' undoes it)" "$work/said" || fail "not told how to undo: $units"
done
[ "$(tail -n 1 "$work/done")" = 'apt-get install: policy 127' ] || fail "masked too late, or with a policy-rc.d besides"
echo "good: with systemd"
