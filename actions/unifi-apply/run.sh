#!/bin/sh
# Checks the inputs of unifi-apply and runs host.sh on a host beside the console. See ../recipe.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../recipe.sh"

read_server "${RECIPE_URL:-}" "${RECIPE_ADDRESS:-}" "${RECIPE_SERVER_CERTIFICATE:-}"
api_key=${RECIPE_API_KEY:-}
must_be_api_key api-key "$api_key"

object=${RECIPE_OBJECT:-}
case $object in
'') must_be_given object "" ;;
/* | */ | *//* | *[!A-Za-z0-9/-]* | v1/*) mistake object "no object of the API" "Write it without /v1/: sites/ID/dns/policies/ID" ;;
sites/*/*/*) ;;
*) mistake object "no object of a site" "Write sites/ID/, the kind and the object's ID: sites/ID/dns/policies/ID" ;;
esac

payload=
if [ -z "${RECIPE_PAYLOAD:-}" ]; then
  must_be_given payload ""
else
  read_json '{' '}' payload "$RECIPE_PAYLOAD"
  payload=$json
fi

confirm_oob=${RECIPE_CONFIRM_OOB:-false}
must_be_boolean confirm-oob "$confirm_oob"
if [ "$confirm_oob" = false ]; then
  mistake confirm-oob "not true" "A change that cuts off the console cannot be taken back from here. Write true if you have another way to it."
fi

health_command=${RECIPE_HEALTH_COMMAND:-}
read_duration health-timeout "${RECIPE_HEALTH_TIMEOUT:-2m}"
health_seconds=$seconds

run_on_host "$here/../https.sh" "$here/host.sh" -- url address server_certificate api_key object payload health_command health_seconds
