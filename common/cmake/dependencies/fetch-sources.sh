#!/usr/bin/env bash
# Puts the patched source tree of every line of sources.lock into CACHE/sources and writes
# "name version revision" lines to FOUND. Needs no root and changes nothing on the system: apt-get
# works on a state of its own, and its signed index vouches for what it fetches.
# usage: fetch-sources.sh CACHE FOUND
set -euo pipefail

cache=$1 found=$2
lock_file=$(dirname "$0")/sources.lock
sources=$cache/sources
mkdir -p "$sources"
exec 9>"$sources/.lock"
flock --timeout 1800 9

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  printf 'error: %s\n%s\n' "$1" "$2" >&2
  exit 1
}

# apt-get with a private state that knows the source packages of one Debian release.
apt_options=()
prepare_apt() { # suite
  [ ${#apt_options[@]} -eq 0 ] || return 0
  command -v apt-get >/dev/null || return 1
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg main security
  [ -e "$keyring" ] || return 1
  main=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1) || return 1
  security=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian-security/?$' | head -n 1) || true
  mkdir -p "$scratch/lists/partial" "$scratch/cache/archives/partial"
  {
    echo "deb-src [signed-by=$keyring] $main $1 main"
    [ -z "$security" ] || echo "deb-src [signed-by=$keyring] $security $1-security main"
  } >"$scratch/sources.list"
  apt_options=(-qq -o "Dir::Etc::SourceList=$scratch/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$scratch/lists" -o "Dir::Cache=$scratch/cache"
    -o "APT::Sandbox::User=$(id -un)" -o Acquire::Retries=3)
  apt-get "${apt_options[@]}" update
}

# Both tarballs of one revision into the current folder.
download() { # name revision
  apt-get "${apt_options[@]}" source --download-only "$1=$2" >/dev/null 2>"$scratch/error"
}

# The revisions of this upstream version that are not older than the locked one, newest first.
later_revisions() { # name version revision
  apt-cache "${apt_options[@]}" showsrc --only-source "$1" | sed -n 's/^Version: //p' | sort -Vru |
    while read -r candidate; do
      case $candidate in "$2"-*) ;; *) continue ;; esac
      if dpkg --compare-versions "$candidate" gt "$3"; then echo "$candidate"; fi
    done
}

is_sha256() { # file sum
  echo "$2  $1" | sha256sum --check --status
}

# Upstream's tarball with the whole patch series on it, in series order.
unpack() { # name version revision destination
  local tree=$scratch/tree-$1 patch
  mkdir "$tree"
  tar -xf "$1_$2.orig.tar.gz" -C "$tree" --strip-components=1
  tar -xf "$1_$3.debian.tar.xz" -C "$tree"
  grep -v '^[[:space:]]*\(#\|$\)' "$tree/debian/patches/series" | while read -r patch _; do
    patch --directory="$tree" -p1 --silent --no-backup-if-mismatch <"$tree/debian/patches/$patch" ||
      fail "the patch $patch does not fit $1 $2" "Check common/cmake/dependencies/sources.lock."
  done
  rm -rf "$4.partial"
  cp -a "$tree" "$4.partial"  # the cache may be another file system; only the rename is atomic
  mv "$4.partial" "$4"
}

fetch() { # name version revision suite tarball-sum patches-sum
  local name=$1 version=$2 revision=$3 later
  prepare_apt "$4" || fail "the sources of $name $revision are out of reach: no apt-get of Debian here" \
    "Build on Debian 12 or 13, or copy the folder $sources from a machine that has built."
  mkdir -p "$scratch/$name"
  cd "$scratch/$name"
  if download "$name" "$revision"; then
    is_sha256 "${name}_$version.orig.tar.gz" "$5" && is_sha256 "${name}_$revision.debian.tar.xz" "$6" ||
      fail "the sources of $name $revision do not have the locked SHA256" "Do not build from them; compare common/cmake/dependencies/sources.lock with Debian's index."
  else
    later=
    for later in $(later_revisions "$name" "$version" "$revision"); do
      download "$name" "$later" && break
      later=
    done
    [ -n "$later" ] || fail "no source of $name $version with Debian's patches can be fetched: $(tail -n 1 "$scratch/error")" \
      "Check the network, or update common/cmake/dependencies/sources.lock to a revision that Debian still serves."
    is_sha256 "${name}_$version.orig.tar.gz" "$5" ||
      fail "the tarball of $name $version does not have the locked SHA256" "Do not build from it."
    echo "warning: $name $revision is no longer served; using the newer $later" >&2
    revision=$later
  fi
  unpack "$name" "$version" "$revision" "$sources/$name-$revision"
  echo "$revision" >"$sources/$name-$3.revision"
}

: >"$scratch/found"
while read -r name version revision suite tarball_sum patches_sum; do
  case $name in '' | \#*) continue ;; esac
  actual=$(cat "$sources/$name-$revision.revision" 2>/dev/null || true)
  if [ -z "$actual" ] || [ ! -d "$sources/$name-$actual" ]; then
    (fetch "$name" "$version" "$revision" "$suite" "$tarball_sum" "$patches_sum")
    actual=$(cat "$sources/$name-$revision.revision")
  fi
  echo "$name $version $actual" >>"$scratch/found"
done <"$lock_file"
mkdir -p "$(dirname "$found")"
cmp -s "$scratch/found" "$found" || cp "$scratch/found" "$found"
