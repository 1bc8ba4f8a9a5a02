#!/usr/bin/env bash
# A long fuzzing campaign: each target for SECONDS, from its corpus. What it finds goes to build/fuzz/found.
# usage: bash tests/full/fuzz.sh [SECONDS]   default 300 for each target
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-300}
common/cmake/prepare.sh build fuzz
mkdir -p build/fuzz/found
for target in build/fuzz/bin/*_fuzz; do
  name=$(basename "$target" _fuzz)
  printf '\n== Fuzzing %s for %s s\n' "$name" "$seconds"
  mkdir -p "build/fuzz/grown/$name" # new inputs go here, the corpus in the tree stays as reviewed
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/found/$name-" \
    -print_final_stats=0 -verbosity=0 "build/fuzz/grown/$name" "tests/fuzz/corpus/$name"
done
