#!/usr/bin/env bash
# All workflows, actions and examples of READMEs pass the linters that their authors' users would use.
# usage: workflow_lint.sh SOURCE_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}
command -v shellcheck >/dev/null || skip "there is no shellcheck"
PCA_NPM=$("$here/../npm/install.sh" 2>&1) || skip "$PCA_NPM"
export PCA_NPM
exec node "$here/workflow_lint.mjs" "$1"
