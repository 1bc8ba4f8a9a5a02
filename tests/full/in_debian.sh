#!/usr/bin/env bash
# Runs a command in a debootstrap'ed Debian, in a clone of this tree.
# usage: bash tests/full/in_debian.sh [--new] [--as USER] RELEASE COMMAND
#   --new      a root nobody has used; without it one in the cache is used, with all that was installed there before
#   --as USER  not as root, but as a user who may use sudo without a password
set -euo pipefail
cd "$(dirname "$0")/../.."
new=false user=root
while [[ ${1:-} == --* ]]; do
  case $1 in
  --new) new=true ;;
  --as) user=$2 && shift ;;
  *) sed -n '3,5s/^# //p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
release=$1 command=$2
[ "$(id -u)" = 0 ] || { echo "SKIPPED: debootstrap needs root" >&2; [ "${REQUIRE_E2E:-}" != 1 ]; exit; }

cache=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}
root=$cache/root-$release
if $new; then
  root=$(mktemp -d "$cache/root.XXXXXX")
  trap 'rm -rf --one-file-system "$root"' EXIT
fi
if [ ! -e "$root/.complete" ]; then
  mkdir -p "$root"
  cp -a --reflink=auto "$(tests/support/debian_root.sh "$release" ca-certificates git sudo)/." "$root"
  touch "$root/.complete"
fi
home=/root
if [ "$user" != root ]; then
  home=/home/$user
  grep -q "^$user:" "$root/etc/passwd" || chroot "$root" useradd --create-home --shell /bin/bash "$user"
  echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
fi
echo "127.0.0.1 localhost $(uname -n)" >"$root/etc/hosts"
rm -rf "$root$home/project"
git clone -q . "$root$home/project"
chroot "$root" chown -R "$user:" "$home/project"

# Mounts of its own end with the namespace; the network is the machine's, for packages.
unshare --mount --pid --fork --kill-child bash -euc '
  root=$0 user=$1 home=$2 command=$3
  mount -t proc proc "$root/proc"
  mount -t devtmpfs dev "$root/dev" 2>/dev/null || mount --bind /dev "$root/dev"
  mkdir -p "$root/dev/pts" && mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" && mount --bind "$root/dev/pts/ptmx" "$root/dev/ptmx"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
  path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  [ "$user" = root ] || path=/usr/local/bin:/usr/bin:/bin
  exec chroot --userspec="$user:$user" --groups="" "$root" env -i HOME="$home" USER="$user" PATH="$path" LANG=C.UTF-8 REQUIRE_E2E="${REQUIRE_E2E:-}" \
    bash -euc "cd \"\$HOME/project\"; $command"
' "$root" "$user" "$home" "$command"
