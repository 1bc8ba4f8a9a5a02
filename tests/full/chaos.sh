#!/usr/bin/env bash
# Kills the tool, the edge or sshd at a hundred random moments of a deploy: never a broken current release, nothing
# lost, and the next deploy succeeds.
# usage: bash tests/full/chaos.sh [ROUNDS]   after the preset release was built
set -euo pipefail
cd "$(dirname "$0")/../.."
PCA_CHAOS_ROUNDS=${1:-100} build/release/bin/e2e_tests --gtest_brief=1 \
  --gtest_filter=TunnelSshReleaseTorture.KilledAtAnyMomentTheOldOrTheNewReleaseIsCurrent
echo "chaos: good"
