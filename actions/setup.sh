#!/bin/sh
# Finds or fetches the verified executables for this runner and says where they are. Shared by all
# actions, which name the one that they run. POSIX sh, so that it runs in small container images too.
# usage: setup.sh [TOOL...]   all of them where none is named
#
# Looked for in this order; the first that has them wins:
#   1. the folder $INPUT_BINARIES (or $PCA_BIN, which an earlier setup step sets): used as it is
#   2. the runner's tool cache, checked against checksums.txt again
#   3. the release in $INPUT_DOWNLOAD_BASE, else in $ACTION_REPOSITORY or in the project's own repository,
#      checked against checksums.txt before it is used
# Writes path, version and source to $GITHUB_OUTPUT; with PCA_SETUP_PATH=true also puts the folder on
# $GITHUB_PATH and PCA_BIN into $GITHUB_ENV for the following steps.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=$(cat "$here/../VERSION")
checksums=${PCA_CHECKSUMS:-$here/checksums.txt}
tools=${*:-tunnel-ssh deploy-policy commit-status swarm-deploy proxmox-deploy}
project_releases=https://github.com/private-cloud-actions/private-cloud-actions/releases/download

fail() { # what, what to do next
  message=$(printf '%s%%0A%s' "$1" "$2")
  if [ "${GITHUB_ACTIONS:-}" = true ]; then
    printf '::error title=setup of the private cloud tools::%s\n' "$message"
  else
    printf 'error: %s\n%s\n' "$1" "$2" >&2
  fi
  exit "$3"
}

architecture() {
  [ "$(uname -s)" = Linux ] || fail "this runner is not Linux but $(uname -s)" \
    "Use a Linux runner (x64 or arm64); the hosts you deploy to do not matter." 2
  case ${RUNNER_ARCH:-$(uname -m)} in
  X64 | x86_64 | amd64) echo x64 ;;
  ARM64 | aarch64 | arm64) echo arm64 ;;
  *) fail "there are no executables for ${RUNNER_ARCH:-$(uname -m)}" "Use an x64 or arm64 runner." 2 ;;
  esac
}

has_tools() { # folder
  for tool in $tools; do
    [ -x "$1/$tool" ] || return 1
  done
}

checksum_of() { # asset
  sed -n "s/^\([0-9a-f]\{64\}\)  $1\$/\1/p" "$checksums"
}

is_verified() { # file asset
  sum=$(checksum_of "$2")
  [ -n "$sum" ] && echo "$sum  $1" | sha256sum -c >/dev/null 2>&1
}

cache_is_verified() { # folder
  has_tools "$1" || return 1
  for tool in $tools; do
    is_verified "$1/$tool" "$tool-linux-$arch" || return 1
  done
}

download() { # url file
  if command -v curl >/dev/null; then
    # Five minutes at most: --max-time is for each try, and none begins after --retry-max-time.
    curl --proto '=https' --proto-redir '=https' --fail --silent --show-error --location --retry 3 --retry-connrefused \
      --connect-timeout 15 --max-time 120 --retry-max-time 180 --max-filesize 33554432 --output "$2" "$1"
  elif command -v wget >/dev/null; then
    # Its -T is for each silence, not for all of it. Busybox has no other options than these.
    limit=
    if command -v timeout >/dev/null; then limit='timeout 300'; fi
    case $1 in https://*) $limit wget -q -t 3 -T 30 -O "$2" "$1" ;; *) return 1 ;; esac
  else
    fail "neither curl nor wget is on this runner" \
      "Install one of them, or give the input binaries a folder with the executables." 1
  fi
}

# Where the releases are, each to be tried. The runner leaves GITHUB_ACTION_REPOSITORY empty in the steps of a
# composite action (actions/runner#2473), so the action hands it on by its env; and it names the outer action
# where that uses this one, so the project's own releases are looked at too. A checksum decides, not the place.
release_roots() {
  if [ -n "${INPUT_DOWNLOAD_BASE:-}" ]; then
    echo "$INPUT_DOWNLOAD_BASE"
    return
  fi
  own=${GITHUB_SERVER_URL:-https://github.com}/${ACTION_REPOSITORY:-}/releases/download
  [ -z "${ACTION_REPOSITORY:-}" ] || [ "$own" = "$project_releases" ] || echo "$own"
  echo "$project_releases"
}

download_asset() { # asset file
  tried=
  for root in $(release_roots); do
    if download "$root/v$version/$1" "$2"; then return; fi
    tried="$tried${tried:+ or }$root"
  done
  fail "$1 of version $version could not be downloaded from $tried" \
    "Check the runner's network and proxy, or give the input binaries a folder with the executables." 6
}

# Verified before it gets its name; renamed into place, because jobs share the tool cache.
download_tools() { # folder
  for tool in $tools; do
    asset=$tool-linux-$arch
    [ -n "$(checksum_of "$asset")" ] || fail "there is no checksum of $asset in this revision of the action" \
      "Pin the action to a released version, or give the input binaries a folder with the executables." 5
  done
  mkdir -p "$1"
  for tool in $tools; do
    asset=$tool-linux-$arch
    ! is_verified "$1/$tool" "$asset" || continue
    partial=$(mktemp "$1/.partial.XXXXXX")
    trap 'rm -f "$partial"' EXIT
    download_asset "$asset" "$partial"
    is_verified "$partial" "$asset" || fail "the downloaded $asset does not have the SHA256 of this revision" \
      "Do not use it. Someone changed the release or the download: report it." 5
    chmod 755 "$partial"
    mv "$partial" "$1/$tool"
    trap - EXIT
  done
}

emit() { # name value
  if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "$1=$2" >>"$GITHUB_OUTPUT"; fi
}

arch=$(architecture) || { echo "$arch"; exit 2; }
given=${INPUT_BINARIES:-${PCA_BIN:-}}
# A second line would be a record of its own in the files that the runner reads, and a command in its log.
case $given in
*"
"*) fail "the input binaries has more than one line" "Name one folder there." 2 ;;
esac
cached=${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:-/tmp}}/private-cloud-actions/$version/$arch
if [ -n "$given" ]; then
  has_tools "$given" || fail "the folder $given does not hold the executables: $tools" \
    "Build them with 'cmake --preset release && cmake --build --preset release' (build/release/bin), or unset the input binaries." 2
  folder=$(cd "$given" && pwd) source=path
elif cache_is_verified "$cached"; then
  folder=$cached source=tool-cache
else
  download_tools "$cached"
  folder=$cached source=download
  touch "$cached.complete"  # the mark that the runner's own tool cache uses
fi

emit path "$folder"
emit version "$version"
emit source "$source"
if [ "${PCA_SETUP_PATH:-}" = true ]; then
  [ -z "${GITHUB_PATH:-}" ] || echo "$folder" >>"$GITHUB_PATH"
  [ -z "${GITHUB_ENV:-}" ] || echo "PCA_BIN=$folder" >>"$GITHUB_ENV"
fi
echo "private cloud tools $version ($source): $folder"
