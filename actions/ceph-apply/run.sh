#!/bin/sh
# Checks the inputs of ceph-apply and runs host.sh on the host. See ../recipe.sh.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../recipe.sh"

most_of_a_spec=1048576

spec=
spec_file=${RECIPE_SPEC:-}
if [ -z "$spec_file" ]; then
  must_be_given spec ""
elif [ ! -f "$spec_file" ] || [ ! -r "$spec_file" ]; then
  mistake spec "no file that can be read" "Name a file of the job, below the folder it runs in: ceph/services.yaml"
elif [ "$(wc -c <"$spec_file")" -gt "$most_of_a_spec" ]; then
  mistake spec "more than 1 MiB" "Apply it in parts."
else
  spec=$(cat "$spec_file")
  case $spec in *service_type:*) ;; *)
    mistake spec "no service_type in the file" "ceph orch ls --export prints what a specification looks like."
    ;;
  esac
fi

dry_run=${RECIPE_DRY_RUN:-false}
must_be_boolean dry-run "$dry_run"

allow_warnings=${RECIPE_ALLOW_WARNINGS:-}
case $allow_warnings in
*[!A-Z0-9_"$line_break"' ']*)
  mistake allow-warnings "not only codes" "Write codes as ceph health detail prints them, one a line: OSDMAP_FLAGS"
  ;;
esac

read_duration health-timeout "${RECIPE_HEALTH_TIMEOUT:-10m}"
health_seconds=$seconds

run_on_host "$here/host.sh" -- spec dry_run allow_warnings health_seconds
