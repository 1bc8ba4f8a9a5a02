#!/bin/sh
# Checks the inputs of truenas-apply and runs host.sh on the TrueNAS host. See ../recipe.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../recipe.sh"

app=${RECIPE_APP:-}
case $app in
'') must_be_given app "" ;;
[!a-z]* | *[!a-z0-9-]* | *-) mistake app "no name of an app" "Write it as midclt call app.query tells its id: my-app" ;;
esac

change=${RECIPE_CHANGE:-update}
case $change in
update | upgrade) ;;
*) mistake change "neither update nor upgrade" "Write one of them." ;;
esac

payload='{}'
if [ -n "${RECIPE_PAYLOAD:-}" ]; then
  read_json '{' '}' payload "$RECIPE_PAYLOAD"
  payload=$json
elif [ "$change" = update ]; then
  mistake payload "missing, and the change is an update" \
    "Name the file with what app.update takes: {\"values\": {...}}"
fi

dataset=${RECIPE_DATASET:-}
case $dataset in
/* | */ | *//* | *[!A-Za-z0-9_.:/-]*) mistake dataset "no name of a dataset" "Write it as zfs list does: tank/apps/my-app" ;;
esac

restore_data=${RECIPE_RESTORE_DATA:-false}
must_be_boolean restore-data "$restore_data"
if [ "$restore_data" = true ] && [ -z "$dataset" ]; then
  mistake dataset "missing, and restore-data is true" "Name the dataset whose snapshot is to be gone back to."
fi

health_command=${RECIPE_HEALTH_COMMAND:-}
read_duration health-timeout "${RECIPE_HEALTH_TIMEOUT:-5m}"
health_seconds=$seconds

run_on_host "$here/host.sh" -- app change payload dataset restore_data health_command health_seconds
