#!/bin/sh
# Checks the inputs of gpu-node and runs host.sh on the node. See ../recipe.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../recipe.sh"

drain=${RECIPE_DRAIN:-}
deploy=${RECIPE_DEPLOY:-}
undrain=${RECIPE_UNDRAIN:-}
probe=${RECIPE_PROBE:-}
must_be_given deploy "$deploy"
if [ -n "$drain" ] && [ -z "$undrain" ]; then
  mistake undrain "missing, and drain is given" "Give the command that takes drain back."
fi

gpus=${RECIPE_GPUS:-}
case $gpus in
[1-9] | [1-9][0-9] | [1-9][0-9][0-9]) ;;
*) mistake gpus "no number from 1 to 999" "Write how many GPUs the node has: 8" ;;
esac

on_failure=${RECIPE_ON_FAILURE:-stay-drained}
case $on_failure in
stay-drained | undrain) ;;
*) mistake on-failure "neither stay-drained nor undrain" "Write one of them." ;;
esac

read_duration health-timeout "${RECIPE_HEALTH_TIMEOUT:-2m}"
health_seconds=$seconds

run_on_host "$here/host.sh" -- drain deploy undrain probe gpus on_failure health_seconds
