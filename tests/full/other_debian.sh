#!/usr/bin/env bash
# Builds and tests on the other supported Debian, in a debootstrap'ed root: 13 on a Debian 12 machine and the
# reverse. The root is kept in the cache; delete it to start anew.
# usage: bash tests/full/other_debian.sh [COMMAND]   default: build the preset release and run its tests, but those
#        with a real sshd
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "SKIPPED: debootstrap needs root" >&2; [ "${REQUIRE_E2E:-}" != 1 ]; exit; }

case $(. /etc/os-release && echo "$VERSION_ID") in
12) other=trixie ;;
*) other=bookworm ;;
esac
build_and_test="common/cmake/prepare.sh packages build test && common/cmake/prepare.sh build release && ctest --preset release --label-exclude '^e2e$'"
command=${1:-$build_and_test}
cache=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}
root=$cache/root-$other
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1)
security=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian-security/?$' | head -n 1)

if [ ! -e "$root/.complete" ]; then
  rm -rf --one-file-system "$root"
  debootstrap --variant=minbase --include=ca-certificates,git "$other" "$root" "$mirror"
  [ -z "$security" ] || echo "deb $security $other-security main" >>"$root/etc/apt/sources.list"
  touch "$root/.complete"
fi
rm -rf "$root/project"
git clone -q . "$root/project"
# Mounts of its own end with the namespace; the network is the machine's, for packages.
unshare --mount --pid --fork --kill-child bash -euc '
  mount -t proc proc "$0/proc"
  mount -t devtmpfs dev "$0/dev" 2>/dev/null || mount --bind /dev "$0/dev"
  mkdir -p "$0/dev/pts" && mount -t devpts -o newinstance,ptmxmode=0666 devpts "$0/dev/pts" && mount --bind "$0/dev/pts/ptmx" "$0/dev/ptmx"
  mount -t tmpfs tmpfs "$0/tmp"
  cp /etc/resolv.conf "$0/etc/resolv.conf"
  cp -r /etc/apt/apt.conf.d/. "$0/etc/apt/apt.conf.d/" 2>/dev/null || true
  exec chroot "$0" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 bash -euc "cd /project; $1"
' "$root" "$command"
