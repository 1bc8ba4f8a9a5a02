# Runs on a TrueNAS host, behind on_host.sh and the variables that run.sh names. POSIX sh.

one_command=60  # seconds: a call that starts no job

# Its input is the last argument of the method. What it prints is in $said, what goes wrong in $problem.
ask() { # method, arguments...
  said=$(limited "$one_command" midclt call "$@" 2>"$work/problem") && return 0
  problem=$(tail -n 5 "$work/problem")
  return 1
}

# A job goes on in TrueNAS whatever becomes of who waits for it. Its result may hold secrets, and is not shown.
run_job() { # method, arguments...
  {
    limited "$health_seconds" midclt call -j -jp description "$@" 2>&1 >/dev/null
    echo $? >"$work/code"
  } | tee "$work/problem"
  code=$(cat "$work/code")
  problem=$(tail -n 5 "$work/problem")
  if [ "$code" = 124 ]; then problem="the job takes longer than $health_seconds s"; fi
  return "$code"
}

value_of() { # key: of what app.query selected
  printf '%s\n' "$said" | sed -n "s/.*\"$1\": *\"\{0,1\}\([A-Za-z0-9._+-]*\).*/\1/p"
}

# The options go by stdin here, too: so nothing is touched where midclt does not read it.
look() {
  ask app.query "[[\"id\", \"=\", \"$app\"]]" - <<END || return 1
{"select": ["state", "version", "custom_app"], "get": true}
END
  state=$(value_of state)
  version=$(value_of version)
  custom=$(value_of custom_app)
  problem="app.query does not tell a state and a version"
  [ -n "$state" ] && [ -n "$version" ] && problem=
}

# Else $trouble says what is wrong.
is_well() {
  trouble=
  if ! look; then
    trouble="app.query fails: $problem"
  elif [ "$state" != RUNNING ]; then
    trouble="$app is $state"
  elif ! run_health_command; then
    trouble="the health command fails"
  fi
  [ -z "$trouble" ]
}

# The configuration may hold passwords: only this user can read it. As app.update takes it.
keep_old_config() {
  kept=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/truenas-apply/$app.json
  key=values
  if [ "$custom" = true ]; then key=custom_compose_config; fi
  ask app.config "$app" && (
    umask 077
    mkdir -p -- "$(dirname "$kept")" && printf '{"%s": %s}\n' "$key" "$said" >"$kept.new" && mv -f -- "$kept.new" "$kept"
  ) || fail 1 "the configuration of $app cannot be kept; nothing was applied: ${problem:-no room?}" \
    "Look at midclt call app.config $app on the host, and whether there is room in $(dirname "$kept")."
  old_config=$said
}

make_snapshot() {
  if [ -z "$dataset" ]; then return 0; fi
  snapshot=$dataset@tunnel-ssh-$(date -u +%Y%m%dT%H%M%SZ)
  ask pool.snapshot.create - <<END && echo "snapshot: $snapshot" && return 0
{"dataset": "$dataset", "name": "${snapshot#*@}"}
END
  fail 1 "no snapshot of $dataset; nothing was applied: $problem" \
    "Look at the dataset's name and room, and whether this TrueNAS has pool.snapshot (25.10 has)."
}

# One snapshot stays, of the newest change.
forget_older_snapshot() {
  if [ -z "$dataset" ]; then return 0; fi
  list=$(dirname "$kept")/$app.snapshot
  older=$(cat "$list" 2>/dev/null)
  printf '%s\n' "$snapshot" >"$list"
  if [ -z "$older" ]; then return 0; fi
  ask pool.snapshot.delete "$older" || echo "note: the older snapshot $older stays: $problem"
}

nothing_changed() {
  look && [ "$state" = RUNNING ] && [ "$version" = "$old_version" ] && ask app.config "$app" && [ "$said" = "$old_config" ]
}

# TrueNAS rolls back and stops only what is not stopped, and starts nothing that is when it updates.
start_if_stopped() {
  look || return 1
  case $state in STOPPED | STOPPING) run_job app.start "$app" ;; esac
}

take_back_version() {
  if [ "$change" = update ]; then
    run_job app.update "$app" - <"$kept"
    return
  fi
  look || return 1
  if [ "$version" = "$old_version" ]; then return 0; fi
  start_if_stopped && run_job app.rollback "$app" - <<END
{"app_version": "$old_version", "rollback_snapshot": $restore_data}
END
}

# Without further options: newer snapshots of others are never destroyed, it fails then.
take_back_data() {
  if [ "$restore_data" = false ]; then return 0; fi
  run_job app.stop "$app" && ask pool.snapshot.rollback "$snapshot"
}

where_to_look() {
  echo "Look at midclt call app.query and core.get_jobs. The configuration before is in $kept on the host${dataset:+, the data in the snapshot $snapshot}."
}

take_back() { # why
  trap '' INT TERM HUP
  printf 'error: %s; taking it back\n' "$1" >&2
  take_back_version && take_back_data && start_if_stopped ||
    fail 4 "$1; and it cannot be taken back: $problem" "$(where_to_look)"
  wait_until_well || fail 4 "$1; it was taken back, but $trouble" "$(where_to_look)"
  if [ "$change" = upgrade ] && [ "$version" != "$old_version" ]; then
    fail 4 "$1; it was taken back, but $app runs in version $version instead of $old_version" "$(where_to_look)"
  fi
  fail 3 "$1; it was taken back, and $app runs as before" \
    "Correct what stands above, then apply again.${dataset:+ The snapshot $snapshot stays.}"
}

# There are 4 s: the old configuration is queued behind the job that runs, and TrueNAS applies it by itself.
cancelled() {
  trap '' INT TERM HUP
  if [ "$change" = update ] && ask app.update "$app" - <"$kept"; then
    fail 4 "cancelled; TrueNAS goes back to the old configuration by itself, as job $said" "$(where_to_look)"
  fi
  fail 4 "cancelled; what TrueNAS has begun goes on there, from version $old_version" "$(where_to_look)"
}

command -v midclt >/dev/null || fail 1 "there is no midclt command on the host" \
  "This is for TrueNAS itself: name it as host, or its address behind jump."
work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT

look || fail 1 "midclt tells nothing of $app; nothing was applied: $problem" \
  "Look whether the app is there, whether this user may call midclt (become: true), and whether midclt call --help knows the argument -."
case $state in STOPPED | STOPPING)
  fail 1 "$app is $state; nothing was applied" "Start it first: midclt call -j app.start $app"
  ;;
esac
if [ "$change" = upgrade ] && [ "$custom" = true ]; then
  fail 1 "$app is a custom app, which has no version to go back to; nothing was applied" \
    "Name its images by digest in custom_compose_config, and use change: update."
fi
old_version=$version

keep_old_config
make_snapshot
trap cancelled INT TERM HUP
run_job "app.$change" "$app" - <<END
$payload
END
if [ "$code" != 0 ]; then
  why="app.$change fails: $problem"
  if [ "$code" != 124 ]; then
    if nothing_changed; then
      fail 1 "$why; nothing was changed" "Correct the payload.${dataset:+ The snapshot $snapshot stays.}"
    fi
    take_back "$why"
  fi
  # Of an upgrade that still runs nothing can be taken back; an update waits its turn.
  if [ "$change" = upgrade ]; then fail 4 "$why" "$(where_to_look)"; fi
  take_back "$why"
fi
wait_until_well || take_back "not well within $health_seconds s: $trouble"
trap - INT TERM HUP
forget_older_snapshot
echo "applied: $app runs in version $version"
