#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests: the README's second command.
# usage: bash tests/run.sh [--full [PART...]]
#   --full  all of AddressSanitizer and ThreadSanitizer, clang, arm64, clang-tidy and the long campaigns; hours.
#           With PARTs these alone: release asan tsan clang arm64 tidy fuzz chaos bench other_debian newcomer reproducible
# REQUIRE_E2E=1 turns a test that had to skip (no sshd, no network namespace, ...) into a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

prepare=common/cmake/prepare.sh
# The API's schema is not ours to ship: a test holds against it what it finds there.
[ ! -e ../shared/reference/proxmox/apidoc-9.2.json ] || export PVE_APIDOC=${PVE_APIDOC:-$(cd ../shared/reference/proxmox && pwd)}
jobs=$((3 * $(nproc))) # most tests wait for something most of the time

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

campaign() { step "Running tests/full/$1.sh" "tests/full/$1.sh"; }

release() {
  build release
  step "Running the README's commands" tests/readme_commands.sh
  step 'Building a second time' tests/builds_once.sh release
  test_preset release
}

asan() { # [ctest options]
  build asan
  test_preset asan "$@"
}
# What waits for minutes on real Engines does so once, where it is not everything that is asked for; with
# sanitizers the same code meets stand-ins for them.
most_of_asan() { asan --label-exclude '^minutes$'; }

tsan() {
  build tsan
  test_preset tsan
}
# Hosts in parallel, signals, the name resolver, the reporter.
threads() {
  build tsan unit_tests sim_tests
  test_preset tsan --label-regex '^threads$'
}

clang() {
  build clang
  test_preset clang
}

arm64() {
  build release
  # shellcheck disable=SC2046
  build release-arm64 $(<.ci/tools)
  campaign arm64
}

tidy() { campaign tidy; }
fuzz() { campaign fuzz; }
chaos() {
  build release
  campaign chaos
}
bench() { campaign bench; }
other_debian() { campaign other_debian; }
newcomer() { campaign newcomer; }
reproducible() { campaign reproducible; }

usage() { sed -n '2,6s/^# //p' tests/run.sh; }

everything=(release asan tsan clang arm64 tidy fuzz chaos bench other_debian newcomer reproducible)
case ${1:-} in
'') parts=(release most_of_asan threads) ;;
--full)
  parts=("${@:2}")
  [ $# -gt 1 ] || parts=("${everything[@]}")
  for part in "${parts[@]}"; do
    [[ " ${everything[*]} " == *" $part "* ]] || { echo "tests/run.sh: there is no part \"$part\"" >&2; usage >&2; exit 2; }
  done
  ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac

timed 'Installing what is missing' $prepare packages build test
[ -z "${1:-}" ] || timed 'Installing what the rest needs' $prepare packages full bench
step 'Looking at the style' tests/style.sh
[ "$(id -u)" != 0 ] || timed 'Making a Debian with systemd' tests/support/systemd_host.sh make
for part in "${parts[@]}"; do "$part"; done

printf '\nAll tests passed. Minutes:\n'
printf '%s\n' "${took[@]}" "$(printf '%3d:%02d  together' $((SECONDS / 60)) $((SECONDS % 60)))"
