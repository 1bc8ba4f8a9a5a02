#!/usr/bin/env bash
# The SARIF of deploy-policy lint is valid by the schema of SARIF 2.1.0; a spoilt one is not, so the check sees.
# usage: sarif.sh DEPLOY_POLICY
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tool=$(realpath "$1")

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}
fail() { echo "FAILED: $1" >&2; exit 1; }

packages=$("$here/../npm/install.sh" 2>&1) || skip "$packages"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# A finding of every kind: with a way, in another folder, a note, a name that has to be escaped.
mkdir -p "repo/.github/workflows" "repo/with blank/ä"
cat >repo/.github/workflows/ci.yml <<'YAML'
on:
  push:
    branches: [dependabot/*]
  pull_request:
jobs:
  review:
    environment: preview
    steps:
      - run: npm run ship
      - run: echo ${{ secrets.TOKEN }}
      # deploy-policy: allow edge-deploy
      - uses: cloudflare/wrangler-action@v3
      # deploy-policy: allow edge -- reason
YAML
cat >repo/package.json <<'JSON'
{"scripts": {"ship": "wrangler deploy", "other": "wrangler deploy"}}
JSON
printf 'name = "remoteproduction-cuttingroom-staging-assets"\n[env.staging]\n[[d1_databases]]\ndatabase_name = "x"\n' >"repo/with blank/ä/wrangler.toml"
printf '{' >"repo/with blank/wrangler.json"

code=0
"$tool" lint --root repo --sarif-file findings.sarif >text || code=$?
[ "$code" = 1 ] || fail "lint ends with $code instead of 1"
for rule in allow-reason allow-rule branch-filter edge-deploy edge-deploy-script permissions preview-alias-room preview-cleanup resource-name \
  secret-in-run unreadable wrangler-env-name; do
  grep -q "\[$rule\]" text || fail "no finding of $rule: $(cat text)"
done
node "$here/check_sarif.mjs" "$packages" findings.sarif || fail "the findings are no valid SARIF"
mkdir empty
"$tool" lint --root empty --format sarif >none.sarif
node "$here/check_sarif.mjs" "$packages" none.sarif || fail "no findings are no valid SARIF"
sed 's/"startLine": [0-9]*/"startLine": 0/' findings.sarif >spoilt.sarif
! node "$here/check_sarif.mjs" "$packages" spoilt.sarif >/dev/null || fail "the check takes a line 0 for valid"
echo "sarif: valid, with a finding of each rule"
