#!/usr/bin/env bash
# Calls of Proxmox VE's API against its own schema: those that the sandbox answers, and those in the files named behind it.
# PVE_APIDOC names a folder with apidoc-9.2.json and apidoc-8.4.json, which are the schema by "METHOD /path".
# usage: proxmox_schema.sh SANDBOX [REQUESTS.json...]
#   REQUESTS.json: [{"operation": "POST /nodes/{node}/qemu/{vmid}/clone", "parameters": {"newid": "101"}, "permission": "..."}]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ ! -e "${PVE_APIDOC:-}/apidoc-9.2.json" ]; then
  echo "SKIPPED: PVE_APIDOC names no folder with apidoc-9.2.json: the schema by method and path. A host of Proxmox VE has" \
    "it in /usr/share/pve-docs/api-viewer/apidoc.js, as a tree with path, info and children." >&2
  exit 77
fi
exec node "$here/proxmox_schema_test.mjs" "$@"
