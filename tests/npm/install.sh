#!/usr/bin/env bash
# Installs the npm packages of tests and comparisons, as the lockfile pins them, once into the cache.
# Prints the folder they are in. usage: bash tests/npm/install.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

fail() { echo "error: $1" >&2; exit 1; }

command -v node >/dev/null && command -v npm >/dev/null || fail "there is no npm"
cache=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}
folder=$cache/npm-$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c1-16)
mkdir -p "$cache"
exec 9>"$cache/npm.lock"
flock 9
if [ ! -e "$folder" ]; then
  scratch=$(mktemp -d "$cache/npm.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  cp "$here/package.json" "$here/package-lock.json" "$scratch"
  (cd "$scratch" && npm ci --ignore-scripts --no-audit --no-fund --loglevel error \
    --fetch-retries 3 --fetch-retry-mintimeout 2000 --fetch-retry-maxtimeout 10000) >"$scratch/npm.log" 2>&1 </dev/null ||
    fail "npm cannot install the packages: $(head -n 3 "$scratch/npm.log")"
  # The descriptions of the other editions, and again with all references resolved: 370 MB.
  find "$scratch/node_modules/@octokit/openapi/generated" -name '*.json' ! -name api.github.com.json -delete
  chmod 755 "$scratch"
  mv "$scratch" "$folder"
fi
echo "$folder"
