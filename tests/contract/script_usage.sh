#!/usr/bin/env bash
# The scripts that a person runs say how they are used, and do nothing else, when asked or given what they do not take.
# usage: script_usage.sh SOURCE_DIR
set -euo pipefail
source_dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $1" >&2; cat "$work/out" "$work/err" >&2; exit 1; }

# A copy, beside something that only notes that it was asked to install or build.
mkdir -p "$work/common/cmake"
printf '#!/bin/sh\ntouch "%s/prepared"\nexit 1\n' "$work" >"$work/common/cmake/prepare.sh"
chmod +x "$work/common/cmake/prepare.sh"

run() { # script, argument: leaves code, out and err
  code=0
  (cd / && bash "$work/$1" "$2") >"$work/out" 2>"$work/err" </dev/null || code=$?
  [ ! -e "$work/prepared" ] || fail "$1 $2 installs or builds"
}
for script in tools/sandbox/demo.sh tests/run.sh bench/compare.sh bench/compare_swarm.sh bench/compare_github.sh; do
  mkdir -p "$(dirname "$work/$script")"
  cp "$source_dir/$script" "$work/$script"
  for argument in --help -h; do
    run "$script" "$argument"
    [ "$code" = 0 ] || fail "$script $argument: exit $code instead of 0"
    grep -q "^usage: .*$script" "$work/out" || fail "$script $argument: no usage on stdout"
  done
  run "$script" anything
  [ "$code" = 2 ] || fail "$script anything: exit $code instead of 2"
  grep -q "^usage: .*$script" "$work/err" || fail "$script anything: no usage on stderr"
  echo "good: $script"
done
