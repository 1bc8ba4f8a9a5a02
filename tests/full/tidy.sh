#!/usr/bin/env bash
# clang-tidy over our own code, with every finding an error.
# usage: bash tests/full/tidy.sh [FILE...]   after the preset clang was configured
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files 'common/*.cpp' 'tools/*.cpp'); fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 clang-tidy -p build/clang --quiet 2> >(grep -v 'warnings generated\|Suppressed\|Use -header-filter' >&2)
echo "clang-tidy: good"
