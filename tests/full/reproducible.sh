#!/usr/bin/env bash
# Two builds of the same commit give the same executables: from two clones that share nothing but their path, each with
# libraries of its own and without ccache.
# usage: bash tests/full/reproducible.sh [TOOL...]
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || { echo "SKIPPED: bind mounts need root" >&2; [ "${REQUIRE_E2E:-}" != 1 ]; exit; }
tools=("$@")
[ $# -gt 0 ] || mapfile -t tools <.ci/tools
sources=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}/sources

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/place" # the same path for both
for build in first second; do
  git clone -q . "$work/$build/tree"
  mkdir "$work/$build/cache"
  [ ! -e "$sources" ] || cp -r "$sources" "$work/$build/cache/sources"
  unshare --mount bash -euc '
    mount --bind "$1" "$2"
    cd "$2/tree"
    export PCA_CACHE=$2/cache CCACHE_DISABLE=1
    common/cmake/prepare.sh build release "${@:3}"
    cd build/release/bin
    sha256sum -- "${@:3}" >"$2/sums"
  ' bash "$work/$build" "$work/place" "${tools[@]}" >"$work/$build.log" 2>&1 || { tail -n 40 "$work/$build.log" >&2; exit 1; }
done
diff "$work/first/sums" "$work/second/sums" || { echo "reproducible: two builds differ" >&2; exit 1; }
cat "$work/first/sums"
echo "reproducible: both builds gave these"
