#!/usr/bin/env bash
# Prints the folder of a debootstrap'ed Debian with these packages, which is made once and kept in the cache. Nobody
# writes into it: who wants to, copies it or lays something over it.
# usage: debian_root.sh RELEASE [PACKAGE...]   as root
set -euo pipefail
release=$1
shift
cache=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}
key=$(echo "$release" "$@" | sha256sum | cut -c1-16)
root=$cache/debian-$release-$key

place_of() { # a repository's address, as this machine's apt has it
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E "/$1/?\$" | head -n 1
}

mkdir -p "$cache"
exec 9>"$cache/debian.lock"
flock 9
if [ ! -d "$root" ]; then
  echo "== Making a Debian $release with: $*" >&2
  rm -rf --one-file-system "$root.new"
  debootstrap --variant=minbase --include="$(IFS=, && echo "$*")" "$release" "$root.new" "$(place_of debian)" >&2
  security=$(place_of debian-security)
  [ -z "$security" ] || echo "deb $security $release-security main" >>"$root.new/etc/apt/sources.list"
  mv "$root.new" "$root"
fi
echo "$root"
