#!/usr/bin/env bash
# What commit-status asks, and what the sandbox's GitHub answers, is as GitHub's own OpenAPI description says.
# usage: github_openapi.sh COMMIT_STATUS SANDBOX
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

packages=$("$here/../npm/install.sh" 2>&1) || {
  echo "SKIPPED: $packages" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}
exec node "$here/github_openapi_test.mjs" "$(realpath "$1")" "$(realpath "$2")" "$packages"
