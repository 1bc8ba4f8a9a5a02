#!/usr/bin/env bash
# A long fuzzing campaign: each target for SECONDS, from its corpus, as many at once as there are cores. What it finds
# goes to build/fuzz/found.
# usage: bash tests/full/fuzz.sh [SECONDS]   default 300 for each target
set -euo pipefail
cd "$(dirname "$0")/../.."
export seconds=${1:-300}
common/cmake/prepare.sh build fuzz fuzz_targets
mkdir -p build/fuzz/found

fuzz() { # target
  local name
  name=$(basename "$1" _fuzz)
  mkdir -p "build/fuzz/grown/$name" # new inputs go here, the corpus in the tree stays as reviewed
  if ! "$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/found/$name-" \
    -print_final_stats=1 "build/fuzz/grown/$name" "tests/fuzz/corpus/$name" >"build/fuzz/found/$name.log" 2>&1; then
    echo "fuzz: $name found something:" >&2
    tail -n 40 "build/fuzz/found/$name.log" >&2
    return 1
  fi
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/found/$name.log") inputs in $seconds s, nothing found"
}
export -f fuzz
printf '%s\n' build/fuzz/bin/*_fuzz | xargs -P "$(nproc)" -I{} bash -euo pipefail -c 'fuzz {}'
