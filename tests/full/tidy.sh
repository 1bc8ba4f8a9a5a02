#!/usr/bin/env bash
# clang-tidy over our own code, with every finding an error. What was found good is remembered in the cache under a
# key of all that decides the result, so that only what changed is looked at again.
# usage: bash tests/full/tidy.sh [FILE...]   default: every .cpp file
set -euo pipefail
cd "$(dirname "$0")/../.."

export database=build/clang/compile_commands.json
export good=${PCA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/private-cloud-actions}/tidy
cmake --preset clang -DPCA_BENCH=ON >/dev/null
# It would go on with its own rules instead.
! clang-tidy -p build/clang --dump-config tests/e2e/x.cpp 2>&1 | grep 'Error parsing' || exit 1
mkdir -p "$good"
find "$good" -type f -mtime +30 -delete

# How the file is compiled, as one line of shell; CMake writes one line of JSON for each.
command_of() { # file
  sed -n "s/\\\\\(.\)/\1/g; s|.*\"command\": \"\(.* -c $PWD/$1\)\",*$|\1|p" "$database"
}

# The file with every header of ours that it includes, how it is compiled, and the tool with its rules.
key_of() { # file, its compile command
  local headers
  headers=$(eval "${2/ -o *-c / -MM }" | tr -d '\\\n' | cut -d: -f2-)
  {
    clang-tidy --version
    echo "${2//$PWD/}"
    clang-tidy -p build/clang --dump-config "$1"
    cat $headers
  } | sha256sum | cut -d' ' -f1
}

check() { # file
  local command key
  command=$(command_of "$1")
  [ -n "$command" ] || { echo "clang-tidy: $1 is not in $database" >&2; return 1; }
  key=$(key_of "$1" "$command")
  [ ! -e "$good/$key" ] || return 0
  echo "  $1"
  clang-tidy -p build/clang --quiet "$1" 2> >(grep -vE 'warnings? generated|^Suppressed|^Use -header-filter' >&2) && touch "$good/$key"
}
export -f command_of key_of check

if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files '*.cpp'); fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'check {}'
echo "clang-tidy: good"
