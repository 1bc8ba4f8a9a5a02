#!/usr/bin/env bash
# Builds and tests on the other supported Debian: 13 on a Debian 12 machine and the reverse. All tests of the preset
# release but those with a real sshd.
# usage: bash tests/full/other_debian.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

case $(. /etc/os-release && echo "$VERSION_ID") in
12) other=trixie ;;
*) other=bookworm ;;
esac
tests/full/in_debian.sh "$other" "
  common/cmake/prepare.sh packages build test
  common/cmake/prepare.sh build release
  ctest --preset release --label-exclude '^e2e\$'"
echo "other_debian: good"
