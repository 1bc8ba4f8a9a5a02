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

took=()
timed() { # name, command...
  local name=$1 begin=$SECONDS
  shift
  "$@"
  took+=("$(printf '%3d:%02d  %s' $(((SECONDS - begin) / 60)) $(((SECONDS - begin) % 60)) "$name")")
}

step() { # name, command...
  printf '\n== %s\n' "$1"
  timed "$@"
}

build() { # preset [targets]
  timed "Building the preset $1" $prepare build "$@"
}

test_preset() { # preset [ctest options]
  step "Testing the preset $1" ctest --preset "$1" --parallel "$jobs" "${@:2}"
}

timed 'Installing what is missing' $prepare packages build test
step 'Looking at the style' tests/style.sh
[ "$(id -u)" != 0 ] || timed 'Making a Debian with systemd' tests/support/systemd_host.sh make

build release
step "Running the README's commands" tests/readme_commands.sh
step 'Building a second time' tests/builds_once.sh release
test_preset release

build asan
test_preset asan

# What has threads: hosts in parallel, signals, the name resolver, the reporter.
if $full; then
  build tsan
  test_preset tsan
else
  build tsan unit_tests sim_tests
  test_preset tsan --label-regex '^threads$'
fi

if $full; then
  timed 'Installing what the rest needs' $prepare packages full bench
  build clang
  test_preset clang
  build release-arm64 tunnel-ssh deploy-policy commit-status swarm-deploy
  for part in arm64 tidy fuzz chaos bench other_debian newcomer; do
    step "Running tests/full/$part.sh" "tests/full/$part.sh"
  done
fi

printf '\nAll tests passed. Minutes:\n'
printf '%s\n' "${took[@]}" "$(printf '%3d:%02d  together' $((SECONDS / 60)) $((SECONDS % 60)))"
