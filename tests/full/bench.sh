#!/usr/bin/env bash
# What the Access tunnel may cost above plain TLS: fails when it is more (bench/access_tunnel_bench.cpp).
# usage: bash tests/full/bench.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

[ -e build/bench/build.ninja ] || cmake --preset release -B build/bench -DPCA_BENCH=ON -DPCA_TESTS=OFF
cmake --build build/bench --target access_tunnel_bench
build/bench/bin/access_tunnel_bench
