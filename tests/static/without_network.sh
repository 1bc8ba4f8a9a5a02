#!/usr/bin/env bash
# An executable that connects to nothing has no network library in it. The texts looked for are in one that has,
# so they would be found.
# usage: without_network.sh EXECUTABLE ONE_WITH_NETWORK
set -euo pipefail
fail() { echo "FAILED: $1" >&2; exit 1; }

for text in 'CURL_SSL_BACKEND' 'SSH-2.0-' 'getaddrinfo() thread failed to start' 'ssl/ssl_lib.c'; do
  grep -qaF "$text" "$2" || fail "$(basename "$2") has no \"$text\", so looking for it proves nothing"
  ! grep -qaF "$text" "$1" || fail "$(basename "$1") holds \"$text\" of a network library"
done
echo "$(basename "$1"): no libcurl, libssh2 or libssl in it"
