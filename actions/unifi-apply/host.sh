# Runs on a host that reaches the console, behind on_host.sh, https.sh and the variables of run.sh. POSIX sh.

credentials="header = \"X-API-KEY: $api_key\""
path=/proxy/network/integration/v1/$object

fail_request() { # what; nothing was changed
  fail "$(code_of_problem)" "$1; nothing was changed: $(problem)" "$(cure_of_problem)"
}

# Without what only an answer has: this is what PUT takes.
read_object() { # into which file
  request GET "$path" && jq 'del(.id, .metadata)' "$work/answer" >"$1" 2>"$work/problem"
}

# Every field that is asked for; a field that the file does not name may have any value.
is_as() { # file
  jq -e --slurpfile asked "$1" '
    def has_all($asked): if ($asked | type) == "object" and type == "object"
      then . as $now | all($asked | keys_unsorted[]; . as $key | $now[$key] | has_all($asked[$key]))
      else . == $asked end;
    has_all($asked[0])' "$work/now" >/dev/null
}

# Else $trouble says what is wrong.
is_well() { # file with what is asked for
  trouble=
  if ! read_object "$work/now"; then
    trouble=$(problem)
  elif ! is_as "$1"; then
    trouble="the object is not as asked for yet"
  elif ! run_health_command; then
    trouble="the health command fails"
  fi
  [ -z "$trouble" ]
}

# It may hold passwords: only this user can read it.
keep_old() {
  kept=${XDG_STATE_HOME:-$HOME/.local/state}/tunnel-ssh/unifi-apply/$(printf %s "$object" | tr / _).json
  (
    umask 077
    mkdir -p -- "$(dirname "$kept")" && cp -- "$work/old" "$kept.new" && mv -f -- "$kept.new" "$kept"
  ) || fail 1 "the object cannot be kept; nothing was changed" "Look whether there is room in $(dirname "$kept") on the host."
}

where_to_look="Look at the console by your other way to it."

# A console that was cut off for a moment is asked again.
put_old_back() {
  deadline=$(($(date +%s) + health_seconds))
  until request PUT "$path" "$work/old"; do
    [ "$(date +%s)" -lt "$deadline" ] || return 1
    sleep "$pause"
  done
}

restore() { # why
  trap '' INT TERM HUP
  printf 'error: %s; putting the old object back\n' "$1" >&2
  put_old_back || fail 4 "$1; and the old object cannot be put back: $(problem)" "$where_to_look It is in $kept on the host."
  health_command=
  wait_until_well "$work/old" || fail 4 "$1; the old object was put back, but $trouble" "$where_to_look It is in $kept on the host."
  fail 3 "$1; the old object was put back" "Correct what stands above, then apply again."
}

# There are 4 s.
cancelled() {
  trap '' INT TERM HUP
  request_limit=3
  request PUT "$path" "$work/old" || fail 4 "cancelled; and the old object cannot be put back: $(problem)" "$where_to_look It is in $kept on the host."
  fail 3 "cancelled; the old object was put back" "Apply again."
}

work=$(mktemp -d) || exit 1
trap 'rm -rf -- "$work"' EXIT
need_commands
printf '%s\n' "$payload" >"$work/new"
jq -e 'type == "object"' "$work/new" >/dev/null 2>"$work/problem" ||
  fail 1 "payload is no JSON object: $(head -n 1 "$work/problem")" "Correct the file."

read_object "$work/old" || fail_request "the object cannot be read"
cp -- "$work/old" "$work/now"
if is_as "$work/new"; then
  echo 'unchanged: the object is as asked for'
  exit 0
fi
keep_old
# Only what can be put back is changed.
request PUT "$path" "$work/old" || fail_request "the console does not take back the object that it told"

trap cancelled INT TERM HUP
request PUT "$path" "$work/new" || {
  why="the change is not taken: $(problem)"
  case $status in 4*)
    trap - INT TERM HUP
    if read_object "$work/now" && is_as "$work/old"; then fail 1 "$why; nothing was changed" "Correct the payload."; fi
    ;;
  esac
  restore "$why"
}
wait_until_well "$work/new" || restore "not well within $health_seconds s: $trouble"
trap - INT TERM HUP
echo 'applied: the object is as asked for, and all is well'
