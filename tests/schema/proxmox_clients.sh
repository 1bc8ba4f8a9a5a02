#!/usr/bin/env bash
# Clients that nobody here has written work with the sandbox's Proxmox VE: npm's proxmox-api, Debian's python3-proxmoxer.
# usage: proxmox_clients.sh npm|python SANDBOX
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

skip() {
  echo "SKIPPED: $1" >&2
  [ "${REQUIRE_E2E:-}" != 1 ] || exit 1
  exit 77
}

folder=$(mktemp -d)
sandbox=
end() {
  [ -z "$sandbox" ] || { kill "$sandbox" && wait "$sandbox" || true; }
  rm -rf "$folder"
}
trap end EXIT

case $1 in
npm)
  packages=$("$here/../npm/install.sh" 2>&1) || skip "$packages"
  client=(node "$here/proxmox_api_test.mjs" "$packages")
  ;;
python)
  # Debian's own Python, whatever else is on the PATH.
  /usr/bin/python3 -c 'import proxmoxer, requests' 2>/dev/null || skip "there is no python3-proxmoxer with python3-requests"
  client=(/usr/bin/python3 "$here/proxmoxer_test.py")
  ;;
esac

"$2" proxmox --die-with-parent --clock 100 --ca-out "$folder/ca.pem" --record "$folder/record" >"$folder/where" &
sandbox=$!
port=
for _ in $(seq 200); do
  port=$(sed -n 's/.*"proxmox":"127.0.0.1:\([0-9]*\)".*/\1/p' "$folder/where")
  [ -z "$port" ] || break
  read -rt 0.05 <> <(:) || true
done
[ -n "$port" ] || { echo "the sandbox did not say where it is" >&2; exit 1; }

env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY NODE_EXTRA_CA_CERTS="$folder/ca.pem" \
  REQUESTS_CA_BUNDLE="$folder/ca.pem" "${client[@]}" "$port"
