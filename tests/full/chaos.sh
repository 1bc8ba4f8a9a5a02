#!/usr/bin/env bash
# Disturbs deploys at random moments, and shows that nothing is lost and the next one succeeds. A release to a host: the
# tool, the edge or sshd is killed, a hundred times. A stack to a swarm: the tool is killed or cancelled, the connection
# is cut, the Engine of the manager or of a worker is killed, fifty times.
# usage: bash tests/full/chaos.sh [ROUNDS_OF_RELEASES [ROUNDS_OF_STACKS]]   after the preset release was built
set -euo pipefail
cd "$(dirname "$0")/../.."
PCA_CHAOS_ROUNDS=${1:-100} build/release/bin/e2e_tests --gtest_brief=1 \
  --gtest_filter=TunnelSshReleaseTorture.KilledAtAnyMomentTheOldOrTheNewReleaseIsCurrent
PCA_CHAOS_ROUNDS=${2:-50} build/release/bin/e2e_tests --gtest_brief=1 --gtest_filter='SwarmChaos.*'
echo "chaos: good"
