#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests: the README's second command.
# usage: bash tests/run.sh [--full]
#   --full  also clang, arm64, all of ThreadSanitizer, clang-tidy and the long campaigns
# REQUIRE_E2E=1 turns a test that had to skip (no sshd, no network namespace, ...) into a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,5s/^# //p' tests/run.sh; }
full=false
case ${1:-} in
'') ;;
--full) full=true ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

prepare=common/cmake/prepare.sh
jobs=$(nproc)

test_preset() { # preset [ctest options]
  local preset=$1
  shift
  printf '\n== Testing the preset %s\n' "$preset"
  ctest --preset "$preset" --parallel "$jobs" "$@"
}

$prepare packages build test
tests/style.sh

$prepare build release
tests/readme_commands.sh
tests/builds_once.sh release
test_preset release

$prepare build asan
test_preset asan

# What has threads: hosts in parallel, signals, the name resolver, the reporter.
if $full; then
  $prepare build tsan
  test_preset tsan
else
  $prepare build tsan unit_tests sim_tests
  test_preset tsan --label-regex '^threads$'
fi

if $full; then
  $prepare packages full bench
  $prepare build clang
  test_preset clang
  $prepare build release-arm64 tunnel-ssh deploy-policy commit-status
  tests/full/arm64.sh
  tests/full/tidy.sh
  tests/full/fuzz.sh
  tests/full/chaos.sh
  tests/full/bench.sh
  tests/full/other_debian.sh
fi

printf '\nAll tests passed.\n'
