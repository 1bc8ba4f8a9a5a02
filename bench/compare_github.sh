#!/usr/bin/env bash
# commit-status side by side with what posts a status today: curl, gh and @octokit/rest, to the sandbox's GitHub by TLS on
# loopback; and deploy-policy lint over a large repository. Prints Markdown tables.
# Fails where a target is missed.
# usage: bash bench/compare_github.sh [ROUNDS]   default 21
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,5s/^# //p' bench/compare_github.sh; }
rounds=${1:-21}
case $rounds in
-h | --help) usage && exit 0 ;;
0 | *[!0-9]*) usage >&2 && exit 2 ;;
esac
common/cmake/prepare.sh packages build test bench >&2
[ -e build/bench/build.ninja ] || cmake --preset release -B build/bench -DPCA_BENCH=ON -DPCA_TESTS=OFF >&2
cmake --build build/bench --target commit-status deploy-policy private-cloud-sandbox measure >&2
bin=$PWD/build/bench/bin
packages=$(tests/npm/install.sh)

work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
. bench/support.sh

start_github() { # sets url
  "$bin/private-cloud-sandbox" github --ca-out "$work/ca.pem" --most-statuses 1000000 >"$work/github.ready" 2>"$work/github.log" &
  pids+=($!)
  url=https://$(ready_field "$work/github.ready" github)
}

sha=$(printf 'a%.0s' {1..40})
start_github
mkdir "$work/gh"
export GITHUB_TOKEN=a-token-of-the-job GITHUB_SHA=$sha GH_ENTERPRISE_TOKEN=a-token-of-the-job
export GH_CONFIG_DIR=$work/gh GH_NO_UPDATE_NOTIFIER=1 # gh's only: no file of the user's, no question for a newer one
status=$url/repos/acme/shop/statuses/$sha
ours="$bin/commit-status status --api-url $url --api-ca $work/ca.pem --repo acme/shop --sha $sha --state success --context unit"

echo "On $(date -u +%F), $(nproc) cores, load average $(cut -d' ' -f1 /proc/loadavg)."
echo
echo "## One status, $rounds rounds, medians; ratios pair by pair against the first row"
target wall 0.25 "gh api"
target wall 0.1 "node, @octokit/rest"
target wall 1.2 curl
compare "one status posted" \
  "commit-status=$ours --if-unchanged always >/dev/null" \
  "curl=curl --silent --fail --cacert $work/ca.pem -H \"Authorization: Bearer \$GITHUB_TOKEN\" -H 'Accept: application/vnd.github+json' -d '{\"state\":\"success\",\"context\":\"unit\"}' $status >/dev/null" \
  "gh api=SSL_CERT_FILE=$work/ca.pem gh api $status -f state=success -f context=unit >/dev/null" \
  "node, @octokit/rest=NODE_EXTRA_CA_CERTS=$work/ca.pem node bench/post_status.mjs $url $sha $packages"
compare "what commit-status does by default: it asks, and posts what is new" \
  "commit-status, unchanged=$ours >/dev/null" \
  "commit-status, changed=$ours --description \$(date +%N) >/dev/null"

# A repository of a thousand workflows: a job with its checkout, its tests and a deploy by an allowed rule.
mkdir -p "$work/repo/.github/workflows"
for number in {1..1000}; do
  cat >"$work/repo/.github/workflows/service-$number.yml" <<YAML
name: Service $number
on:
  push:
    branches: [main]
  pull_request:
    types: [opened, synchronize, reopened, closed]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 20
          cache: npm
      - run: npm ci
      - run: |
          npm test -- --service $number
          npm run lint
        env:
          SERVICE: service-$number
  build:
    needs: test
    runs-on: ubuntu-latest
    strategy:
      matrix:
        platform: [linux/amd64, linux/arm64]
    steps:
      - uses: actions/checkout@v4
      - name: Build
        run: docker build --platform "\$PLATFORM" --tag "service-$number:\$GITHUB_SHA" services/$number
        env:
          PLATFORM: \${{ matrix.platform }}
YAML
done
compare "lint over 1,000 workflow files" \
  "deploy-policy lint=$bin/deploy-policy lint --root $work/repo >/dev/null" \
  "cat of the same=cat $work/repo/.github/workflows/* >/dev/null"

conclude ours
