#!/bin/sh
# Checks the inputs of opnsense-apply, and has tunnel-ssh guard run host.sh on a host beside the firewall. See ../recipe.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../recipe.sh"

read_server "${RECIPE_URL:-}" "${RECIPE_ADDRESS:-}" "${RECIPE_SERVER_CERTIFICATE:-}"
api_key=${RECIPE_API_KEY:-}
api_secret=${RECIPE_API_SECRET:-}
must_be_api_key api-key "$api_key"
must_be_api_key api-secret "$api_secret"

rules=
rules_file=${RECIPE_RULES:-}
if [ -z "$rules_file" ]; then
  must_be_given rules ""
else
  read_json '[' ']' rules "$rules_file"
  rules=$json
fi

health_command=${RECIPE_HEALTH_COMMAND:-}

read_duration health-timeout "${RECIPE_HEALTH_TIMEOUT:-30s}"
[ "$seconds" -le 40 ] || mistake health-timeout "more than 40s" "OPNsense goes back by itself after 60s: write 40s or less."
export INPUT_HEALTH_TIMEOUT="${seconds}s"

read_duration revert-after "${RECIPE_REVERT_AFTER:-2m}"
[ "$seconds" = 0 ] || [ "$seconds" -ge 90 ] || mistake revert-after "less than 90s" "OPNsense goes back by itself after 60s: write 90s or more."
export INPUT_REVERT_AFTER="${seconds}s"

guard_on_host "$here/../https.sh" "$here/host.sh" -- url address server_certificate api_key api_secret rules health_command
