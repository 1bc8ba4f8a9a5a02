#!/usr/bin/env bash
# Runs tests of this folder that are written for node. usage: node_tests.sh BIN FILE...   BIN has the executables
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
PCA_NPM=$("$here/../npm/install.sh" 2>&1) || {
  echo "SKIPPED: $PCA_NPM" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}
export PCA_NPM PCA_BIN=$1
shift
exec node --test "${@/#/$here/}"
