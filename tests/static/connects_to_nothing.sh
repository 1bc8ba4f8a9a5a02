#!/usr/bin/env bash
# deploy-policy makes no socket, whatever it is asked, unless migrate has a token. The one that has shows that
# sockets would be seen.
# usage: connects_to_nothing.sh DEPLOY_POLICY
set -euo pipefail
tool=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
fail() { echo "FAILED: $1" >&2; exit 1; }
mkdir -p .github/workflows
printf 'name = "acme-shop-prod-api"\n' >wrangler.toml
printf 'on: push\npermissions: {}\njobs:\n  a:\n    steps:\n      - run: make\n' >.github/workflows/ci.yml

sockets_of() { # arguments...
  strace -f -e trace=network -o trace "$tool" "$@" >output 2>&1 || fail "deploy-policy $*: $(cat output)"
  # What ptrace writes itself is no call: "+++ exited with 0 +++".
  grep -c '(' trace || true
}
while read -r arguments; do
  read -ra words <<<"$arguments"
  [ "$(sockets_of "${words[@]}")" = 0 ] || fail "deploy-policy $arguments: $(cat trace)"
done <<'COMMANDS'
classify --ref main --repository acme/shop
name check acme-shop-prod-api --type worker
name parse acme-shop-prod-api --type worker
name build --type d1 --customer acme --project shop --environment prod --component db
exec --class production --ref main -- true
lint
export --to pages
migrate
COMMANDS

echo token >token
strace -f -e trace=network -o trace "$tool" migrate --cloudflare-token-file token \
  --cloudflare-account 0123456789abcdef0123456789abcdef --cloudflare-url https://127.0.0.1:1 >output 2>&1 &&
  fail "nobody listens on port 1, and migrate is content: $(cat output)"
grep -q 'connect(' trace || fail "no connection was seen where one was tried"
echo "deploy-policy: no command makes a socket, but migrate with a token"
